"""A proxy between browser and server that can fall silent without closing anything, or answer 502 as others do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_ANSWER_502 = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n"
    b"Content-Length: 13\r\nConnection: close\r\n\r\n<p>no hub</p>"
)


class Proxy:
    """`address` is where it listens. `freeze` holds back every byte both ways; `refuse` answers 502 to who comes."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    def freeze(self) -> None:
        """From now on nothing passes, and no connection ends."""
        self._flowing.clear()

    def thaw(self) -> None:
        """What was held back passes, and all that follows."""
        self._flowing.set()

    def refuse(self, refusing: bool) -> None:
        """Cut what is open and answer 502, or be a proxy again."""
        self._refusing = refusing
        for writer in tuple(self._open) if refusing else ():
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.write(_ANSWER_502)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, far_writer))
                tasks.create_task(self._pass(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy on loopback before `upstream` ("http://127.0.0.1:1234")."""
    between = Proxy(upstream)
    server = await asyncio.start_server(between._accept, "127.0.0.1", 0)
    between.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield between
    finally:
        server.close()
        tasks = tuple(between._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
