"""Appending to one topic from one process: what is published at one moment shares one transaction (group commit).

While one batch is on its way to the disk the next one gathers. A publisher that is alone waits for nobody; where
several meet, 2 ms more let them share a commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog

from hub.bus.segment import Appender, Row
from hub.errors import HubError
from hub.topics import Topic

R = TypeVar("R")
log = structlog.get_logger()

GATHER_SECONDS = 0.002
MOST_RECORDS = 500
MOST_BYTES = 8 * 2**20
RETAIN_SECONDS = (0.25, 5.0)
"""Between two looks for what is too old: while there is more to drop, and when there is none."""


class _Batch:
    """Requests that are committed together. It is full when another one must be begun."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.volume = 0
        self.requests = 0
        self.closed = False
        self.task: asyncio.Task[list[int]]

    def add(self, rows: Sequence[Row]) -> slice:
        begin = len(self.rows)
        self.rows += rows
        self.volume += sum(len(row.value) for row in rows)
        self.requests += 1
        return slice(begin, len(self.rows))

    @property
    def full(self) -> bool:
        return self.closed or len(self.rows) >= MOST_RECORDS or self.volume >= MOST_BYTES


class Writer:
    """Opens its file with the first append. `tell` is called after each commit, in the event loop."""

    def __init__(self, path: Path, topic: Topic[Any], now: Callable[[], datetime], tell: Callable[[], None]) -> None:
        self._path = path
        self._topic = topic
        self._now = now
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"bus-{topic.name}")
        self._appender: Appender | None = None
        self._last: _Batch | None = None
        self._met = False
        self._retaining = asyncio.create_task(self._retain())

    async def append(self, rows: Sequence[Row]) -> list[int]:
        """Append in order; returns the offsets once they are kept. Raises TransientError and HubError."""
        batch = self._last
        if batch is None or batch.full:
            batch = _Batch()
            batch.task = asyncio.create_task(self._commit(batch, self._last))
            batch.task.add_done_callback(_seen)
            self._last = batch
        part = batch.add(rows)
        # Shielded: one publisher who is cancelled must not take the others' records with it.
        return (await asyncio.shield(batch.task))[part]

    async def close(self) -> None:
        """Finish what was begun, and close the file."""
        if self._last is not None:
            await asyncio.wait([self._last.task])
        self._retaining.cancel()
        await asyncio.wait([self._retaining])
        await self._run(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    async def _commit(self, batch: _Batch, before: _Batch | None) -> list[int]:
        if before is not None and not before.task.done():
            await asyncio.wait([before.task])
        elif self._met:
            await asyncio.sleep(GATHER_SECONDS)
        batch.closed = True
        self._met = batch.requests > 1
        offsets = await self._run(self._append, batch.rows)
        self._tell()
        return offsets

    def _append(self, rows: Sequence[Row]) -> list[int]:
        return self._open().append(rows)

    def _open(self) -> Appender:
        if self._appender is None:
            self._appender = Appender(self._path, self._topic)
        return self._appender

    def _close(self) -> None:
        if self._appender is not None:
            self._appender.close()

    async def _retain(self) -> None:
        often, seldom = RETAIN_SECONDS
        while True:
            begun = time.monotonic()
            try:
                more = await self._run(lambda: self._open().retain(self._now()))
            except HubError as error:
                # Publishing meets the same trouble and tells its caller; here the next round tries again.
                log.warning("retention_failed", topic=self._topic.name, error=str(error))
                more = False
            await asyncio.sleep(max(often if more else seldom, time.monotonic() - begun))

    async def _run(self, work: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _seen(task: asyncio.Task[list[int]]) -> None:
    # When every publisher of a batch was cancelled nobody asks for its error: asking here keeps asyncio quiet.
    if not task.cancelled():
        task.exception()
