"""One member of a Kafka group: takes, acknowledges, and hands its partitions over in order.

Kafka's client rejoins a group by itself, in the middle of the worker's work; here it waits until the worker takes
again (or has made no progress for a session), so that what the worker has in hand is committed before a partition
goes to another. A worker that made no progress for a session is taken for lost, as on the embedded bus.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition, errors

from hub.bus import Assignment, Delivery
from hub.bus.group import NEVER, Slot
from hub.bus.holding import Holding, tell_skipped
from hub.bus.member import MAX_TAKE
from hub.topics import Topic
from hub.wire import Headers

log = structlog.get_logger()

JOIN_SECONDS = 2.0
"""How long entering waits for partitions; later ones come with the takes."""

COMMIT_SECONDS = 10.0
"""How long a commit may wait for the broker before it is a TransientError."""

SILENCE_SECONDS = 5.0
"""After so long without a record the broker is asked something: a lost connection must not look like a quiet night."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Arrival(msgspec.Struct, frozen=True):
    """A record as the client hands it over."""

    slot: Slot
    offset: int
    at: datetime
    key: bytes
    headers: Headers
    value: bytes

    @staticmethod
    def of(record: Any) -> Arrival:
        """From aiokafka's record."""
        at = _EPOCH + timedelta(milliseconds=record.timestamp)
        slot = (record.topic, record.partition)
        return Arrival(slot, record.offset, at, record.key or b"", tuple(record.headers), record.value or b"")

    def delivery(self, topic: Topic[Any]) -> Delivery[Any]:
        """As a subscriber sees it."""
        key = self.key.decode(errors="replace")
        return Delivery(topic, self.slot[1], self.offset, key, self.value, self.headers, self.at)


