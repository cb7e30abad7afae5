"""What every bus promises, tried on each of them: in memory, embedded, and a real Apache Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub.bus import MAX_PAYLOAD, Position
from hub.errors import MessageError
from hub.model import Detection, Reading
from hub.topics import DETECTIONS, PARTITIONS, READINGS, THERMAL
from tests.bus_places import SITES, EmbeddedPlace, MemoryPlace, Place, frame, held_by, ids, reading, take_until


@pytest.fixture(params=["memory", "embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """One log of each kind."""
    if request.param == "memory":
        yield MemoryPlace()
    elif request.param == "embedded":
        yield EmbeddedPlace(tmp_path / "bus")
    else:
        yield request.getfixturevalue("kafka_place")


def detection(site: str, number: int) -> Detection:
    at = reading(site, number).at
    return Detection(
        id=f"{site}/{number}",
        site=site,
        at=at,
        detector="sensors",
        status="alarm",
        condition="c",
        level="alarm",
        kind="smoke",
        subject="s",
        place=site,
        start=at,
        end=at,
        confidence=1.0,
        rule="r",
        reason="because",
    )


async def test_what_is_published_arrives_in_order_of_its_key(place: Place) -> None:
    sent = [reading(SITES[n % 5], n) for n in range(300)]
    async with place.open() as bus:
        positions = [p for n in range(0, 300, 100) for p in await bus.publish(READINGS, sent[n : n + 100])]
        async with bus.subscribe([READINGS], "g") as member:
            taken = await take_until([member], lambda t: len(t) >= 300)
    assert {Position(d.partition, d.offset): d.decode() for d in taken} == dict(zip(positions, sent, strict=True))
    for site in SITES[:5]:
        assert [d.decode().sequence for d in taken if d.key == site] == [r.sequence for r in sent if r.site == site]


async def test_nothing_published_is_no_record(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        assert await bus.publish(READINGS, []) == []
        assert await member.take(wait=0.1) == []


async def test_a_record_carries_its_key_value_and_headers(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([THERMAL], "g") as member:
        sent = frame("cuihu/thermal-1", 640)
        await bus.publish(THERMAL, [sent])
        (got,) = await take_until([member], bool)
        assert (got.key, got.decode(), got.topic.name) == ("cuihu/thermal-1", sent, "thermal")


async def test_every_group_sees_everything(place: Place) -> None:
    async with place.open() as bus:
        await bus.publish(READINGS, [reading(site, n) for n in range(10) for site in SITES])
        async with bus.subscribe([READINGS], "one") as one, bus.subscribe([READINGS], "two") as two:
            first = await take_until([one], lambda t: len(t) >= 160)
            second = await take_until([two], lambda t: len(t) >= 160)
    assert sorted(ids(first)) == sorted(ids(second))
    assert len(set(ids(first))) == 160


async def test_what_was_not_acknowledged_comes_again_record_by_record(place: Place) -> None:
    async with place.open() as bus:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(10)])
        async with bus.subscribe([READINGS], "g") as member:
            taken = await take_until([member], lambda t: len(t) >= 10, commit=False)
            await member.commit([d for d in taken if d.offset not in (3, 6)])
    async with place.open() as bus:
        async with bus.subscribe([READINGS], "g") as member:
            again = await take_until([member], lambda t: {"cuihu/3", "cuihu/6"} <= set(ids(t)))
            assert ids(again)[0] == "cuihu/3"
        async with bus.subscribe([READINGS], "g") as member:
            assert await member.take(wait=0.3) == []


async def test_the_committed_offset_is_the_lowest_not_acknowledged(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        (first, *_) = await bus.publish(READINGS, [reading("cuihu", n) for n in range(4)])
        before = {s.partition: s for s in await bus.spans(READINGS, "g")}
        assert len(before) == PARTITIONS
        assert (before[first.partition].start, before[first.partition].end) == (0, 4)
        assert before[first.partition].committed == -1
        taken = await take_until([member], lambda t: len(t) >= 4, commit=False)
        seen = []
        for offset in (2, 0, 3, 1):
            await member.commit([d for d in taken if d.offset == offset])
            seen.append({s.partition: s.committed for s in await bus.spans(READINGS, "g")}[first.partition])
        assert seen == [0, 1, 1, 4]


async def test_three_members_keep_one_key_of_linked_topics_together(place: Place) -> None:
    async with place.open() as bus, contextlib.AsyncExitStack() as stack:
        members = [await stack.enter_async_context(bus.subscribe([READINGS, DETECTIONS], "g")) for _ in range(3)]
        await held_by(members, [12, 10, 10])
        for member in members:
            numbers = {
                topic: {p for t, p in member.assignment.partitions if t == topic}
                for topic in ("readings", "detections")
            }
            assert numbers["readings"] == numbers["detections"]
        await bus.publish(READINGS, [reading(site, 1) for site in SITES])
        await bus.publish(DETECTIONS, [detection(site, 1) for site in SITES])
        owner: dict[str, set[int]] = {}
        total = 0
        deadline = time.monotonic() + 30
        while total < 2 * len(SITES):
            assert time.monotonic() < deadline
            for number, member in enumerate(members):
                for d in await member.take(wait=0.05):
                    owner.setdefault(d.key, set()).add(number)
                    total += 1
        assert total == 2 * len(SITES)
        assert all(len(numbers) == 1 for numbers in owner.values())
        assert {n for numbers in owner.values() for n in numbers} == {0, 1, 2}


async def test_a_member_that_leaves_is_replaced_and_nothing_is_lost(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as stays:
        await bus.publish(READINGS, [reading(site, 1) for site in SITES])
        async with bus.subscribe([READINGS], "g") as leaves:
            await held_by([stays, leaves], [8, 8])
            generation = stays.assignment.generation
        taken = await take_until([stays], lambda t: len(stays.assignment.partitions) == 16, commit=False)
        assert stays.assignment.generation > generation
        await bus.publish(READINGS, [reading(site, 2) for site in SITES])
        taken += await take_until([stays], lambda t: sum(i.endswith("/2") for i in ids(t)) >= 16)
        left_over = {i for i in ids(taken) if i.endswith("/1")}
        gone = {site for site in SITES if f"{site}/1" in left_over}
        assert len(gone) >= 8


async def test_a_member_without_progress_loses_its_partitions_and_sees_it(place: Place) -> None:
    async with place.open(session=1.0) as bus, bus.subscribe([READINGS], "g") as stalled:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(3)])
        held = await take_until([stalled], lambda t: len(t) >= 3, commit=False)
        before = stalled.assignment
        async with place.open(session=1.0) as second, second.subscribe([READINGS], "g") as other:
            taken = await take_until([other], lambda t: len(t) >= 3, commit=False)
            assert ids(taken) == ids(held)
            await stalled.commit(held[:2])  # too late: it is another's now
            partition = held[0].partition
            assert {s.partition: s.committed for s in await bus.spans(READINGS, "g")}[partition] <= 0
            lost = await stalled.take(wait=2.0)
            assert lost == []
            assert stalled.assignment.generation > before.generation
            assert ("readings", partition) not in stalled.assignment.partitions
            await other.commit(taken)


async def test_waiting_for_records_is_progress(place: Place) -> None:
    async with place.open(session=1.0) as bus, bus.subscribe([READINGS], "g") as member:
        await take_until([member], lambda t: len(member.assignment.partitions) == 16)
        generation = member.assignment.generation
        assert await member.take(wait=2.5) == []
        assert member.assignment.generation == generation


async def test_a_slow_reader_loses_nothing(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        got: list[str] = []
        for block in range(10):
            await bus.publish(READINGS, [reading(SITES[n % 16], n) for n in range(block * 200, block * 200 + 200)])
            batch = await member.take(limit=7)
            await member.commit(batch)
            got += ids(batch)
        while batch := await member.take(limit=100, wait=1.0):
            assert len(batch) <= 100
            await member.commit(batch)
            got += ids(batch)
        assert sorted(got) == sorted(f"{SITES[n % 16]}/{n}" for n in range(2000))


async def test_eight_mebibytes_pass_and_more_is_refused(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([THERMAL], "g") as member:
        sent = frame("cuihu/thermal-1", MAX_PAYLOAD)
        await bus.publish(THERMAL, [sent, sent])
        taken = await take_until([member], lambda t: len(t) >= 2)
        assert [len(d.value) for d in taken] == [MAX_PAYLOAD, MAX_PAYLOAD]
        with pytest.raises(MessageError, match="too_large"):
            await bus.publish(THERMAL, [frame("cuihu/thermal-1", MAX_PAYLOAD + 2)])


async def test_reading_from_time_to_time_gives_one_key_in_order(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        for n in range(20):
            await bus.publish(READINGS, [reading("cuihu", n), reading("lanyuan", n)])
            await asyncio.sleep(0.005)
        taken = [d for d in await take_until([member], lambda t: len(t) >= 40) if d.key == "cuihu"]
        begin, end = taken[5].arrived, taken[12].arrived
        expected = [d.offset for d in taken if begin <= d.arrived < end]
        assert [d.offset async for d in bus.read(READINGS, "cuihu", begin, end)] == expected
        assert len(expected) >= 5
        everything = [
            d async for d in bus.read(READINGS, "cuihu", begin - timedelta(hours=1), end + timedelta(hours=1))
        ]
        assert everything == taken
        assert [d async for d in bus.read(READINGS, "cuihu", begin - timedelta(hours=1), taken[0].arrived)] == []
        assert [d async for d in bus.read(READINGS, "nobody", begin, end)] == []


async def test_reading_can_be_left_early(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(300)])
        taken = await take_until([member], lambda t: len(t) >= 300)
        begin, end = taken[0].arrived, taken[-1].arrived + timedelta(seconds=1)
        for _ in range(3):
            async with contextlib.aclosing(bus.read(READINGS, "cuihu", begin, end)) as records:  # type: ignore[type-var]  # every bus's read is a generator
                async for record in records:
                    assert record.decode().sequence == 0
                    break
        assert len([d async for d in bus.read(READINGS, "cuihu", begin, end)]) == 300


async def test_closed_and_opened_again_everything_is_there(place: Place) -> None:
    async with place.open() as bus:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(5)])
        async with bus.subscribe([READINGS], "g") as member:
            assert len(await take_until([member], lambda t: len(t) >= 5)) == 5
    async with place.open() as bus:
        (position,) = await bus.publish(READINGS, [reading("cuihu", 5)])
        assert position.offset == 5
        async with bus.subscribe([READINGS], "g") as member:
            assert ids(await take_until([member], bool)) == ["cuihu/5"]
        async with bus.subscribe([READINGS], "new") as member:
            assert len(await take_until([member], lambda t: len(t) >= 6)) == 6


async def test_a_new_group_may_begin_at_the_end(place: Place) -> None:
    async with place.open() as bus:
        await bus.publish(READINGS, [reading(site, 1) for site in SITES])
        async with bus.subscribe([READINGS], "g", start="latest") as member:
            await take_until([member], lambda t: len(member.assignment.partitions) == 16)
            await bus.publish(READINGS, [reading(site, 2) for site in SITES])
        # It left without a commit; what came meanwhile is its successor's.
        async with bus.subscribe([READINGS], "g", start="latest") as member:
            taken = await take_until([member], lambda t: len(t) >= 16)
        assert sorted(ids(taken)) == sorted(f"{site}/2" for site in SITES)


async def test_acknowledging_does_not_wait_for_a_take(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        await bus.publish(READINGS, [reading("cuihu", 1)])
        taken = await take_until([member], bool, commit=False)
        waiting = asyncio.create_task(member.take(wait=20.0))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await member.commit(taken)
            await bus.publish(READINGS, [reading("cuihu", 2)])
            assert ids(await waiting) == ["cuihu/2"]


async def test_a_cancelled_take_loses_nothing(place: Place) -> None:
    async with place.open() as bus, bus.subscribe([READINGS], "g") as member:
        got: list[str] = []
        for n in range(50):
            waiting = asyncio.create_task(member.take(wait=5.0))
            await asyncio.sleep(0.0005 * (n % 7))
            await bus.publish(READINGS, [reading("cuihu", n)])
            await asyncio.sleep(0.0005 * (n % 5))
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                got += ids(await waiting)
        while len(got) < 50 and (batch := await member.take(wait=2.0)):
            got += ids(batch)
        assert got == [f"cuihu/{n}" for n in range(50)]


async def test_many_publishers_at_once_lose_and_double_nothing(place: Place) -> None:
    async with place.open() as bus, place.open() as second, bus.subscribe([READINGS], "g") as member:

        async def publish(number: int) -> list[tuple[Position, Reading]]:
            sent = []
            for n in range(20):
                nouns = [reading(SITES[(number + n) % 16], number * 1000 + n * 10 + i) for i in range(3)]
                sent += list(zip(await (bus, second)[number % 2].publish(READINGS, nouns), nouns, strict=True))
            return sent

        sent = [pair for part in await asyncio.gather(*map(publish, range(12))) for pair in part]
        taken = await take_until([member], lambda t: len(t) >= len(sent))
        assert {Position(d.partition, d.offset): d.decode() for d in taken} == dict(sent)
        assert len(taken) == len(sent) == 720
