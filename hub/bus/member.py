"""One member of a group at work: joins, holds its partitions, takes records, acknowledges, leaves.

Shared by the bus in memory and the embedded one, so that a group behaves the same on both. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import structlog

from hub.bus import Assignment, Delivery
from hub.bus.group import NEVER, Group, Slot, commit, join, leave, tend
from hub.bus.holding import Holding, tell_skipped
from hub.topics import Topic
from hub.wire import Headers

R = TypeVar("R")
log = structlog.get_logger()

MAX_TAKE = 16 * 2**20
"""Bytes handed over by one take; at least one record is, however large."""


class Record(msgspec.Struct, frozen=True):
    """A record as a log keeps it."""

    offset: int
    at: datetime
    key: bytes
    headers: Headers
    value: bytes


class Bounds(msgspec.Struct, frozen=True):
    """The oldest offset kept and the next to be written."""

    start: int
    end: int


class Log(Protocol):
    """Where records are kept."""

    def version(self, topic: Topic[Any]) -> int:
        """Differs from the last answer when there may be new records."""

    def bounds(self, topic: Topic[Any], partition: int) -> Bounds:
        """What is kept of a partition."""

    def fetch(self, topic: Topic[Any], partition: int, offset: int, limit: int, volume: int) -> list[Record]:
        """At most `limit` records from `offset` on, stopping when `volume` bytes are passed; at least one if any."""


class Groups(Protocol):
    """Where groups are kept."""

    def generation(self, name: str) -> int:
        """The group's generation now; cheap, asked at each look for records."""

    def change(self, name: str, step: Callable[[Group], tuple[Group, R]]) -> R:
        """Replace the group by what `step` makes of it, nobody else coming between; returns the step's other half."""


def delivery(topic: Topic[Any], partition: int, record: Record) -> Delivery[Any]:
    """The record as a subscriber sees it."""
    key = record.key.decode(errors="replace")
    return Delivery(topic, partition, record.offset, key, record.value, record.headers, record.at)


class Process(Protocol):
    """The process that a member belongs to, among the others that may die."""

    @property
    def name(self) -> str:
        """Its own name, written beside its leases."""

    def gone(self, name: str) -> bool:
        """Whether another one is dead for certain."""


class Alone:
    """The only process there is."""

    name = ""

    def gone(self, name: str) -> bool:
        """Nobody is."""
        return False


class Member:
    """`clock` is monotonic, in seconds. Its lease is renewed when it takes or commits, at most ten times a session."""

    def __init__(
        self,
        records: Log,
        groups: Groups,
        name: str,
        topics: Sequence[Topic[Any]],
        start: Literal["earliest", "latest"],
        session: float,
        clock: Callable[[], float],
        process: Process | None = None,
    ) -> None:
        self._log = records
        self._groups = groups
        self._name = name
        self._topics = {topic.name: topic for topic in topics}
        self._start = start
        self._session = session
        self._clock = clock
        self._process: Process = process or Alone()
        self._holding = Holding()
        self._number = 0
        self._seen = -1
        self._renew_at = 0.0
        self._turn = 0
        self._drained: dict[str, int] = {}

    @property
    def assignment(self) -> Assignment:
        """What is held."""
        return self._holding.assignment

    def enter(self) -> None:
        """Join, and hold at once what is free."""
        now = self._clock()
        self._join(now)
        self._tend(now)

    def leave(self) -> None:
        """Leave; what is not acknowledged goes to the others."""
        self._groups.change(self._name, lambda group: (leave(group, self._number), None))
        self._holding.change(self._holding.assignment.partitions, {})

    def poll(self, limit: int) -> list[Delivery[Any]] | None:
        """New records; None when there are none. An empty list says that partitions were lost: look before going on.

        What it returns is not yet handed over: say so with `handed`, or the next poll returns it again.
        """
        now = self._clock()
        stale = now >= self._renew_at or self._groups.generation(self._name) != self._seen
        if stale and self._tend(now):
            return []
        return self._fetch(limit) or None

    def handed(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """The caller has these now."""
        for d in deliveries:
            skipped = self._holding.take((d.topic.name, d.partition), d.offset)
            if skipped:
                tell_skipped(self._name, d.topic.name, d.partition, skipped)

    def commit(self, done: Sequence[Delivery[Any]]) -> None:
        """Acknowledge these; renews the lease even when there are none."""
        offsets = self._holding.acknowledge((d.topic.name, d.partition, d.offset) for d in done)
        now = self._clock()
        self._groups.change(self._name, lambda group: (commit(group, self._number, offsets, now), None))

    def _join(self, now: float) -> None:
        partitions = {name: topic.partitions for name, topic in self._topics.items()}
        holder = self._process.name
        self._number = self._groups.change(
            self._name, lambda group: join(group, partitions, self._session, now, holder)
        )
        self._seen = -1

    def _tend(self, now: float) -> bool:
        # Returns whether anything was lost. One who was given up starts as a new member with its next poll, so that
        # a partition that comes back is first seen to be gone.
        group = self._groups.change(self._name, lambda g: self._tended(g, now))
        if group is None:
            lost = self._holding.assignment.partitions
            log.warning("lease_lost", group=self._name, partitions=len(lost))
            self._holding.change(lost, {})
            self._join(now)
            return bool(lost)
        self._seen = group.generation
        self._renew_at = now + self._session / 10
        held, target = self._holding.assignment.partitions, group.held(self._number)
        if held != target:
            self._drained.clear()
            self._holding.change(held - target, {slot: self._position(group, slot) for slot in target - held})
        return bool(held - target)

    def _tended(self, group: Group, now: float) -> tuple[Group, Group | None]:
        if group.member(self._number) is None:
            return group, None
        after = tend(group, self._number, now, self._process.gone)
        if self._start == "latest":
            # Written down at once: otherwise what arrives before the first commit is lost when the partition moves.
            fresh = {s: self._bounds(s).end for s in after.held(self._number) if after.offset(s) == NEVER}
            after = commit(after, self._number, fresh, now) if fresh else after
        return after, after

    def _position(self, group: Group, slot: Slot) -> int:
        bounds, committed = self._bounds(slot), group.offset(slot)
        if committed == NEVER:
            return bounds.start
        # A power cut can take the newest records of a topic that is not durable, but leave the offset behind them.
        return min(committed, bounds.end)

    def _bounds(self, slot: Slot) -> Bounds:
        return self._log.bounds(self._topics[slot[0]], slot[1])

    def _fetch(self, limit: int) -> list[Delivery[Any]]:
        self._turn += 1
        taken: list[Delivery[Any]] = []
        volume = MAX_TAKE
        for topic in _turned(list(self._topics.values()), self._turn):
            version = self._log.version(topic)
            if self._drained.get(topic.name) == version:
                continue
            before = len(taken)
            for partition in _turned(range(topic.partitions), self._turn):
                offset = self._holding.next((topic.name, partition))
                if offset is None:
                    continue
                records = self._log.fetch(topic, partition, offset, limit - len(taken), volume)
                taken += [delivery(topic, partition, record) for record in records]
                volume -= sum(len(record.value) for record in records)
                if len(taken) >= limit or volume <= 0:
                    return taken
            if len(taken) == before:
                self._drained[topic.name] = version
        return taken


def _turned(items: Sequence[R], turn: int) -> list[R]:
    # Each time another one comes first, so that a busy partition does not keep the others waiting.
    at = turn % len(items)
    return [*items[at:], *items[:at]]
