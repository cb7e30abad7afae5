"""What ingest writes into the store: every reading and detection once, and when each device was last heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
from structlog.testing import capture_logs

from hub.bus.memory import MemoryBus
from hub.ledger import Balance, balance
from hub.model import Detection, Reading, utc
from hub.store import Store
from hub.topics import DEAD_LETTERS, DETECTIONS, READINGS
from ingest.recorder import GROUP, record, write
from ingest.seen import Heard, Seen

NOW = 1_800_000_000.0


def reading(i: int) -> Reading:
    return Reading(
        id=f"r{i}", site="cuihu", device="cuihu/a", kind="smoke", metric="temperature", value=i / 10, unit="°C",
        at=utc(NOW + i), clock="device", device_at=utc(NOW + i), arrived_at=utc(NOW + i + 1), sequence=i,
        place="cuihu/b3", purpose="test",
    )  # fmt: skip


DETECTION = Detection(
    id="d1", site="cuihu", at=utc(NOW), detector="sensor_limit", status="alarm", condition="cuihu/a:limit",
    level="alarm", kind="gas", subject="cuihu/a", place="cuihu/b3", start=utc(NOW), end=utc(NOW + 1), confidence=1.0,
    rule="limit", reason="over the limit", numbers={"value": 26.5},
)  # fmt: skip


@asynccontextmanager
async def recording(bus: MemoryBus, store: Store) -> AsyncIterator[None]:
    running = asyncio.create_task(record(bus, store, lambda: None))
    yield
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def count(store: Store, table: str) -> int:
    async with store.connection() as connection:
        cursor = await connection.execute(f"SELECT count(*) FROM {table}")
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def until(store: Store, table: str, wanted: int) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while await count(store, table) < wanted:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def committed(bus: MemoryBus) -> int:
    spans = [*await bus.spans(READINGS, "store"), *await bus.spans(DETECTIONS, "store")]
    return sum(max(0, span.committed) for span in spans)


async def test_repeats_change_nothing(store: Store) -> None:
    bus = MemoryBus()
    everything = [reading(i) for i in range(1000)]
    await bus.publish(READINGS, everything)
    await bus.publish(DETECTIONS, [DETECTION, DETECTION])
    await bus.publish(READINGS, everything[:300])
    async with recording(bus, store):
        await until(store, "reading", 1000)
        await until(store, "detection", 1)
        deadline = asyncio.get_running_loop().time() + 20
        while await committed(bus) < 1302:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        assert await balance(bus, store, READINGS, GROUP) == Balance("readings", 1300, 1000, 300, 0, 0)
        assert await balance(bus, store, DETECTIONS, GROUP) == Balance("detections", 2, 1, 1, 0, 0)
    assert await count(store, "reading") == 1000
    assert await count(store, "detection") == 1
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT value, unit, at, clock, sequence, purpose FROM reading WHERE id='r7'")
        assert await cursor.fetchone() == (0.7, "°C", utc(NOW + 7), "device", 7, "test")
        cursor = await connection.execute("SELECT body FROM detection")
        row = await cursor.fetchone()
        assert row is not None
        assert msgspec.convert(row[0], Detection) == DETECTION


async def test_one_record_the_store_can_not_hold_costs_only_itself(store: Store) -> None:
    bus = MemoryBus()
    bad = msgspec.structs.replace(reading(1), place="a\x00b")
    await bus.publish(READINGS, [reading(0), bad, reading(2)])
    with capture_logs():
        async with recording(bus, store):
            await until(store, "reading", 2)
            now = datetime.now(UTC)
            deadline = asyncio.get_running_loop().time() + 20
            dead: list[str] = []
            while not dead:
                assert asyncio.get_running_loop().time() < deadline
                read = bus.read(DEAD_LETTERS, "store:readings", now - timedelta(minutes=1), now + timedelta(minutes=1))
                dead = [delivery.decode().reason async for delivery in read]
                await asyncio.sleep(0.05)
            while (books := await balance(bus, store, READINGS, GROUP)).waiting:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.05)
    assert dead == ["unstorable"]
    assert books == Balance("readings", 3, stored=2, repeats=0, dead=1, waiting=0)
    assert books.wrong is None


async def test_the_books_show_what_was_acknowledged_and_not_stored(store: Store) -> None:
    bus = MemoryBus()
    await bus.publish(READINGS, [reading(0)])
    async with recording(bus, store):
        await until(store, "reading", 1)
        while await committed(bus) < 1:  # noqa: ASYNC110  # a commit sets no event of ours
            await asyncio.sleep(0.05)
    await bus.publish(READINGS, [reading(i) for i in range(1, 4)])
    async with bus.subscribe([READINGS], GROUP) as careless:
        await careless.commit((await careless.take())[:2])
    books = await balance(bus, store, READINGS, GROUP)
    assert (books.end, books.stored, books.waiting, books.missing) == (4, 1, 1, 2)
    assert books.wrong == "2 of 4 records of readings were neither stored nor dead-lettered"


async def test_what_comes_again_after_a_death_is_entered_once(store: Store) -> None:
    bus = MemoryBus()
    await bus.publish(READINGS, [reading(0), reading(1), reading(0)])
    async with bus.subscribe([READINGS], GROUP) as dying:
        await write(store, await dying.take())
    books = await balance(bus, store, READINGS, GROUP)
    assert (books.stored, books.repeats, books.waiting, books.wrong) == (2, 1, 0, None)
    async with bus.subscribe([READINGS], GROUP) as successor:
        taken = await successor.take()
        await write(store, taken)
        await successor.commit(taken)
    assert await balance(bus, store, READINGS, GROUP) == books


def heard(sequence: int | None, at: float) -> Heard:
    return Heard(
        device="cuihu/a", site="cuihu", kind="smoke", place="cuihu/b3", registered=True, at=utc(at),
        arrived=utc(at + 1), sequence=sequence,
    )  # fmt: skip


async def test_when_a_device_was_last_heard_never_goes_back_and_gaps_add_up(store: Store) -> None:
    with capture_logs():
        first = Seen()
        for sequence in (1, 2, 5):
            first.hear(heard(sequence, NOW + sequence))
        await first.write(store)
        first.hear(heard(8, NOW + 8))
        await first.write(store)
        await first.write(store)
        after_restart = Seen()
        after_restart.hear(heard(9, NOW + 3))
        await after_restart.write(store)
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT last_at, last_arrived, last_sequence, gaps FROM device_seen")
        assert await cursor.fetchall() == [(utc(NOW + 8), utc(NOW + 9), 9, 4)]
