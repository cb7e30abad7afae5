"""The one loop that every service is: take records, handle them, acknowledge; and what to do when that fails.

MessageError: dead-letter it, carry on. TransientError: wait, then the same records again, for ever: a late alarm is
better than none. Anything else is a bug: dead-lettered loudly, and never in the way of the alarms behind it. A batch
that fails is taken apart, so that one bad record costs only itself.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import msgspec
import structlog

from hub import metrics, poison
from hub.bus import Assignment, Bus, Delivery, Subscription
from hub.errors import MessageError, TransientError
from hub.identity import derived
from hub.inflight import Inflight
from hub.model import DeadLetter
from hub.redact import redact
from hub.topics import DEAD_LETTERS, DETECTIONS, Topic

log = structlog.get_logger()

Handle = Callable[[Sequence[Delivery[Any]]], Awaitable[None]]

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0


class Keeping(Protocol):
    """A service that keeps something between records: it learns what it was given, and says what it is done with."""

    def assigned(self, assignment: Assignment) -> None:
        """What is held now, told each time round before the records are handled; what was lost may be dropped."""

    def settled(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Delivery[Any]]:
        """These were dealt with, or none in a quiet round. Returns what may be acknowledged now, these or earlier."""


class AtOnce:
    """Keeps nothing: what was dealt with is acknowledged."""

    def assigned(self, assignment: Assignment) -> None:
        """It does not matter."""

    def settled(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Delivery[Any]]:
        """All of them."""
        return deliveries


class Loop:
    """How one group of a service takes its records. `beat` is called each time round (see hub/progress.py)."""

    def __init__(
        self,
        bus: Bus,
        topics: Sequence[Topic[Any]],
        group: str,
        beat: Callable[[], None],
        inflight: Inflight | None = None,
        *,
        start: Literal["earliest", "latest"] = "earliest",
        limit: int = 200,
        keeping: Keeping | None = None,
    ) -> None:
        self.bus = bus
        self.topics = topics
        self.group = group
        self.beat = beat
        self.inflight = inflight
        self.start = start
        self.limit = limit
        self.keeping: Keeping = keeping or AtOnce()

    async def run(self, handle: Handle) -> None:
        """Serve until cancelled. The connection to the bus is made anew when it is lost."""
        while True:
            try:
                async with self.bus.subscribe(self.topics, self.group, start=self.start) as subscription:
                    while True:
                        await self._once(subscription, handle)
            except TransientError as error:
                log.warning("bus_lost", loop=self.group, error=redact(str(error)))
                await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311  # jitter, not a secret

    async def _once(self, subscription: Subscription, handle: Handle) -> None:
        self.beat()
        deliveries = await subscription.take(self.limit, 1.0)
        self.beat()
        self.keeping.assigned(subscription.assignment)
        if not deliveries:
            await self._settle(subscription, [])
            return
        if self.inflight is not None and self.inflight.careful > 0:
            for delivery in deliveries:
                await self._careful(delivery, handle)
                await self._settle(subscription, [delivery])
            return
        await self._handle(deliveries, handle)
        await self._settle(subscription, deliveries)

    async def _settle(self, subscription: Subscription, deliveries: Sequence[Delivery[Any]]) -> None:
        if done := self.keeping.settled(deliveries):
            await subscription.commit(done)

    async def _careful(self, delivery: Delivery[Any], handle: Handle) -> None:
        assert self.inflight is not None
        self.inflight.careful -= 1
        if self.inflight.poisoned(delivery):
            await self._bury(delivery, poison.RULE, "its worker died or hung twice while it held this record")
            if (told := poison.detection_of(delivery, self.group)) is not None:
                await _publish(self.bus, DETECTIONS, told)
        else:
            await self._handle([delivery], handle)
        self.inflight.forget(delivery)

    async def _handle(self, deliveries: Sequence[Delivery[Any]], handle: Handle) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                if self.inflight is not None:
                    self.inflight.mark(deliveries)
                await handle(deliveries)
            except TransientError as error:
                log.warning("waiting", loop=self.group, error=redact(str(error)), seconds=wait)
                self._release()
                await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
                wait = min(wait * 2, _LONGEST_WAIT)
            except MessageError as error:
                self._release()
                await self._apart(deliveries, handle, error.reason, error.detail)
                return
            except Exception as error:  # a bug: whatever it is, the records behind it must get through
                self._release()
                metrics.BUGS.labels(self.group).inc()
                log.error("bug", loop=self.group, error=redact(repr(error)), trace=redact(traceback.format_exc()))
                await self._apart(deliveries, handle, "bug", repr(error))
                return
            else:
                self._release()
                return

    async def _apart(self, deliveries: Sequence[Delivery[Any]], handle: Handle, reason: str, detail: str) -> None:
        if len(deliveries) == 1:
            await self._bury(deliveries[0], reason, detail)
            return
        for delivery in deliveries:
            await self._handle([delivery], handle)

    async def _bury(self, delivery: Delivery[Any], reason: str, detail: str) -> None:
        await bury(self.bus, self.group, delivery, reason, detail)

    def _release(self) -> None:
        if self.inflight is not None:
            self.inflight.clear()


async def bury(bus: Bus, group: str, delivery: Delivery[Any], reason: str, detail: str) -> None:
    """Put a record on the dead-letter topic with its reason. Waits as long as the bus is down."""
    letter = DeadLetter(
        id=derived("dead", group, delivery.topic.name, delivery.partition, delivery.offset),
        at=datetime.now(UTC),
        source=f"{group}:{delivery.topic.name}",
        reason=reason,
        detail=redact(detail)[:2000],
        payload=delivery.value[:65536],
        partition=delivery.partition,
        offset=delivery.offset,
        key=delivery.key,
    )
    metrics.DEAD_LETTERS.labels(letter.source, reason).inc()
    log.error("dead_letter", source=letter.source, reason=reason, detail=letter.detail, offset=delivery.offset)
    await _publish(bus, DEAD_LETTERS, letter)


async def _publish(bus: Bus, topic: Topic[Any], noun: msgspec.Struct) -> None:
    """Waits as long as the bus is down."""
    wait = _FIRST_WAIT
    while True:
        try:
            await bus.publish(topic, [noun])
            return
        except TransientError:
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
