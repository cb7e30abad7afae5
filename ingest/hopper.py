"""Video chunks on their way from the cameras' threads to the log."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

from hub import metrics
from hub.model import VideoChunk
from hub.topics import VIDEO
from ingest.outlet import Outlet

WAITING_BYTES: Final = 16 * 2**20
"""So much of one camera may wait while the bus is away: some 30 s. Then its newest are dropped, up to a key frame."""
AT_ONCE: Final = 64
GATHER_SECONDS: Final = 0.1
"""Chunks of all cameras go together so often: a write of its own for each would cost more than reading the cameras."""


class Hopper:
    """Takes chunks from any thread, publishes them from the loop it was made in; order holds within a camera."""

    def __init__(self, outlet: Outlet, heard: Callable[[VideoChunk], None], *, gather: float = GATHER_SECONDS) -> None:
        """`heard` is told of each chunk that is on the log."""
        self._outlet = outlet
        self._heard = heard
        self._gather = gather
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: list[VideoChunk] = []
        self._bytes: dict[str, int] = {}
        self._broken: set[str] = set()

    def offer(self, chunk: VideoChunk) -> None:
        """Take a chunk, or drop it when too much of its camera waits already. From a camera's thread."""
        size = _size(chunk)
        with self._lock:
            held = self._bytes.get(chunk.camera, 0)
            if held + size > WAITING_BYTES and held > 0:
                self._broken.add(chunk.camera)
            elif chunk.key:
                self._broken.discard(chunk.camera)
            if chunk.camera in self._broken:
                seconds = len(chunk.packets) and (chunk.packets[-1].dts - chunk.packets[0].dts) * chunk.num / chunk.den
                metrics.FRAMES_UNCOVERED.labels("bus_away").inc(max(0.0, seconds))
                return
            self._bytes[chunk.camera] = held + size
            self._waiting.append(chunk)
            first = len(self._waiting) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the hub ends, nobody will read this
                self._loop.call_soon_threadsafe(self._news.set)

    async def run(self, beat: Callable[[], None]) -> None:
        """Publish until cancelled."""
        while True:
            beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._news.wait()
                    await asyncio.sleep(self._gather)
            self._news.clear()
            while chunks := self._take():
                beat()
                await self._outlet.keep(VIDEO, chunks)
                self._done(chunks)

    def _take(self) -> list[VideoChunk]:
        with self._lock:
            chunks, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        return chunks

    def _done(self, chunks: list[VideoChunk]) -> None:
        with self._lock:
            for chunk in chunks:
                self._bytes[chunk.camera] -= _size(chunk)
        for chunk in chunks:
            metrics.VIDEO_CHUNKS.inc()
            metrics.VIDEO_BYTES.inc(_size(chunk))
            self._heard(chunk)


def _size(chunk: VideoChunk) -> int:
    return sum(len(packet.data) for packet in chunk.packets)
