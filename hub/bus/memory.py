"""The bus for tests and trials: everything in memory, gone with the process. It keeps every promise but survival."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, TypeVar

import msgspec

from hub.bus import Assignment, Delivery, Position, Span, Subscription
from hub.bus.group import Group
from hub.bus.member import Bounds, Member, Record, delivery
from hub.bus.record import checked
from hub.topics import Topic, partition_of

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")


def now_utc() -> datetime:
    """The hub's own time."""
    return datetime.now(UTC)


class MemoryBus:
    """All topics and groups of one test. `session` (seconds) is how long a member may make no progress.

    `monotonic` measures sessions and `now` stamps records; a test that wants to pass time gives its own.
    """

    def __init__(
        self,
        *,
        session: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._session = session
        self._monotonic = monotonic
        self._now = now
        self._records = _Records()
        self._groups = _Groups()
        self._news = _News()

    async def __aenter__(self) -> MemoryBus:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._news.tell()

    async def publish(self, topic: Topic[T], nouns: Sequence[T]) -> list[Position]:
        """See Bus."""
        encoded = [checked(topic, noun) for noun in nouns]
        now = self._now()
        positions = []
        for key, value, headers in encoded:
            partition = partition_of(key, topic.partitions)
            offset = self._records.append(topic, partition, now, key, headers, value)
            positions.append(Position(partition, offset))
        self._records.retain(topic, now)
        self._news.tell()
        return positions

    @contextlib.asynccontextmanager
    async def subscribe(
        self, topics: Sequence[Topic[Any]], group: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> AsyncIterator[Subscription]:
        """See Bus."""
        member = Member(self._records, self._groups, group, topics, start, self._session, self._monotonic)
        member.enter()
        self._news.tell()
        try:
            yield _MemorySubscription(member, self._news)
        finally:
            member.leave()
            self._news.tell()

    async def read(self, topic: Topic[T], key: str, begin: datetime, end: datetime) -> AsyncIterator[Delivery[T]]:
        """See Bus."""
        wanted = key.encode()
        partition = partition_of(wanted, topic.partitions)
        for record in self._records.between(topic, partition, begin, end):
            if record.key == wanted:
                yield delivery(topic, partition, record)

    async def spans(self, topic: Topic[Any], group: str) -> list[Span]:
        """See Ledger."""
        state = self._groups.get(group)
        bounds = [self._records.bounds(topic, p) for p in range(topic.partitions)]
        return [Span(p, b.start, b.end, state.offset((topic.name, p))) for p, b in enumerate(bounds)]


class _MemorySubscription:
    def __init__(self, member: Member, news: _News) -> None:
        self._member = member
        self._news = news

    @property
    def assignment(self) -> Assignment:
        return self._member.assignment

    async def take(self, limit: int = 500, wait: float = 1.0) -> list[Delivery[Any]]:
        deadline = time.monotonic() + wait
        while True:
            taken = self._member.poll(limit)
            if taken is not None:
                self._member.handed(taken)
                return taken
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            # Others' leases end without anyone telling, so look again from time to time.
            await self._news.wait(min(left, 0.05))

    async def commit(self, done: Sequence[Delivery[Any]]) -> None:
        self._member.commit(done)


class _News:
    """Wakes everyone who waits for a change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        event = self._event
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class _Groups:
    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def get(self, name: str) -> Group:
        return self._groups.get(name, Group())

    def generation(self, name: str) -> int:
        return self.get(name).generation

    def change(self, name: str, step: Callable[[Group], tuple[Group, R]]) -> R:
        self._groups[name], answer = step(self.get(name))
        return answer


class _Records:
    """Partitions as lists; `_starts` is the offset of a list's first record."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], list[Record]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._appended: dict[str, int] = {}
        self._bytes: dict[str, int] = {}

    def append(self, topic: Topic[Any], partition: int, at: datetime, key: bytes, headers: Any, value: bytes) -> int:
        kept = self._kept.setdefault((topic.name, partition), [])
        offset = self._starts.get((topic.name, partition), 0) + len(kept)
        kept.append(Record(offset, at, key, headers, value))
        self._appended[topic.name] = self._appended.get(topic.name, 0) + 1
        self._bytes[topic.name] = self._bytes.get(topic.name, 0) + len(value)
        return offset

    def retain(self, topic: Topic[Any], now: datetime) -> None:
        cut = now - timedelta(seconds=topic.keep_seconds)
        heads = {s: kept for s, kept in self._kept.items() if s[0] == topic.name and kept}
        while heads:
            slot, kept = min(heads.items(), key=lambda item: item[1][0].at)
            if kept[0].at >= cut and self._bytes[topic.name] <= topic.keep_bytes:
                return
            self._bytes[topic.name] -= len(kept.pop(0).value)
            self._starts[slot] = self._starts.get(slot, 0) + 1
            if not kept:
                del heads[slot]

    def version(self, topic: Topic[Any]) -> int:
        return self._appended.get(topic.name, 0)

    def bounds(self, topic: Topic[Any], partition: int) -> Bounds:
        start = self._starts.get((topic.name, partition), 0)
        return Bounds(start, start + len(self._kept.get((topic.name, partition), [])))

    def fetch(self, topic: Topic[Any], partition: int, offset: int, limit: int, volume: int) -> list[Record]:
        kept = self._kept.get((topic.name, partition), [])
        first = max(0, offset - self._starts.get((topic.name, partition), 0))
        found: list[Record] = []
        for record in kept[first : first + limit]:
            found.append(record)
            volume -= len(record.value)
            if volume <= 0:
                break
        return found

    def between(self, topic: Topic[Any], partition: int, begin: datetime, end: datetime) -> list[Record]:
        kept = self._kept.get((topic.name, partition), [])
        return [record for record in kept if begin <= record.at < end]
