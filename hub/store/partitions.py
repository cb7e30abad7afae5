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
_PATIENCE: Final = "3s"
# How long a round may wait for a table. Whoever comes after a waiting ACCESS EXCLUSIVE lock waits behind it, alarms
# too: better to leave that day for the next round.

_SEGMENTS: Final = {"reading": "device, metric", "detection": "site", "candidate": "detector, subject"}
"""By what columns TimescaleDB packs rows together: what the queries ask for by equality."""


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


async def keep(store: Store, now: datetime, retention: Retention | None = None) -> Upkeep:
    """Make the coming days' partitions and drop those whose time is over. Meant for the start and every hour after.

    Safe from several processes at once. Raises TransientError.
    """
    kept: dict[str, float] = msgspec.structs.asdict(retention or Retention())
    async with store.connection() as connection:
        row = await (
            await connection.execute("SELECT relkind FROM pg_class WHERE oid = 'reading'::regclass")
        ).fetchone()
        if row is None or row[0] not in ("p", b"p"):
            return await _keep_chunks(connection, kept, now)
    return await _keep_partitions(store, kept, now.astimezone(UTC))


async def _keep_partitions(store: Store, kept: dict[str, float], now: datetime) -> Upkeep:
    made: list[str] = []
    dropped: list[str] = []
    busy: list[str] = []
    strays = 0
    for table, days in kept.items():
        oldest = now - timedelta(days=days)
        existing = await _existing(store, table)
        for day in (now.date() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)):
            if day not in existing:
                (made if await _done(store, _make, table, day) else busy).append(_name(table, day))
        for day in sorted(existing):
            if day < oldest.date():  # a day whose last instant is before `oldest`
                (dropped if await _done(store, _drop, table, day) else busy).append(_name(table, day))
        async with store.connection() as connection:
            query = sql.SQL("DELETE FROM {} WHERE at < %s").format(sql.Identifier(f"{table}_default"))
            strays += (await connection.execute(query, (oldest,))).rowcount
    return Upkeep("native", tuple(made), tuple(dropped), tuple(busy), strays)


async def _done(
    store: Store, act: Callable[[AsyncConnection[Any], str, date], Awaitable[None]], table: str, day: date
) -> bool:
    """Whether `act` could have the tables it needs within _PATIENCE."""
    try:
        async with store.transaction() as connection:
            await connection.execute("SELECT set_config('lock_timeout', %s, true)", (_PATIENCE,))
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            await act(connection, table, day)
    except TransientError as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            return False
        raise
    return True


async def _make(connection: AsyncConnection[Any], table: str, day: date) -> None:
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
        return  # another process was first
    for statement in (
        "LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
        "CREATE TABLE {part} (LIKE {table} INCLUDING ALL)",
        "WITH moved AS (DELETE FROM {rest} WHERE at >= {begin} AND at < {end} RETURNING *)"
        " INSERT INTO {part} SELECT * FROM moved",
        "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({begin}) TO ({end})",
    ):
        await connection.execute(sql.SQL(statement).format(**names))


async def _drop(connection: AsyncConnection[Any], table: str, day: date) -> None:
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(_name(table, day))))


async def _existing(store: Store, table: str) -> set[date]:
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            (table,),
        )
        names = [str(row[0]) for row in await rows.fetchall()]
    days = (re.fullmatch(rf"{table}_(\d{{8}})", name) for name in names)
    return {datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).date() for found in days if found}


async def _keep_chunks(connection: AsyncConnection[Any], kept: dict[str, float], now: datetime) -> Upkeep:
    dropped: list[str] = []
    for table, days in kept.items():
        oldest = now - timedelta(days=days)
        rows = await connection.execute("SELECT drop_chunks(%s::regclass, older_than => %s)", (table, oldest))
        dropped += [str(row[0]).rpartition(".")[2] for row in await rows.fetchall()]
    row = await (await connection.execute("SELECT current_setting('timescaledb.license')")).fetchone()
    if row is not None and row[0] != "apache":  # compression belongs to the Timescale licence's part
        for table, columns in _SEGMENTS.items():
            await _pack(connection, table, columns)
    return Upkeep("timescale", dropped=tuple(dropped))


async def _pack(connection: AsyncConnection[Any], table: str, columns: str) -> None:
    rows = await connection.execute(
        "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s", (table,)
    )
    row = await rows.fetchone()
    if row is not None and not row[0]:
        query = "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_orderby = 'at DESC, id',"
        query += " timescaledb.compress_segmentby = {})"
        await connection.execute(sql.SQL(query).format(sql.Identifier(table), sql.Literal(columns)))
    await connection.execute(
        "SELECT add_compression_policy(%s::regclass, make_interval(days => %s), if_not_exists => true)",
        (table, PACKED_AFTER_DAYS),
    )


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
