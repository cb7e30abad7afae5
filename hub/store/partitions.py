"""Keeping records for as long as was asked, a day at a time.

Natively a day is a partition, made some days ahead and dropped when its time is over. On TimescaleDB days make
themselves, and what is left is dropping them, and packing older ones where its licence allows. Records nobody
expected (a replay, an absurd date) lie in the default partition until their day gets a partition or is over.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import psycopg
from psycopg import AsyncConnection, sql

from hub.errors import TransientError
from hub.store import Store

DAYS_AHEAD: Final = 7
"""Partitions are there for today and so many days more: the round may fail for a week before it matters."""

PACKED_AFTER_DAYS: Final = 3
"""TimescaleDB compresses what is older: late enough that hardly any record still arrives for that day."""

_LOCK: Final = 0x50_72_6F_70_44_61_79  # "PropDay"; one round at a time
_SEGMENTS: Final = {"reading": "device, metric", "detection": "site", "candidate": "detector, subject"}
"""By what columns TimescaleDB packs rows together: what the queries ask for by equality."""


_Act = Callable[[AsyncConnection[Any], str, date], Awaitable[list[str]]]
# Something done to a table for a day, or up to an instant; the names of what it made or dropped.


class Retention(msgspec.Struct, frozen=True):
    """For how many days records stay. Detections are few, and the city asks about them late."""

    reading: float = 35
    detection: float = 400
    candidate: float = 35


class Upkeep(msgspec.Struct, frozen=True):
    """What one round did.

    `made`, `dropped`: partitions or chunks by name. `busy`: partitions in use, left for the next round.
    `strays`: rows deleted from the default partitions because their time was over.
    """

    engine: Literal["native", "timescale"]
    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    strays: int = 0


async def keep(store: Store, now: datetime, retention: Retention | None = None, *, patience: float = 3.0) -> Upkeep:
    """Make the coming days' partitions and drop those whose time is over. Meant for the start and every hour after.

    `patience`: seconds to wait for a table that is in use. Whoever comes after a lock that waits must wait behind it,
    alarms too: better to leave the rest for the next round. Safe from several processes at once. Raises TransientError.
    """
    kept: dict[str, float] = msgspec.structs.asdict(retention or Retention())
    async with store.connection() as connection:
        rows = await connection.execute("SELECT relkind::text FROM pg_class WHERE oid = 'reading'::regclass")
        partitioned = await rows.fetchone() == ("p",)
    turns, now = _Turns(store, patience), now.astimezone(UTC)
    return await (_keep_partitions if partitioned else _keep_chunks)(turns, kept, now)


class _Turns:
    """Does one thing to one table at a time, waiting no longer than `patience` seconds for whoever uses it."""

    def __init__(self, store: Store, patience: float) -> None:
        self.store = store
        self.busy: list[str] = []
        self._patience = f"{round(patience * 1000)}ms"

    async def take(self, act: _Act, table: str, when: date) -> list[str] | None:
        """What `act` did, by name; None, and a note of it, when others held the table too long."""
        try:
            async with self.store.transaction() as connection:
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                await connection.execute("SELECT set_config('lock_timeout', %s, true)", (self._patience,))
                return await act(connection, table, when)
        except TransientError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                raise
        self.busy.append(_name(table, when))
        return None


async def _keep_partitions(turns: _Turns, kept: dict[str, float], now: datetime) -> Upkeep:
    made: list[str] = []
    dropped: list[str] = []
    strays = 0
    for table, days in kept.items():
        oldest = now - timedelta(days=days)
        existing = await _existing(turns.store, table)
        coming = {now.date() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)}
        over = {day for day in existing if day < oldest.date()}  # the last instant of such a day is before `oldest`
        plan: list[tuple[_Act, set[date], list[str]]] = [(_make, coming - existing, made), (_drop, over, dropped)]
        for act, due, done in plan:
            for day in sorted(due):
                names = await turns.take(act, table, day)
                if names is None:
                    break  # what is in use for one day is in use for the next
                done.extend(names)
        async with turns.store.connection() as connection:
            query = sql.SQL("DELETE FROM {} WHERE at < %s").format(sql.Identifier(f"{table}_default"))
            strays += (await connection.execute(query, (oldest,))).rowcount
    return Upkeep("native", tuple(made), tuple(dropped), tuple(turns.busy), strays)


async def _make(connection: AsyncConnection[Any], table: str, day: date) -> list[str]:
    """Build the partition beside the table, move in what lay in the default one, attach it.

    CREATE TABLE ... PARTITION OF would lock the whole table against readers and writers; ATTACH does not.
    """
    names = {
        "table": sql.Identifier(table),
        "rest": sql.Identifier(f"{table}_default"),
        "part": sql.Identifier(_name(table, day)),
        "begin": sql.Literal(_midnight(day)),
        "end": sql.Literal(_midnight(day + timedelta(days=1))),
    }
    row = await (await connection.execute("SELECT to_regclass(%s)", (_name(table, day),))).fetchone()
    if row is not None and row[0] is not None:
        return []  # another process was first
    for statement in (
        "LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
        "CREATE TABLE {part} (LIKE {table} INCLUDING ALL)",
        "WITH moved AS (DELETE FROM {rest} WHERE at >= {begin} AND at < {end} RETURNING *)"
        " INSERT INTO {part} SELECT * FROM moved",
        "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({begin}) TO ({end})",
    ):
        await connection.execute(sql.SQL(statement).format(**names))
    return [_name(table, day)]


async def _drop(connection: AsyncConnection[Any], table: str, day: date) -> list[str]:
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(_name(table, day))))
    return [_name(table, day)]


async def _existing(store: Store, table: str) -> set[date]:
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            (table,),
        )
        names = [str(row[0]) for row in await rows.fetchall()]
    days = (re.fullmatch(rf"{table}_(\d{{8}})", name) for name in names)
    return {datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).date() for found in days if found}


async def _keep_chunks(turns: _Turns, kept: dict[str, float], now: datetime) -> Upkeep:
    dropped: list[str] = []
    for table, days in kept.items():
        dropped += await turns.take(_drop_chunks, table, now - timedelta(days=days)) or []
    async with turns.store.connection() as connection:
        row = await (await connection.execute("SELECT current_setting('timescaledb.license')")).fetchone()
    if row is not None and row[0] != "apache":  # compression belongs to the Timescale licence's part
        for table in kept:
            await turns.take(_pack, table, now)
    return Upkeep("timescale", dropped=tuple(dropped), busy=tuple(turns.busy))


async def _drop_chunks(connection: AsyncConnection[Any], table: str, oldest: date) -> list[str]:
    rows = await connection.execute("SELECT drop_chunks(%s::regclass, older_than => %s)", (table, oldest))
    return [str(row[0]).rpartition(".")[2] for row in await rows.fetchall()]


async def _pack(connection: AsyncConnection[Any], table: str, _now: date) -> list[str]:
    """Have chunks packed once they are old enough; asking again changes nothing."""
    rows = await connection.execute(
        "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s", (table,)
    )
    row = await rows.fetchone()
    if row is not None and not row[0]:
        query = "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_orderby = 'at DESC, id',"
        query += " timescaledb.compress_segmentby = {})"
        await connection.execute(sql.SQL(query).format(sql.Identifier(table), sql.Literal(_SEGMENTS[table])))
    await connection.execute(
        "SELECT add_compression_policy(%s::regclass, make_interval(days => %s), if_not_exists => true)",
        (table, PACKED_AFTER_DAYS),
    )
    return []


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
