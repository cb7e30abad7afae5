"""What the hub stands on: the store and the bus. Looked at without changing anything."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from app.engines import kafka_access, store_dsn
from app.examination.finding import Finding
from hub import topics
from hub.errors import ConfigError, HubError, TransientError
from hub.settings.deployment import Deployment
from hub.store import connect, described, translated
from hub.store.migrate import pending

PATIENCE: Final = 5.0
"""Seconds to wait for an answer."""
CLOCKS_APART: Final = 1.0
LATE: Final = 15.0
"""Seconds without progress after which the page too calls a role ill."""
_SAYS_NOTHING: Final = "the hub is running and the database does not answer"


async def store(deployment: Deployment, hub: str) -> AsyncIterator[Finding]:
    """The database: reachable, which, what is missing in it, its clock. `hub`: the running hub's process id, or ""."""
    embedded = deployment.store.kind == "embedded"
    try:
        dsn = store_dsn(deployment)
    except ConfigError as error:
        yield Finding("store", "trouble", str(error), "put the password where hub.yaml says it is")
        return
    if embedded and not hub:
        where = deployment.store_directory
        said = f"{where} is there, not running" if (where / "data").exists() else f"{where} is not made yet"
        yield Finding("store", "note", f"embedded PostgreSQL: {said}", "it starts with the hub: property-hub run")
        return
    try:
        connection = await connect(dsn, PATIENCE)
    except ConfigError as error:
        yield Finding("store", "trouble", str(error), "use another server")
        return
    except TransientError as error:
        remedy = (
            f"see {deployment.store_directory / 'log'}" if embedded else "start it, or correct store.dsn in hub.yaml"
        )
        yield Finding("store", "trouble", f"{_SAYS_NOTHING}: {error}" if embedded else str(error), remedy)
        return
    try:
        async for finding in _inside(connection, "embedded" if embedded else described(dsn), hub):
            yield finding
    except psycopg.Error as error:
        said = f"it does not answer as it should: {translated(error, lost=connection.closed)}"
        yield Finding("store", "trouble", said, "check that this user owns the hub's tables")
    finally:
        await connection.close()


async def _inside(connection: AsyncConnection[Any], where: str, hub: str) -> AsyncIterator[Finding]:
    row = await _row(connection, "SELECT current_setting('server_version')")
    yield Finding("store", "ok", f"PostgreSQL {row[0]}, {where}")
    try:
        missing = await pending(connection)
    except ConfigError as error:
        yield Finding("tables", "trouble", str(error), "use the hub's version that made them")
    else:
        if missing:
            yield Finding("tables", "trouble", f"not applied yet: {', '.join(missing)}", "run: property-hub migrate")
        else:
            yield Finding("tables", "ok", "up to date")
            if hub:
                yield await _progress(connection)
    row = await _row(
        connection,
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
        " current_setting('timescaledb.license', true),"
        " EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')",
    )
    if row[0]:
        packs = "compresses old days" if row[1] == "timescale" else "under this licence old days are not compressed"
        yield Finding("timescaledb", "ok", f"{row[0]}, licence {row[1]}: {packs}")
    else:
        installed = "installed but not in use" if row[2] else "not installed"
        yield Finding(
            "timescaledb", "note", f"{installed}: days are kept as native partitions, which is fine for a site"
        )
    before = time.time()
    row = await _row(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")
    apart = abs(row[0] - (before + time.time()) / 2)
    said = f"the store's clock and ours are {apart:.3f} s apart"
    if apart > CLOCKS_APART:
        yield Finding("store clock", "trouble", said, "synchronise both machines with the same time server")
    else:
        yield Finding("store clock", "ok", said)


async def _progress(connection: AsyncConnection[Any]) -> Finding:
    rows = await connection.execute(
        "SELECT role, min(extract(epoch FROM now() - at))::float8 FROM progress"
        " WHERE at > now() - interval '1 day' GROUP BY role ORDER BY role"
    )
    ages: dict[str, float] = dict(await rows.fetchall())
    late = [role for role, age in ages.items() if age > LATE]
    said = ", ".join(f"{role} {max(age, 0.0):.0f} s ago" for role, age in ages.items()) or "none has told anything"
    if late or not ages:
        return Finding("roles", "trouble", f"last progress: {said}", "see the hub's log, or restart it")
    return Finding("roles", "ok", f"last progress: {said}")


async def bus(deployment: Deployment, hub: str) -> AsyncIterator[Finding]:
    """The log: its files can be opened, or Kafka answers and has the topics."""
    if deployment.bus.kind == "embedded":
        for finding in await asyncio.to_thread(lambda: list(_files(deployment.bus_directory))):
            yield finding
        return
    from hub.bus.kafka import KafkaBus

    servers = ",".join(deployment.bus.servers)
    try:
        async with (
            asyncio.timeout(PATIENCE * 2),
            KafkaBus(servers, prefix=deployment.bus.prefix, access=kafka_access(deployment.bus)) as kafka,
        ):
            missing = await kafka.missing_topics(topics.ALL)
    except (HubError, TimeoutError) as error:
        said = str(error) or "no answer"
        yield Finding("bus", "trouble", f"Kafka at {servers}: {said}", "start it, or correct bus.servers in hub.yaml")
        return
    if missing:
        said = f"Kafka at {servers} answers; topics not there yet: {', '.join(missing)}"
        if hub:
            yield Finding("bus", "trouble", said, "restart a role: each makes what is missing when it starts")
        else:
            yield Finding("bus", "note", said, "the first role that starts makes them")
    else:
        yield Finding("bus", "ok", f"Kafka at {servers}: all {len(topics.ALL)} topics are there")


def _files(directory: Path) -> Iterator[Finding]:
    files = sorted(directory.rglob("*.sqlite"))
    if not files:
        yield Finding("bus", "note", f"embedded, {directory}: nothing written yet", "the first start makes it")
        return
    size = 0
    for file in files:
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            size += file.stat().st_size
        except (sqlite3.Error, OSError) as error:
            yield Finding(
                "bus", "trouble", f"{file} can't be read: {error}", "stop the hub, move the file aside, start again"
            )
    yield Finding("bus", "ok", f"embedded, {len(files)} files, {size / 2**20:.0f} MiB in {directory}")


async def _row(connection: AsyncConnection[Any], query: str) -> tuple[Any, ...]:
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return tuple(row)
