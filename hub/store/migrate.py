"""Bringing the database's tables to what this version of the hub needs.

The files in `migrations/` are numbered, applied once each in order, and never changed afterwards. A step that
differs where TimescaleDB is there comes as two files, `0004_x.timescale.sql` and `0004_x.native.sql`.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
import psycopg
from psycopg import AsyncConnection

from hub.errors import ConfigError
from hub.store import connect, described, translated

Timescale = Literal["auto", "on", "off"]

_LOCK: Final = 0x50_72_6F_70_48_75_62  # "PropHub"; anyone who migrates this database waits for anyone else who does
_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)(?:\.(native|timescale))?\.sql")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)"""


class Migration(msgspec.Struct, frozen=True):
    """One file of the tree. `engine` is "" for a step that is the same everywhere."""

    number: int
    name: str
    engine: Literal["", "native", "timescale"]
    sql: str

    @property
    def sha256(self) -> str:
        """Over the text with \\n at line ends, so that a checkout on another system is the same file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def tree() -> list[Migration]:
    """Every migration that ships with the hub, in order of number. Raises ValueError when the tree itself is wrong."""
    found = [
        _migration(file.name, file.read_text(encoding="utf-8"))
        for file in files("hub.store").joinpath("migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return checked(found)


def checked(found: list[Migration]) -> list[Migration]:
    """The same, sorted, once it is sure that numbers run from 1 and each is one file or one of each engine."""
    ordered = sorted(found, key=lambda migration: (migration.number, migration.engine))
    numbers = sorted({migration.number for migration in ordered})
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"migrations are not numbered 1, 2, 3, ...: {numbers}")
    for number in numbers:
        engines = [migration.engine for migration in ordered if migration.number == number]
        if engines not in ([""], ["native", "timescale"]):
            raise ValueError(f"migration {number:04} is neither one file nor a native and a timescale one: {engines}")
    return ordered


async def migrate(dsn: str, timescale: Timescale = "auto") -> list[str]:
    """Apply what is missing, each file in its own transaction; the names applied now, [] when nothing was missing.

    `timescale`: "auto" uses the extension where the server has it, "on" insists, "off" never does. Whatever a
    database was begun with it keeps: switching later would move every row. Safe to run from several processes at once.
    Raises TransientError when the server is away; ConfigError when an applied file was changed since, when the
    database belongs to a newer hub, or when `timescale` asks for what it can't have.
    """
    connection = await connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        await connection.execute(_TABLE)
        plan, done = tree(), await _applied(connection)
        _refuse_changes(plan, done, described(dsn))
        missing = [migration for migration in plan if migration.number not in done]
        if not missing:
            return []
        engine = await _engine(connection, timescale, done)
        wanted = [migration for migration in missing if migration.engine in ("", engine)]
        for migration in wanted:
            await _apply(connection, migration)
        return [migration.name for migration in wanted]
    except psycopg.Error as error:
        raise translated(error, lost=connection.closed) from error
    finally:
        await connection.close()


async def pending(connection: AsyncConnection[Any]) -> list[str]:
    """Names of what `migrate` would still apply, a step each; changes nothing. Raises ConfigError as it does."""
    rows = await connection.execute("SELECT to_regclass('migration') IS NOT NULL")
    plan, done = tree(), await _applied(connection) if await rows.fetchone() == (True,) else {}
    _refuse_changes(plan, done, described(connection.info.dsn))
    missing = {m.number: m.name.removesuffix(f".{m.engine}.sql").removesuffix(".sql") for m in plan}
    return [name for number, name in missing.items() if number not in done]


def _migration(name: str, sql: str) -> Migration:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is not named like 0001_records.sql or 0001_records.native.sql")
    engine = match[3] or ""
    return Migration(int(match[1]), name, msgspec.convert(engine, Literal["", "native", "timescale"]), sql)


async def _applied(connection: AsyncConnection[Any]) -> dict[int, tuple[str, str]]:
    rows = await connection.execute("SELECT number, name, sha256 FROM migration ORDER BY number")
    return {number: (name, sha256) for number, name, sha256 in await rows.fetchall()}


def _refuse_changes(plan: list[Migration], done: dict[int, tuple[str, str]], where: str) -> None:
    known = {migration.name: migration.sha256 for migration in plan}
    problems = []
    for name, sha256 in done.values():
        if name not in known:
            problems.append(f"{name} was applied there but this version of the hub does not have it: use the newer hub")
        elif known[name] != sha256:
            problems.append(f"{name} was changed after it was applied: put it back, and add a new file instead")
    if problems:
        raise ConfigError(f"the store {where} can't be migrated: " + "; ".join(problems))


async def _apply(connection: AsyncConnection[Any], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql.encode())
        await connection.execute(
            "INSERT INTO migration (number, name, sha256) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.sha256),
        )


async def _engine(
    connection: AsyncConnection[Any], asked: Timescale, done: dict[int, tuple[str, str]]
) -> Literal["native", "timescale"]:
    begun = {name.split(".")[-2] for name, _ in done.values() if name.count(".") == 2}
    if begun:
        engine: Literal["native", "timescale"] = "timescale" if "timescale" in begun else "native"
        if asked == {"native": "on", "timescale": "off"}[engine]:
            raise ConfigError(f"hub.timescale is {asked}, but this database was begun as {engine} and stays so")
        return engine
    if asked == "off":
        return "native"
    problem = await _no_timescale(connection)
    if problem and asked == "on":
        raise ConfigError(f"hub.timescale is on, but {problem}")
    return "native" if problem else "timescale"


async def _no_timescale(connection: AsyncConnection[Any]) -> str | None:
    """Create the extension, or say why that can't be."""
    rows = await connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    if await rows.fetchone():
        return None
    rows = await connection.execute(
        "SELECT default_version, current_setting('shared_preload_libraries')"
        " FROM pg_available_extensions WHERE name = 'timescaledb'"
    )
    row = await rows.fetchone()
    if row is None:
        return "the server does not have the extension timescaledb"
    if "timescaledb" not in row[1]:
        # Creating it anyway would end the connection: the library insists on being there from the server's start.
        return "the server's shared_preload_libraries does not name timescaledb"
    try:
        await connection.execute("CREATE EXTENSION timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return "this user may not create the extension timescaledb: let an administrator do it once"
    return None
