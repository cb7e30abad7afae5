"""What one member holds: of each partition the next record to take, and those taken but not yet acknowledged."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import structlog

from hub import metrics
from hub.bus import Assignment
from hub.bus.group import Slot

log = structlog.get_logger()


class Unacknowledged:
    """Of one partition. `next` is the offset to take; `committed` the lowest one not acknowledged."""

    def __init__(self, start: int) -> None:
        self.next = start
        self._open: OrderedDict[int, None] = OrderedDict()

    @property
    def committed(self) -> int:
        """The lowest offset taken and not acknowledged; where there is none, the next to take."""
        return next(iter(self._open), self.next)

    def take(self, offset: int) -> None:
        """A record was handed over. Offsets grow, but may leave gaps."""
        self._open[offset] = None
        self.next = offset + 1

    def acknowledge(self, offset: int) -> None:
        """A record is done with. One that was not handed over, or is done already, changes nothing."""
        self._open.pop(offset, None)


class Holding:
    """The partitions of one member. A bus's thread and its event loop may both look at it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Slot, Unacknowledged] = {}
        self.assignment = Assignment(generation=0, partitions=frozenset())

    def change(self, lost: Iterable[Slot], gained: Mapping[Slot, int]) -> None:
        """Let go of `lost`, begin with `gained` at these offsets. A generation passes if either holds anything."""
        with self._lock:
            before = self.assignment
            for slot in lost:
                self._slots.pop(slot, None)
            for slot, start in gained.items():
                self._slots[slot] = Unacknowledged(start)
            if gained or before.partitions != self._slots.keys():
                self.assignment = Assignment(before.generation + 1, frozenset(self._slots))

    def next(self, slot: Slot) -> int | None:
        """The offset to take next, None when the partition is not held."""
        with self._lock:
            held = self._slots.get(slot)
            return None if held is None else held.next

    def committed(self, slot: Slot) -> int | None:
        """The lowest offset not acknowledged, None when the partition is not held."""
        with self._lock:
            held = self._slots.get(slot)
            return None if held is None else held.committed

    def take(self, slot: Slot, offset: int) -> int | None:
        """Note that a record is handed over. How many were skipped before it (retention overtook the reader).

        None when the partition is not held, or the record was handed over before: it is not for the caller.
        """
        with self._lock:
            held = self._slots.get(slot)
            if held is None or offset < held.next:
                return None
            skipped = offset - held.next
            held.take(offset)
            return skipped

    def acknowledge(self, records: Iterable[tuple[str, int, int]]) -> dict[Slot, int]:
        """Acknowledge (topic, partition, offset) in any order. Returns the offsets to commit of what is held."""
        touched: dict[Slot, int] = {}
        with self._lock:
            for topic, partition, offset in records:
                held = self._slots.get((topic, partition))
                if held is not None:
                    held.acknowledge(offset)
                    touched[topic, partition] = held.committed
        return touched


def tell_skipped(group: str, topic: str, partition: int, count: int) -> None:
    """Retention overtook a reader: these records it will never see."""
    metrics.SKIPPED.labels(group).inc(count)
    log.warning("records_skipped", group=group, topic=topic, partition=partition, count=count)
