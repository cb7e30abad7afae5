"""The bus of one machine: SQLite files in one folder, shared by any number of processes, nothing else to install.

`topics/<name>.sqlite` holds a topic, `groups.sqlite` who reads what and how far, `present/` which processes live. A
killed process loses nothing that was published; a power cut at most the newest video and thermal pictures.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import msgspec

from hub.bus import Assignment, Delivery, Position, Span, Subscription
from hub.bus.group import Group
from hub.bus.lease import Leases
from hub.bus.member import Bounds, Member, Record, delivery
from hub.bus.presence import Presence
from hub.bus.record import checked
from hub.bus.segment import Row, Segment, microseconds, packed_headers
from hub.bus.writer import Writer
from hub.topics import Topic, partition_of

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

POLL_SECONDS = (0.002, 0.015)
"""How often an idle member looks for what other processes published: at first, and after a while of silence."""


def _now_utc() -> datetime:
    return datetime.now(UTC)


class EmbeddedBus:
    """`session` (seconds) is how long a member may make no progress before its partitions go to others.

    `monotonic` measures sessions, by one clock for all processes; `now` stamps records.
    """

    def __init__(
        self,
        directory: Path,
        *,
        session: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now_utc,
    ) -> None:
        self._directory = directory
        self._session = session
        self._monotonic = monotonic
        self._now = now
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="bus")
        self._lock = threading.Lock()
        self._leases: Leases | None = None
        self._presence: Presence | None = None
        self._segments: dict[str, Segment] = {}
        self._writers: dict[str, Writer] = {}
        self._waiting: set[threading.Event] = set()

    async def __aenter__(self) -> EmbeddedBus:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            await writer.close()
        await self._run(self._close)
        await asyncio.to_thread(self._threads.shutdown)

    async def publish(self, topic: Topic[T], nouns: Sequence[T]) -> list[Position]:
        """See Bus. Records of one call stand together; calls of one moment share a transaction."""
        if not nouns:
            return []
        at = microseconds(self._now())
        rows = []
        for noun in nouns:
            key, value, headers = checked(topic, noun)
            rows.append(Row(partition_of(key, topic.partitions), at, key, packed_headers(headers), value))
        writer = self._writers.get(topic.name)
        if writer is None:
            writer = self._writers[topic.name] = Writer(self._path(topic), topic, self._now, self._tell)
        offsets = await writer.append(rows)
        return [Position(row.partition, offset) for row, offset in zip(rows, offsets, strict=True)]

    @asynccontextmanager
    async def subscribe(
        self, topics: Sequence[Topic[Any]], group: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> AsyncIterator[Subscription]:
        """See Bus."""
        leases, presence = await self._run(self._groups), await self._run(self._present)
        records = _Records(self._path)
        member = Member(records, leases, group, topics, start, self._session, self._monotonic, presence)
        subscription = _EmbeddedSubscription(member, records)
        self._waiting.add(subscription.news)
        try:
            await subscription.enter()
            yield subscription
        finally:
            self._waiting.discard(subscription.news)
            await subscription.close()

    async def read(self, topic: Topic[T], key: str, begin: datetime, end: datetime) -> AsyncIterator[Delivery[T]]:
        """See Bus."""
        wanted = key.encode()
        partition = partition_of(wanted, topic.partitions)
        segment = await self._run(self._segment, topic)
        pages = segment.between(partition, wanted, begin, end)
        while page := await self._run(next, pages, None):
            for record in page:
                yield delivery(topic, partition, record)

    async def spans(self, topic: Topic[Any], group: str) -> list[Span]:
        """See Ledger."""
        return await self._run(self._spans, topic, group)

    def _spans(self, topic: Topic[Any], name: str) -> list[Span]:
        group: Group = self._groups().get(name)
        segment = self._segment(topic)
        bounds = [segment.bounds(p) for p in range(topic.partitions)]
        return [Span(p, b.start, b.end, group.offset((topic.name, p))) for p, b in enumerate(bounds)]

    def _path(self, topic: Topic[Any]) -> Path:
        return self._directory / "topics" / f"{topic.name}.sqlite"

    def _segment(self, topic: Topic[Any]) -> Segment:
        with self._lock:
            if topic.name not in self._segments:
                self._segments[topic.name] = Segment(self._path(topic))
            return self._segments[topic.name]

    def _groups(self) -> Leases:
        with self._lock:
            if self._leases is None:
                self._leases = Leases(self._directory / "groups.sqlite")
            return self._leases

    def _present(self) -> Presence:
        with self._lock:
            if self._presence is None:
                self._presence = Presence(self._directory / "present")
            return self._presence

    def _close(self) -> None:
        with self._lock:
            for segment in self._segments.values():
                segment.close()
            if self._leases is not None:
                self._leases.close()
            if self._presence is not None:
                self._presence.close()

    def _tell(self) -> None:
        for news in self._waiting:
            news.set()

    async def _run(self, work: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


class _EmbeddedSubscription:
    """A member with its own connections and two threads: one waits for records, the other acknowledges meanwhile."""

    def __init__(self, member: Member, records: _Records) -> None:
        self.news = threading.Event()
        self._member = member
        self._records = records
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="bus-member")
        self._taking = asyncio.Lock()
        self._entered = False
        self._hurry = False

    @property
    def assignment(self) -> Assignment:
        return self._member.assignment

    async def enter(self) -> None:
        await self._run(self._member.enter)
        self._entered = True

    async def take(self, limit: int = 500, wait: float = 1.0) -> list[Delivery[Any]]:
        async with self._taking:
            self._hurry = False
            work = asyncio.ensure_future(self._run(self._poll, limit, time.monotonic() + wait))
            try:
                taken = await asyncio.shield(work)
            except asyncio.CancelledError:
                # The thread must be out of the member before anyone else looks at it. What it found was not handed
                # over, and is found again.
                self._hurry = True
                self.news.set()
                await asyncio.wait([work])
                work.exception()
                raise
            self._member.handed(taken)
            return taken

    async def commit(self, done: Sequence[Delivery[Any]]) -> None:
        await self._run(self._member.commit, done)

    async def close(self) -> None:
        self._hurry = True
        self.news.set()
        async with self._taking:
            try:
                if self._entered:
                    await self._run(self._member.leave)
            finally:
                await self._run(self._records.close)
                await asyncio.to_thread(self._threads.shutdown)

    def _poll(self, limit: int, deadline: float) -> list[Delivery[Any]]:
        pause, longest = POLL_SECONDS
        while True:
            self.news.clear()
            taken = self._member.poll(limit)
            if taken is not None:
                return taken
            left = deadline - time.monotonic()
            if left <= 0 or self._hurry:
                return []
            self.news.wait(min(pause, left))
            pause = min(pause * 1.2, longest)

    async def _run(self, work: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


class _Records:
    """The topics of one subscription as a Log."""

    def __init__(self, path: Callable[[Topic[Any]], Path]) -> None:
        self._path = path
        self._segments: dict[str, Segment] = {}

    def version(self, topic: Topic[Any]) -> int:
        return self._segment(topic).version()

    def bounds(self, topic: Topic[Any], partition: int) -> Bounds:
        return self._segment(topic).bounds(partition)

    def fetch(self, topic: Topic[Any], partition: int, offset: int, limit: int, volume: int) -> list[Record]:
        return self._segment(topic).fetch(partition, offset, limit, volume)

    def close(self) -> None:
        for segment in self._segments.values():
            segment.close()

    def _segment(self, topic: Topic[Any]) -> Segment:
        segment = self._segments.get(topic.name)
        if segment is None:
            segment = self._segments[topic.name] = Segment(self._path(topic))
        return segment