async def ended(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close all connections.

    aiokafka's stop() raises CancelledError when a fetch is just waiting for its next try (0.14, Fetcher.close): in a
    task of its own that ends nobody else, and what it left open is closed.
    """
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait([stopping])
    if stopping.cancelled():
        await consumer._client.close()
    else:
        stopping.result()


class KafkaMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """`make` gives a new consumer of the group; `topics` are by their name in Kafka; `committed` asks the broker."""

    def __init__(
        self,
        group: str,
        make: Callable[[], AIOKafkaConsumer],
        topics: Mapping[str, Topic[Any]],
        start: Literal["earliest", "latest"],
        session: float,
        told: Callable[[], AbstractContextManager[None]],
        committed: Callable[[], Awaitable[dict[tuple[str, int], int]]],
    ) -> None:
        self._group = group
        self._make = make
        self._consumer: AIOKafkaConsumer | None = None
        self._topics = dict(topics)
        self._names = {topic.name: name for name, topic in topics.items()}
        self._start = start
        self._session = session
        self._told = told
        self._ask = committed
        self._holding = Holding()
        self._known: dict[Slot, int] = {}
        """The committed offsets as this member last saw or wrote them: another's progress shows against them."""
        self._buffer: deque[Arrival] = deque()
        self._fetching: asyncio.Task[dict[Any, list[Any]]] | None = None
        self._moving = False
        self._assigned: frozenset[Slot] | None = None
        self._given_up = False
        self._resting = asyncio.Event()
        self._progress_at = self._heard_at = time.monotonic()

    @property
    def assignment(self) -> Assignment:
        """See Subscription."""
        return self._holding.assignment

    async def enter(self) -> None:
        """Join; waits a little for partitions."""
        await self._connect()
        await self.take(limit=0, wait=JOIN_SECONDS)

    async def leave(self) -> None:
        """Leave the group and close all connections."""
        self._resting.set()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
            if not self._fetching.cancelled():
                self._fetching.exception()  # nobody needs it any more
            self._fetching = None
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await ended(consumer)

    async def take(self, limit: int = 500, wait: float = 1.0) -> list[Delivery[Any]]:
        """See Subscription. `limit` 0 only looks what is held, and returns as soon as that is something."""
        deadline = time.monotonic() + wait
        self._progress_at = time.monotonic()
        self._resting.set()
        try:
            while True:
                if self._consumer is None:
                    await self._connect()
                if self._given_up:
                    self._given_up = False
                    log.warning("lease_lost", group=self._group, partitions=len(self._holding.assignment.partitions))
                    self._holding.change(self._holding.assignment.partitions, {})
                    return []
                if self._assigned is not None and await self._settle(self._consumer, self._assigned):
                    return []
                if limit == 0 and self._holding.assignment.partitions:
                    return []
                if not self._moving and (taken := self._hand_over(limit)):
                    return taken
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                if time.monotonic() - self._heard_at > SILENCE_SECONDS:
                    await self._ask()
                    self._heard_at = time.monotonic()
                await self._more(max(1, limit), left)
        finally:
            self._resting.clear()
            self._progress_at = time.monotonic()

    async def commit(self, done: Sequence[Delivery[Any]]) -> None:
        """See Subscription."""
        self._progress_at = time.monotonic()
        touched = self._holding.acknowledge((d.topic.name, d.partition, d.offset) for d in done)
        if self._consumer is None or self._assigned is not None:
            return  # written when the new assignment is settled, for what is still held then
        if not self._moving:
            # The client counts only fetches as progress. This one asks for a partition that there is not.
            with self._told():
                await self._consumer.getmany(TopicPartition("", 0), timeout_ms=0)
        await self._write(self._consumer, touched)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """The group is about to share out anew: first let the worker finish what it has in hand."""
        self._moving = True
        self._assigned = None
        while self._holding.assignment.partitions and not self._resting.is_set():
            left = self._session - (time.monotonic() - self._progress_at)
            if left <= 0:
                self._given_up = True
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._resting.wait()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Noted here, settled in the next take."""
        self._assigned = frozenset((self._topics[slot.topic].name, slot.partition) for slot in assigned)

    async def _connect(self) -> None:
        consumer = self._make()
        try:
            with self._told():
                await consumer.start()
                consumer.subscribe(list(self._topics), listener=self)
        except BaseException:
            await ended(consumer)
            raise
        self._consumer = consumer

    async def _settle(self, consumer: AIOKafkaConsumer, assigned: frozenset[Slot]) -> bool:
        # Returns whether anything was lost; then what was gained waits for the next take. What nobody else moved on
        # meanwhile was never lost: it goes on where the worker is, though Kafka starts all of it anew.
        committed = {(self._topics[t].name, p): o for (t, p), o in (await self._ask()).items() if t in self._topics}
        held = self._holding.assignment.partitions
        kept = {s for s in held & assigned if committed.get(s, NEVER) == self._known.get(s, NEVER)}
        if held - kept:
            self._holding.change(held - kept, {})
            return True
        fresh = assigned - held
        starts = {slot: committed[slot] for slot in fresh if committed.get(slot, NEVER) != NEVER}
        with self._told():
            new = [self._slot(slot) for slot in fresh - starts.keys()]
            bounds = await (consumer.end_offsets(new) if self._start == "latest" else consumer.beginning_offsets(new))
        first = {(self._topics[slot.topic].name, slot.partition): offset for slot, offset in bounds.items()}
        if self._start == "latest":
            # Written down at once: otherwise what arrives before the first commit is lost when the partition moves.
            await self._write(consumer, first)
        if self._assigned is not assigned or consumer.assignment() != {self._slot(s) for s in assigned}:
            return False  # shared out anew meanwhile
        self._known = {**{s: self._known[s] for s in kept & self._known.keys()}, **starts, **self._written(first)}
        self._holding.change((), {**starts, **first})
        for slot in assigned:
            consumer.seek(self._slot(slot), self._holding.next(slot))
        self._buffer.clear()
        if self._fetching is not None and self._fetching.done() and self._fetching.exception() is None:
            self._fetching = None  # from before the seek, which will bring it again
        self._assigned, self._moving = None, False
        await self._write(consumer, {s: o for s in kept if (o := self._holding.committed(s)) is not None})
        return False

    def _written(self, first: Mapping[Slot, int]) -> dict[Slot, int]:
        return {slot: offset for slot, offset in first.items() if self._start == "latest"}

    def _hand_over(self, limit: int) -> list[Delivery[Any]]:
        taken: list[Delivery[Any]] = []
        volume = MAX_TAKE
        while self._buffer and len(taken) < limit and volume > 0:
            arrival = self._buffer.popleft()
            topic = self._topics[arrival.slot[0]]
            skipped = self._holding.take((topic.name, arrival.slot[1]), arrival.offset)
            if skipped is None:
                continue
            if skipped:
                tell_skipped(self._group, topic.name, arrival.slot[1], skipped)
            taken.append(arrival.delivery(topic))
            volume -= len(arrival.value)
        return taken

    async def _more(self, limit: int, left: float) -> None:
        assert self._consumer is not None
        if self._fetching is None:
            # A task of its own: a fetch that is cancelled half-way would break the client's count of idle time. It
            # runs while partitions move, too: the client rejoins only for one who fetches, and tells its errors there.
            wait = min(left, 0.5)
            fetch = self._consumer.getmany(timeout_ms=max(1, int(wait * 1000)), max_records=limit)
            self._fetching = asyncio.create_task(fetch)
        done, _ = await asyncio.wait({self._fetching}, timeout=min(left, 0.05) if self._moving else left)
        if not done:
            return
        fetched, self._fetching = self._fetching, None
        if fetched.exception() is not None:
            # The client does not get over its own errors: the next take begins with a new one.
            consumer, self._consumer = self._consumer, None
            self._given_up = True
            self._moving, self._assigned = True, None
            await ended(consumer)
        with self._told():
            arrived = fetched.result()
        if arrived:
            self._heard_at = time.monotonic()
        if not self._moving and self._assigned is None:
            self._buffer += [Arrival.of(record) for records in arrived.values() for record in records]

    async def _write(self, consumer: AIOKafkaConsumer, offsets: Mapping[Slot, int]) -> None:
        mine = consumer.assignment()
        news = {self._slot(s): o for s, o in offsets.items() if self._known.get(s) != o and self._slot(s) in mine}
        if not news:
            return
        try:
            with self._told():
                try:
                    async with asyncio.timeout(COMMIT_SECONDS):
                        await consumer.commit(news)
                except (errors.CommitFailedError, errors.IllegalStateError) as error:
                    log.info(
                        "commit_too_late", group=self._group, error=type(error).__name__
                    )  # another has them, and gets them again
                    return
        finally:
            self._progress_at = time.monotonic()
        for slot, offset in news.items():
            self._known[self._topics[slot.topic].name, slot.partition] = offset

    def _slot(self, slot: Slot) -> TopicPartition:
        return TopicPartition(self._names[slot[0]], slot[1])
