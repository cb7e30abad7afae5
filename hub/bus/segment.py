"""One topic on the disk: a SQLite file with all its partitions, appended to by any number of processes.

A record's row number is `partition << 48 | offset`, so that a partition is one stretch of the file's tree: reading
on from an offset is a seek, dropping the oldest is cutting a range. Pages of 16 KiB: measured with 4 KiB, a record of
1 KB took four times its size.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.bus.member import Bounds, Record
from hub.bus.sqlite import BUSY_SECONDS, opened, told, transaction
from hub.topics import Topic
from hub.wire import Headers

SHIFT: Final = 48
PAGE_BYTES: Final = 16384
MOST_DROPPED: Final = 16 * 2**20
"""Bytes of one transaction that drops the oldest: others wait for it."""
_OFFSET: Final = (1 << SHIFT) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# `partition.next` is written when records are dropped: an empty partition must not begin at 0 again.
# The key stands before the value, so that looking for a key does not read the picture behind it.
_SCHEMA: Final = """
CREATE TABLE record (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, key BLOB NOT NULL, headers BLOB NOT NULL, value BLOB NOT NULL
);
CREATE INDEX record_at ON record (at);
CREATE TABLE partition (number INTEGER PRIMARY KEY, next INTEGER NOT NULL);
"""
_END: Final = """
SELECT max(
  (SELECT ifnull(max(id) + 1, ?1) FROM record WHERE id >= ?1 AND id < ?2),
  ifnull((SELECT (?3 << 48) | next FROM partition WHERE number = ?3), ?1)
)
"""
_OLDEST: Final = """
SELECT id >> ?, at, length(key) + length(headers) + length(value) FROM record INDEXED BY record_at ORDER BY at LIMIT ?
"""
_START: Final = "SELECT min(id) FROM record WHERE id >= ?1 AND id < ?2"

_headers = msgspec.msgpack.Decoder(Headers)


class Row(msgspec.Struct, frozen=True):
    """A record that has no offset yet."""

    partition: int
    at: int
    key: bytes
    headers: bytes
    value: bytes


def microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00Z."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def packed_headers(headers: Headers) -> bytes:
    """Headers as bytes; empty when there are none."""
    return msgspec.msgpack.encode(headers) if headers else b""


def _record(row: tuple[int, int, bytes, bytes, bytes]) -> Record:
    number, at, key, headers, value = row
    instant = _EPOCH + timedelta(microseconds=at)
    return Record(number & _OFFSET, instant, key, _headers.decode(headers) if headers else (), value)


class Reading(msgspec.Struct, frozen=True):
    """Where to go on in a read by time: the next row number, and the last one that can matter."""

    at: int
    last: int


class Segment:
    """A connection for reading one topic; safe from any thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = opened(path, _SCHEMA, full=False, page_bytes=PAGE_BYTES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def version(self) -> int:
        """Differs from the last answer when somebody has committed."""
        with self._lock, told(self._path):
            answer: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return answer

    def bounds(self, partition: int) -> Bounds:
        """What is kept of a partition."""
        low, high = partition << SHIFT, (partition + 1) << SHIFT
        with self._lock, told(self._path):
            end = self._connection.execute(_END, (low, high, partition)).fetchone()[0]
            first = self._connection.execute(_START, (low, high)).fetchone()[0]
        return Bounds((end if first is None else first) & _OFFSET, end & _OFFSET)

    def fetch(self, partition: int, offset: int, limit: int, volume: int) -> list[Record]:
        """At most `limit` records from `offset` on, stopping when `volume` bytes are passed."""
        found: list[Record] = []
        with self._lock, told(self._path):
            cursor = self._connection.execute(
                "SELECT id, at, key, headers, value FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (partition << SHIFT | offset, (partition + 1) << SHIFT, limit),
            )
            for row in cursor:
                found.append(_record(row))
                volume -= len(row[4])
                if volume <= 0:
                    break
            cursor.close()
        return found

    def between(self, partition: int, key: bytes, begin: datetime, end: datetime) -> Iterator[list[Record]]:
        """The records of a key with a timestamp in [begin, end), in order, in pages of at most 64 and some 8 MiB.

        The clock may have jumped: an index on the timestamp says in which stretch of the partition they are.
        """
        since, until = microseconds(begin), microseconds(end)
        low, high = partition << SHIFT, (partition + 1) << SHIFT
        with self._lock, told(self._path):
            first, last = self._connection.execute(
                "SELECT min(id), max(id) FROM record INDEXED BY record_at "
                "WHERE at >= ? AND at < ? AND id >= ? AND id < ?",
                (since, until, low, high),
            ).fetchone()
        while first is not None:
            page: list[Record] = []
            volume = 8 * 2**20
            with self._lock, told(self._path):
                cursor = self._connection.execute(
                    "SELECT id, at, key, headers, value FROM record NOT INDEXED "
                    "WHERE id >= ? AND id <= ? AND key = ? AND at >= ? AND at < ? ORDER BY id LIMIT 64",
                    (first, last, key, since, until),
                )
                for row in cursor:
                    page.append(_record(row))
                    volume -= len(row[4])
                    if volume <= 0:
                        break
                cursor.close()
            if not page:
                return
            yield page
            first = (low | page[-1].offset) + 1


class Appender:
    """The connection that appends to one topic and drops its oldest records; one thread at a time.

    Offsets are given inside the transaction, so that several processes can append to one file.
    """

    def __init__(self, path: Path, topic: Topic[Any], *, busy: float = BUSY_SECONDS) -> None:
        self._path = path
        self._topic = topic
        self._connection = opened(path, _SCHEMA, full=topic.durable, page_bytes=PAGE_BYTES, busy=busy)
        self._version = -1
        self._ends: dict[int, int] = {}
        self._slice = 256

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def append(self, rows: Sequence[Row]) -> list[int]:
        """Append all or none; returns their offsets."""
        with told(self._path), transaction(self._connection):
            numbers = self._numbers(rows)
            self._connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
                ((n, r.at, r.key, r.headers, r.value) for n, r in zip(numbers, rows, strict=True)),
            )
        for number in numbers:
            self._ends[number >> SHIFT] = number + 1
        return [number & _OFFSET for number in numbers]

    def _numbers(self, rows: Sequence[Row]) -> list[int]:
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:  # another process appended
            self._ends.clear()
            self._version = version
        ends: dict[int, int] = {}
        numbers = []
        for row in rows:
            number = ends.get(row.partition)
            if number is None:
                number = self._ends.get(row.partition) or self._end(row.partition)
            ends[row.partition] = number + 1
            numbers.append(number)
        return numbers

    def _end(self, partition: int) -> int:
        low, high = partition << SHIFT, (partition + 1) << SHIFT
        end: int = self._connection.execute(_END, (low, high, partition)).fetchone()[0]
        return end

    def retain(self, now: datetime, budget: float = 0.02) -> bool:
        """Drop what is too old or too much, oldest first, for about `budget` seconds. True when there is more to do.

        Small transactions, so that nobody who appends waits for long.
        """
        cut = microseconds(now - timedelta(seconds=self._topic.keep_seconds))
        deadline = time.monotonic() + budget
        with told(self._path):
            while True:
                before = time.monotonic()
                if self._drop(cut) == 0:
                    return self._give_back()
                after = time.monotonic()
                self._slice = min(8192, self._slice * 2) if after - before < budget / 4 else max(16, self._slice // 2)
                if after >= deadline:
                    return True

    def _drop(self, cut: int) -> int:
        with transaction(self._connection):
            surplus = self._used() - self._topic.keep_bytes
            oldest = self._connection.execute(_OLDEST, (SHIFT, self._slice)).fetchall()
            doomed: list[int] = []
            freed = 0
            for partition, at, size in oldest:
                if (at >= cut and freed >= surplus) or freed > MOST_DROPPED:
                    break
                doomed.append(partition)
                freed += size
            for partition in sorted(set(doomed)):
                self._cut(partition, doomed.count(partition))
        return len(doomed)

    def _cut(self, partition: int, count: int) -> None:
        # Always the first ones of a partition, also when a clock jumped: what is kept has no holes.
        low, high = partition << SHIFT, (partition + 1) << SHIFT
        self._connection.execute(
            "INSERT OR REPLACE INTO partition VALUES (?, ?)", (partition, self._end(partition) & _OFFSET)
        )
        self._connection.execute(
            "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
            (low, high, count),
        )

    def _used(self) -> int:
        return (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE_BYTES

    def _give_back(self) -> bool:
        # Free pages are used again; only when they are a quarter of a large file does the file system get some back.
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        if free * PAGE_BYTES < 64 * 2**20 or free * 4 < pages:
            return False
        self._connection.executescript("PRAGMA incremental_vacuum(256)")  # execute() would free a single page
        return True

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
