"""What every open page hears: ticks and incidents, numbered without a gap, kept a while for those who missed some."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import structlog

from hub import metrics

log = structlog.get_logger()

RING: Final = 1000
"""Messages kept for a page that comes back; with a tick each two seconds, well over a quarter of an hour of calm."""
BACKLOG: Final = 200
"""Messages a page may lag behind before it is cut off; it comes back and gets a fresh snapshot."""


class Message(msgspec.Struct, frozen=True):
    """One message as it goes out. `sequence` counts from 1 within the life of this process."""

    sequence: int
    raw: bytes


class Stream:
    """One per process. `boot` names this life of it: numbers of another life mean nothing here."""

    def __init__(self, ring: int = RING, backlog: int = BACKLOG) -> None:
        self.boot = secrets.token_hex(4)
        self.sequence = 0
        self._ring: deque[Message] = deque(maxlen=ring)
        self._backlog = backlog
        self._listeners: set[Listener] = set()
        self._closed = False

    def say(self, kind: str, data: bytes) -> None:
        """Tell every page. `data` is JSON on one line."""
        self.sequence += 1
        message = Message(self.sequence, self._raw(self.sequence, kind, data))
        self._ring.append(message)
        for listener in tuple(self._listeners):
            if not listener.offer(message):
                metrics.STREAM_DROPPED.inc()
                log.warning("stream_client_cut", reason="too slow", behind=self._backlog)
                self._listeners.discard(listener)

    @contextmanager
    def listen(self, last: str) -> Iterator[Listener]:
        """A new listener. `last` is the id of the last message it has heard, "" for none.

        It first gets a "hello": `replayed` true when everything after `last` follows, false when it must read the
        snapshot because that is no longer known.
        """
        missed = self._after(last)
        begin = self.sequence if missed is None else int(last.partition(".")[2])
        hello = msgspec.json.encode({"replayed": missed is not None})
        listener = Listener(self._backlog + len(missed or ()) + 1)
        listener.offer(Message(begin, self._raw(begin, "hello", hello)))
        for message in missed or ():
            listener.offer(message)
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        metrics.STREAM_CLIENTS.inc()
        try:
            yield listener
        finally:
            metrics.STREAM_CLIENTS.dec()
            self._listeners.discard(listener)

    def close(self) -> None:
        """End all listeners, so that the server can stop."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()

    def _after(self, last: str) -> list[Message] | None:
        boot, _, count = last.partition(".")
        if boot != self.boot or not count.isdecimal() or not count.isascii() or len(count) > 18:
            return None
        sequence = int(count)
        oldest = self._ring[0].sequence if self._ring else self.sequence + 1
        if sequence > self.sequence or sequence < oldest - 1:
            return None
        return [message for message in self._ring if message.sequence > sequence]

    def _raw(self, sequence: int, kind: str, data: bytes) -> bytes:
        return b"id: %s.%d\nevent: %s\ndata: %s\n\n" % (self.boot.encode(), sequence, kind.encode(), data)


class Listener:
    """One open page. Iterate to get what to send; it ends when the page is cut off or the stream closed."""

    def __init__(self, backlog: int) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(backlog)
        self._ended = False

    def offer(self, message: Message) -> bool:
        """Queue a message. False when this listener is too far behind: it ends here and must come back."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Send nothing more, not even what is queued: an end that waits for a slow page is no end."""
        self._ended = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._ended:
            message = await self._queue.get()
            if message is None:
                return
            yield message.raw
