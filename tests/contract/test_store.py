"""What every service may rely on in its database, on each server the hub runs on."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from hub.errors import ConfigError, MessageError, TransientError
from hub.model import Detection, Reading
from hub.store import Store
from tests.postgres import every_postgres

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)

INSERT_READING = """
INSERT INTO reading (id, site, device, kind, metric, value, unit, at, clock, arrived_at, sequence, purpose)
VALUES (%(id)s, 'cuihu', 'cuihu/heat-1', 'heat', 'temperature', %(value)s, '°C', %(at)s, 'device', %(at)s, 7, 'live')
ON CONFLICT (at, id) DO UPDATE SET value = excluded.value
"""


@every_postgres
async def test_an_instant_comes_back_as_the_same_instant_in_utc(store: Store) -> None:
    local = NOON.astimezone(tz=datetime.fromisoformat("2026-11-23T20:00:00+08:00").tzinfo)
    async with store.connection() as connection:
        row = await (
            await connection.execute("SELECT %s::timestamptz, current_setting('TimeZone')", (local,))
        ).fetchone()
    assert row is not None
    assert row[0] == NOON
    assert row[0].utcoffset() == timedelta(0)
    assert row[1] == "UTC"


@every_postgres
async def test_a_transaction_is_kept_whole_or_not_at_all(store: Store) -> None:
    async with store.transaction() as connection:
        await connection.execute("INSERT INTO command_seen (id, at) VALUES ('kept', %s)", (NOON,))

    async def failing() -> float:
        async with store.transaction() as connection:
            await connection.execute("INSERT INTO command_seen (id, at) VALUES ('dropped', %s)", (NOON,))
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await failing()
    async with store.connection() as connection:
        rows = await (await connection.execute("SELECT id FROM command_seen")).fetchall()
    assert rows == [("kept",)]


@every_postgres
async def test_a_statement_outside_a_transaction_is_seen_at_once(store: Store) -> None:
    async with store.connection() as first, store.connection() as second:
        await first.execute("INSERT INTO command_seen (id, at) VALUES ('one', %s)", (NOON,))
        assert await (await second.execute("SELECT id FROM command_seen")).fetchall() == [("one",)]


@every_postgres
async def test_two_workers_never_claim_the_same_rows(store: Store) -> None:
    """The outbox's way of sharing work: rows that another transaction holds are passed over."""
    claim = "SELECT id FROM command_seen ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED"
    async with store.transaction() as connection:
        for name in "abcd":
            await connection.execute("INSERT INTO command_seen (id, at) VALUES (%s, %s)", (name, NOON))
    async with store.transaction() as first, store.transaction() as second:
        ours = await (await first.execute(claim)).fetchall()
        theirs = await (await second.execute(claim)).fetchall()
    assert (ours, theirs) == ([("a",), ("b",)], [("c",), ("d",)])


@every_postgres
async def test_a_connection_that_the_server_cut_is_transient_and_the_next_one_works(store: Store) -> None:
    async def cut() -> None:
        async with store.connection() as victim, store.connection() as killer:
            await killer.execute("SELECT pg_terminate_backend(%s)", (victim.info.backend_pid,))
            await victim.execute("SELECT 1")

    with pytest.raises(TransientError) as caught:
        await cut()
    assert isinstance(caught.value.__cause__, psycopg.Error)
    await store.ping()


@every_postgres
async def test_idle_connections_that_the_server_cut_cost_nobody_an_error(store: Store) -> None:
    await store.ping()
    async with await psycopg.AsyncConnection.connect(store.dsn, autocommit=True) as killer:
        await killer.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'property-hub'"
        )
    await store.ping()


@every_postgres
async def test_a_dead_lock_is_transient(store: Store) -> None:
    both_hold_one = asyncio.Barrier(2)

    async def crossing(mine: int, other: int) -> None:
        async with store.transaction() as connection:
            await connection.execute("SELECT set_config('deadlock_timeout', '50ms', true)")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (mine,))
            await both_hold_one.wait()
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (other,))

    outcomes = await asyncio.gather(crossing(1, 2), crossing(2, 1), return_exceptions=True)
    told = [outcome for outcome in outcomes if outcome is not None]
    assert len(told) == 1
    assert isinstance(told[0], TransientError)


@every_postgres
async def test_no_free_connection_within_the_wait_is_transient(database: str) -> None:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(database, connections=1, wait=0.2))
        await stack.enter_async_context(store.connection())
        with pytest.raises(TransientError):
            await store.ping()


