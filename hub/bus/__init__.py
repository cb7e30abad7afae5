"""The log that everything travels on: publish, subscribe, read. Nothing else is known of Kafka or of files.

Promises, shown by one contract suite on every bus: order within a key; every group sees everything; a record
not acknowledged comes again, record by record; the linked topics of a group put one key with one member; a
member that dies or stops making progress loses its partitions to another; publish returns when the record is
kept; payloads up to 8 MiB pass. Time-outs and lost connections are TransientErrors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from hub.topics import Topic
from hub.wire import Headers

T = TypeVar("T", bound=msgspec.Struct)

MAX_PAYLOAD = 8 * 2**20
"""Bytes of one record's value. Larger ones are refused with a MessageError("too_large")."""


class Position(msgspec.Struct, frozen=True):
    """Where a record stands in its topic."""

    partition: int
    offset: int


class Delivery(msgspec.Struct, Generic[T], frozen=True):
    """A record as a member of a group receives it. `arrived` is the bus timestamp: when the hub published it."""

    topic: Topic[Any]
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Headers
    arrived: datetime

    def decode(self) -> T:
        """The noun. Raises MessageError when the record can't be read."""
        noun: T = self.topic.decode(self.value, self.headers)
        return noun


class Assignment(msgspec.Struct, frozen=True):
    """What a member holds now. `generation` grows whenever that changes; what was lost and came back comes again."""

    generation: int
    partitions: frozenset[tuple[str, int]]
    """(topic name, partition)"""


class Subscription(Protocol):
    """One member of a group. Progress (take, commit) renews its lease; there is no timer that would."""

    @property
    def assignment(self) -> Assignment:
        """What this member holds. A worker compares it after each take and drops the state of what it lost."""

    async def take(self, limit: int = 500, wait: float = 1.0) -> list[Delivery[Any]]:
        """Up to `limit` new records, after at most `wait` seconds; order holds within each partition."""

    async def commit(self, done: Sequence[Delivery[Any]]) -> None:
        """Acknowledge these, in any order. The committed offset is the lowest one not yet acknowledged.

        Records of partitions that were lost meanwhile are ignored: whoever has them now gets them again.
        """


class Bus(Protocol):
    """See the module's promises. Each bus is an async context manager that closes what it opened."""

    async def publish(self, topic: Topic[T], nouns: Sequence[T]) -> list[Position]:
        """Append in order; returns when they are kept (durable topics: on the disk, or by all in-sync replicas)."""

    def subscribe(
        self, topics: Sequence[Topic[Any]], group: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> AbstractAsyncContextManager[Subscription]:
        """Join `group`. `start` says where a group begins that never committed anything."""

    def read(self, topic: Topic[T], key: str, begin: datetime, end: datetime) -> AsyncIterator[Delivery[T]]:
        """The records of one key whose bus timestamp is in [begin, end), in order, and then it ends."""


class Span(msgspec.Struct, frozen=True):
    """One partition as a ledger sees it: the oldest offset kept, the next to be written, and a group's own."""

    partition: int
    start: int
    end: int
    committed: int


class Ledger(Protocol):
    """Positions, from which loss can be computed without counters that die with a process."""

    async def spans(self, topic: Topic[Any], group: str) -> list[Span]:
        """Every partition of the topic. `committed` is -1 where the group never committed."""
