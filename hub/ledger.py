"""The books of what came in: of every record on the log it is known whether it was stored, repeated or dead-lettered.

Who stores a topic's records writes down, in the same transaction, up to which offset and how many of them were new.
Against the log's own positions that shows any loss, whoever died in between: it is no counter of a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from psycopg import AsyncConnection

from hub.bus import Bus, Delivery, Ledger
from hub.bus.group import NEVER, Slot
from hub.store import Store
from hub.topics import DEAD_LETTERS, Topic

_LOCK: Final = """
SELECT topic, partition, next FROM ledger
WHERE (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::integer[])) ORDER BY topic, partition FOR UPDATE"""
_OPEN: Final = """
INSERT INTO ledger (topic, partition, first, next, stored, repeats) VALUES (%s, %s, %s, %s, 0, 0)
ON CONFLICT (topic, partition) DO NOTHING"""
_ENTER: Final = """
UPDATE ledger SET next = %s, stored = stored + %s, repeats = repeats + %s WHERE topic = %s AND partition = %s"""
_PAGES: Final = "SELECT partition, first, next, stored, repeats FROM ledger WHERE topic = %s"


class Log(Bus, Ledger, Protocol):
    """A bus whose positions can be asked for."""


class Part(msgspec.Struct, frozen=True):
    """What a batch has of one partition, in order. `again` is in the books already, from before a death."""

    slot: Slot
    again: Sequence[Delivery[Any]]
    new: Sequence[Delivery[Any]]


class Page(msgspec.Struct, frozen=True):
    """All that was done with one partition: offsets `first` to before `next`."""

    partition: int
    first: int
    next: int
    stored: int
    repeats: int


class Balance(msgspec.Struct, frozen=True):
    """One topic's books over all its partitions, in records; `end` counts from where the books begin.

    end = stored + repeats + dead + waiting + missing. `waiting` nobody has dealt with yet; `missing` should be 0.
    """

    topic: str
    end: int
    stored: int
    repeats: int
    dead: int
    waiting: int

    @property
    def missing(self) -> int:
        """Records that nobody can account for; negative when the log is shorter than what was taken from it."""
        return self.end - self.stored - self.repeats - self.dead - self.waiting

    @property
    def wrong(self) -> str | None:
        """Why the books don't balance, in words; None when they do."""
        if self.missing > 0:
            return f"{self.missing} of {self.end} records of {self.topic} were neither stored nor dead-lettered"
        if self.missing < 0:
            return f"the log of {self.topic} is {-self.missing} records shorter than its books: it was begun anew"
        return None


async def opened(connection: AsyncConnection[Any], deliveries: Sequence[Delivery[Any]]) -> list[Part]:
    """The batch by partition, their pages locked until the transaction ends, in one order for everybody."""
    parts: dict[Slot, list[Delivery[Any]]] = {}
    for delivery in deliveries:
        parts.setdefault((delivery.topic.name, delivery.partition), []).append(delivery)
    known = await _locked(connection, parts)
    if unknown := parts.keys() - known.keys():
        async with connection.cursor() as cursor:
            firsts = [(*slot, parts[slot][0].offset, parts[slot][0].offset) for slot in sorted(unknown)]
            await cursor.executemany(_OPEN, firsts)
        known = await _locked(connection, parts)
    return [
        Part(slot, [d for d in mine if d.offset < known[slot]], [d for d in mine if d.offset >= known[slot]])
        for slot, mine in sorted(parts.items())
    ]


async def enter(connection: AsyncConnection[Any], part: Part, stored: int) -> None:
    """Write down that the new records of a part are dealt with, of which `stored` made a new row."""
    if part.new:
        changed = (part.new[-1].offset + 1, stored, len(part.new) - stored, *part.slot)
        await connection.execute(_ENTER, changed)


async def _locked(connection: AsyncConnection[Any], slots: Iterable[Slot]) -> dict[Slot, int]:
    topics, partitions = zip(*sorted(slots), strict=True)
    cursor = await connection.execute(_LOCK, (list(topics), list(partitions)))
    return {(topic, partition): offset for topic, partition, offset in await cursor.fetchall()}


async def balance(bus: Log, store: Store, topic: Topic[Any], group: str) -> Balance:
    """The books of a topic that `group` stores. Exact when nothing is published meanwhile, else at most behind.

    Dead letters are read from their topic, so they count for as long as it keeps them. Raises TransientError.
    """
    spans = {span.partition: span for span in await bus.spans(topic, group)}
    async with store.connection() as connection:
        cursor = await connection.execute(_PAGES, (topic.name,))
        pages = {page.partition: page for page in (Page(*row) for row in await cursor.fetchall())}
    dead = await _dead(bus, topic, group)
    end = waiting = stored = repeats = buried = 0
    for partition, span in spans.items():
        begin = span.committed if span.committed != NEVER else span.start
        page = pages.get(partition, Page(partition, begin, begin, 0, 0))
        # Stored and not yet committed comes again, but is accounted for; committed behind that are dead letters.
        done = max(page.next, span.committed)
        end += span.end - page.first
        waiting += max(0, span.end - done)
        stored += page.stored
        repeats += page.repeats
        buried += sum(page.first <= offset < done for offset in dead.get(partition, ()))
    return Balance(topic.name, end, stored, repeats, buried, waiting)


async def _dead(bus: Bus, topic: Topic[Any], group: str) -> dict[int, set[int]]:
    now = datetime.now(UTC)
    begin = now - timedelta(seconds=DEAD_LETTERS.keep_seconds)
    found: dict[int, set[int]] = {}
    async for delivery in bus.read(DEAD_LETTERS, f"{group}:{topic.name}", begin, now + timedelta(minutes=1)):
        letter = delivery.decode()
        found.setdefault(letter.partition, set()).add(letter.offset)
    return found
