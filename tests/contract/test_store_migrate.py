"""The database's tables grow by numbered files, each applied once, none ever changed."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from hub.errors import ConfigError
from hub.store import Store
from hub.store.migrate import migrate, tree
from tests.postgres import every_postgres


@every_postgres
async def test_an_empty_database_gets_every_step_once(empty_database: str) -> None:
    names = await migrate(empty_database)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert await migrate(empty_database) == []


@every_postgres
async def test_several_processes_may_migrate_at_once(empty_database: str) -> None:
    done = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(map(len, done)) == [0, 0, 0, max(migration.number for migration in tree())]


@every_postgres
async def test_a_step_that_fails_leaves_nothing_behind_and_is_done_next_time(empty_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(empty_database, autocommit=True) as connection:
        await connection.execute("CREATE TABLE evidence_view (in_the_way int)")  # the last table of 0002
        with pytest.raises(psycopg.errors.DuplicateTable):
            await migrate(empty_database)
        rows = await connection.execute("SELECT to_regclass('reading') IS NULL, to_regclass('progress') IS NULL")
        assert await rows.fetchone() == (False, True)
        await connection.execute("DROP TABLE evidence_view")
    assert (await migrate(empty_database))[0].startswith("0002_")


@every_postgres
async def test_a_file_changed_after_it_was_applied_is_refused(database: str, store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("UPDATE migration SET sha256 = 'of another text' WHERE number = 2")
    with pytest.raises(ConfigError, match=r"0002_operations\.sql was changed after it was applied"):
        await migrate(database)


@every_postgres
async def test_the_database_of_a_newer_hub_is_refused(database: str, store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("INSERT INTO migration (number, name, sha256) VALUES (9999, '9999_later.sql', '')")
    with pytest.raises(ConfigError, match=r"9999_later\.sql .* newer hub"):
        await migrate(database)


async def test_timescale_can_not_be_insisted_on_where_it_is_not(empty_database: str) -> None:
    with pytest.raises(ConfigError, match="timescale is on, but the server does not have"):
        await migrate(empty_database, "on")
    assert any(name.endswith(".native.sql") for name in await migrate(empty_database, "auto"))


async def test_a_database_keeps_the_engine_it_was_begun_with(database: str, store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("DELETE FROM migration WHERE number = 1")  # something is missing, so it has to choose
    with pytest.raises(ConfigError, match="begun as native"):
        await migrate(database, "on")
