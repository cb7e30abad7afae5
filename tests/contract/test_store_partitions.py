"""Records stay for as long as was asked, and no longer; nothing is lost while days come and go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hub.store import Store
from hub.store.partitions import DAYS_AHEAD, Retention, keep
from tests.postgres import every_postgres

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 23, tzinfo=UTC)


async def write(store: Store, *instants: datetime) -> None:
    async with store.transaction() as connection:
        for at in instants:
            await connection.execute(
                "INSERT INTO reading (id, site, device, kind, metric, value, at, clock, arrived_at, purpose)"
                " VALUES ('rd_1', 'cuihu', 'cuihu/gas-1', 'gas', 'gas', 1, %s, 'hub', %s, 'live')",
                (at, at),
            )


async def instants(store: Store, table: str = "reading") -> list[datetime]:
    async with store.connection() as connection:
        rows = await connection.execute(f"SELECT at FROM {table} ORDER BY at".encode())
        return [row[0] for row in await rows.fetchall()]


@every_postgres
async def test_what_is_over_is_dropped_and_what_is_not_stays(store: Store) -> None:
    days = [TODAY - timedelta(days=ago) for ago in range(12)]
    for day in reversed(days):  # as the hub lived through them
        await keep(store, day, Retention(reading=365))
        await write(store, day, day + timedelta(days=1, microseconds=-1))
    upkeep = await keep(store, NOW, Retention(reading=10))
    while upkeep.busy:  # TimescaleDB may be packing that very day
        upkeep = await keep(store, NOW, Retention(reading=10))
    assert len(upkeep.dropped) == 1  # the day that ended ten and a half days ago
    left = await instants(store)
    assert left[0] == TODAY - timedelta(days=10)
    assert len(left) == 22
    assert upkeep.strays == 0


@every_postgres
async def test_a_round_done_twice_is_done_once(store: Store) -> None:
    await keep(store, NOW)
    await write(store, NOW)
    again = await keep(store, NOW)
    assert (again.made, again.dropped, again.busy, again.strays) == ((), (), (), 0)
    assert await instants(store) == [NOW]


@every_postgres
async def test_rounds_of_several_processes_do_not_disturb_each_other(store: Store) -> None:
    await asyncio.gather(*(keep(store, NOW) for _ in range(3)))
    await write(store, NOW)
    assert await instants(store) == [NOW]


async def test_days_are_there_before_they_come(store: Store) -> None:
    upkeep = await keep(store, NOW)
    assert [name for name in upkeep.made if name.startswith("reading_")] == [
        f"reading_{TODAY + timedelta(days=ahead):%Y%m%d}" for ahead in range(DAYS_AHEAD + 1)
    ]
    await write(store, TODAY, TODAY + timedelta(days=DAYS_AHEAD + 1, microseconds=-1))
    assert await instants(store, "reading_default") == []


async def test_what_came_before_its_partition_moves_into_it(store: Store) -> None:
    """After a week without a round: the rows are in the default partition and must not block the new one."""
    border = TODAY + timedelta(days=1)
    inside = [TODAY, NOW, border - timedelta(microseconds=1)]
    absurd = datetime(2099, 1, 1, tzinfo=UTC)
    await write(store, TODAY - timedelta(microseconds=1), *inside, absurd)
    await keep(store, NOW)
    assert await instants(store, "reading_20261123") == inside
    assert await instants(store, "reading_default") == [TODAY - timedelta(microseconds=1), absurd]


async def test_old_strays_of_the_default_partition_are_deleted(store: Store) -> None:
    await write(store, TODAY - timedelta(days=40), TODAY - timedelta(days=2))
    upkeep = await keep(store, NOW, Retention(reading=35))
    assert upkeep.strays == 1
    assert await instants(store) == [TODAY - timedelta(days=2)]


async def test_a_partition_in_use_is_left_for_the_next_round(store: Store) -> None:
    old = TODAY - timedelta(days=50)
    await keep(store, old, Retention(reading=365, candidate=365))
    await write(store, old)
    async with store.transaction() as reader:
        await reader.execute("SELECT count(*) FROM reading_default")
        await reader.execute("SELECT count(*) FROM reading_20261004")
        upkeep = await keep(store, NOW, Retention(reading=35, candidate=365), patience=0.05)
        assert "reading_20261004" in upkeep.busy
        assert "reading_20261123" in upkeep.busy  # its rows might be in the default partition, which is in use
        await write(store, NOW)  # and nobody waits meanwhile
    upkeep = await keep(store, NOW, Retention(reading=35, candidate=365))
    assert upkeep.busy == ()
    assert await instants(store) == [NOW]
    assert await instants(store, "reading_20261123") == [NOW]
