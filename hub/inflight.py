"""What a worker has in its hands, written where its death can't take it along.

A record that kills its worker (a decoder that aborts, a call that never returns and is ended from outside) would
come again for ever. The note of what was in hand survives the process in a small mapped file; the second death at
one record makes it poison, and it is dead-lettered instead of handled.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.bus import Delivery

_SIZE: Final = 4096
DEATHS: Final = 2
"""So many deaths at one record make it poison."""


class Held(msgspec.Struct, frozen=True):
    """The records in hand: one when `last` equals `offset`. `since` is the monotonic clock's seconds."""

    topic: str
    partition: int
    offset: int
    last: int
    since: float


class Inflight:
    """One worker's note. `deaths` counts earlier ends at a record; both live in files beside each other."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._deaths_path = path.with_suffix(".deaths")
        self._deaths: dict[str, int] = _load(self._deaths_path)
        with path.open("ab") as file:
            file.truncate(_SIZE)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.careful = 0
        held = read(path)
        if held is not None:
            self._blame(held)
        self.clear()

    def mark(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """These are about to be handled. Of records of several partitions the first one's are noted."""
        first = deliveries[0]
        last = max(d.offset for d in deliveries if (d.topic, d.partition) == (first.topic, first.partition))
        held = Held(first.topic.name, first.partition, first.offset, last, time.monotonic())
        text = msgspec.json.encode(held)
        self._map[: len(text) + 1] = text + b"\0"

    def clear(self) -> None:
        """Nothing is in hand."""
        self._map[0] = 0

    def poisoned(self, delivery: Delivery[Any]) -> bool:
        """Whether this record has ended its worker too often to be tried again."""
        return self._deaths.get(_name(delivery.topic.name, delivery.partition, delivery.offset), 0) >= DEATHS

    def forget(self, delivery: Delivery[Any]) -> None:
        """The record is dealt with."""
        if self._deaths.pop(_name(delivery.topic.name, delivery.partition, delivery.offset), None) is not None:
            self._deaths_path.write_bytes(msgspec.json.encode(self._deaths))

    def close(self) -> None:
        """A clean end: nothing in hand."""
        self.clear()
        self._map.close()

    def _blame(self, held: Held) -> None:
        if held.last == held.offset:
            name = _name(held.topic, held.partition, held.offset)
            self._deaths[name] = self._deaths.get(name, 0) + 1
            self._deaths_path.write_bytes(msgspec.json.encode(self._deaths))
        # One of several did it: take them singly now, so that a second death names the one.
        self.careful = max(64, 2 * (held.last - held.offset + 1))


def read(path: Path) -> Held | None:
    """What the note at `path` says is in hand; None when nothing is, or there is no readable note."""
    try:
        text = path.read_bytes().split(b"\0", 1)[0]
        return msgspec.json.decode(text, type=Held) if text else None
    except (OSError, msgspec.DecodeError):
        return None


def _name(topic: str, partition: int, offset: int) -> str:
    return f"{topic}/{partition}/{offset}"


def _load(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