@every_postgres
async def test_a_value_that_can_not_be_stored_is_the_message_s_fault(store: Store) -> None:
    for value in ("a\x00b", '{"words": "a\\u0000b"}'):
        with pytest.raises(MessageError, match="unstorable"):
            async with store.connection() as connection:
                await connection.execute(
                    "INSERT INTO incident_step (incident, at, who, action, details) VALUES (%s, %s, '', '', %s::jsonb)",
                    (value, NOON, value if value.startswith("{") else "{}"),
                )
    await store.ping()


@every_postgres
async def test_a_broken_constraint_stays_what_it_is(store: Store) -> None:
    insert = "INSERT INTO command_seen (id, at) VALUES (%(id)s, %(at)s), (%(id)s, %(at)s)"
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with store.transaction() as connection:
            await connection.execute(insert, {"id": "twice", "at": NOON})


@every_postgres
async def test_writing_a_reading_twice_is_writing_it_once(store: Store) -> None:
    async with store.transaction() as connection:
        for value in (21.0, 21.5):
            await connection.execute(INSERT_READING, {"id": "rd_1", "value": value, "at": NOON})
    async with store.connection() as connection:
        rows = await (await connection.execute("SELECT id, value, at FROM reading")).fetchall()
    assert rows == [("rd_1", 21.5, NOON)]


@every_postgres
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_a_reading_is_finite(store: Store, value: float) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        async with store.transaction() as connection:
            await connection.execute(INSERT_READING, {"id": "rd_1", "value": value, "at": NOON})


@every_postgres
async def test_readings_are_summed_up_by_the_same_query_everywhere(store: Store) -> None:
    async with store.transaction() as connection:
        for minute in range(130):  # across midnight, so across partitions or chunks
            at = datetime(2026, 11, 22, 23, 0, tzinfo=UTC) + timedelta(minutes=minute)
            await connection.execute(INSERT_READING, {"id": f"rd_{minute}", "value": minute, "at": at})
    async with store.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT date_bin('1 hour', at, 'epoch') AS hour, count(*) AS n, max(value) AS top FROM reading"
            " WHERE device = 'cuihu/heat-1' AND metric = 'temperature' AND at >= %s GROUP BY 1 ORDER BY 1",
            (datetime(2026, 11, 22, 23, 30, tzinfo=UTC),),
        )
        rows = await cursor.fetchall()
    assert [(row["hour"].hour, row["n"], row["top"]) for row in rows] == [(23, 30, 59), (0, 60, 119), (1, 10, 129)]


@every_postgres
async def test_absurd_dates_are_kept_too(store: Store) -> None:
    dates = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)]
    async with store.transaction() as connection:
        for at in dates:
            await connection.execute(INSERT_READING, {"id": "rd_1", "value": 1, "at": at})
    async with store.connection() as connection:
        rows = await (await connection.execute("SELECT at FROM reading ORDER BY at")).fetchall()
    assert [row[0] for row in rows] == dates


@every_postgres
@pytest.mark.parametrize(
    ("table", "noun", "renamed"),
    [
        ("reading", Reading, {}),
        (
            "detection",
            Detection,
            {
                "start": "start_at",
                "end": "end_at",
                "numbers": "body",
                "words": "body",
                "path": "body",
                "clock": "body",
                "late": "body",
            },
        ),
    ],
)
async def test_every_field_of_a_record_has_a_column(
    store: Store, table: str, noun: type[msgspec.Struct], renamed: dict[str, str]
) -> None:
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = %s", (table,)
        )
        columns = {row[0] for row in await rows.fetchall()}
    assert columns == {renamed.get(field.name, field.name) for field in msgspec.structs.fields(noun)}


@every_postgres
async def test_no_row_has_a_purpose_that_nobody_gave_it(store: Store) -> None:
    """A canary that came out as live would call the fire brigade."""
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT table_name::text, column_default, is_nullable::text FROM information_schema.columns"
            " WHERE column_name = 'purpose' AND table_schema = 'public' AND table_name !~ '_(default|[0-9]{8})$'"
        )
        found = {row[0]: row[1:] for row in await rows.fetchall()}
    assert set(found.values()) == {(None, "NO")}
    assert found.keys() >= {"alert", "candidate", "detection", "incident", "outbox", "reading"}


async def test_a_store_that_can_not_be_reached_is_transient_and_names_no_password(database: str) -> None:
    for dsn in (
        make_conninfo("", host="127.0.0.1", port=1, user="hub", password="geheim-1", dbname="hub"),
        make_conninfo(database, password="geheim-1", passfile="/dev/null"),
    ):
        with pytest.raises(TransientError) as caught:
            async with Store.open(dsn, wait=2):
                pass
        assert "geheim-1" not in str(caught.value)


async def test_an_address_that_can_not_be_read_is_the_operator_s_and_names_no_password() -> None:
    with pytest.raises(ConfigError) as caught:
        async with Store.open("host=db password=geheim 1 dbname"):
            pass
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
