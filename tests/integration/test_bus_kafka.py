"""What only Kafka can do to us: brokers that die, groups that share out anew in the middle of work, logs cut short."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from structlog.testing import capture_logs

from hub.bus import Position, Subscription
from hub.bus.kafka import KafkaBus
from hub.errors import ConfigError, TransientError
from hub.topics import READINGS, partition_of
from tests.bus_places import SITES, ids, reading, take_until
from tests.kafka import Broker, KafkaPlace, kafka_jars

pytestmark = pytest.mark.kafka


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that a test may kill."""
    with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
        broker = Broker(kafka_jars(), Path(directory))
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("session", [10.0, 1.0])
async def test_a_broker_killed_twice_loses_and_doubles_nothing(broker: Broker, session: float) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    sent: dict[Position, str] = {}
    refused = 0
    stop = asyncio.Event()

    async def publish(bus: KafkaBus) -> None:
        nonlocal refused
        number = 0
        while not stop.is_set():
            nouns = [reading(SITES[number % 16], number * 10 + n) for n in range(3)]
            try:
                positions = await bus.publish(READINGS, nouns)
            except TransientError:
                refused += 1
                await asyncio.sleep(0.2)
                continue
            sent.update(zip(positions, (noun.id for noun in nouns), strict=True))
            number += 1
            await asyncio.sleep(0.005)

    taken: list[str] = []
    complete = asyncio.Event()

    def all_taken() -> bool:
        return complete.is_set() and set(taken) >= set(sent.values())

    async def consume(bus: KafkaBus) -> None:
        while not all_taken():
            with contextlib.suppress(TransientError):
                async with bus.subscribe([READINGS], "g") as member:
                    await work(member)
            await asyncio.sleep(0.2)

    async def work(member: Subscription) -> None:
        while not all_taken():
            try:
                batch = await member.take(wait=0.2)
                taken.extend(ids(batch))
                await member.commit(batch)
            except TransientError:
                await asyncio.sleep(0.2)

    async with KafkaBus(broker.servers, session=session) as bus:
        await bus.ensure_topics([READINGS])
        publisher, consumer = asyncio.create_task(publish(bus)), asyncio.create_task(consume(bus))
        for _ in range(2):
            await asyncio.sleep(chance.uniform(0.5, 2))
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(chance.uniform(0, 1))
            await asyncio.to_thread(broker.start)
        await asyncio.sleep(2)
        stop.set()
        await publisher
        complete.set()
        async with asyncio.timeout(60):
            await consumer
        assert set(taken) == set(sent.values()), f"seed {seed}, {refused} refused"
        spans = await bus.spans(READINGS, "g")
        assert sum(s.end - s.start for s in spans) == len(sent), f"none twice in the log; seed {seed}"


async def test_no_broker_is_transient() -> None:
    async with KafkaBus("127.0.0.1:1") as bus:
        with pytest.raises(TransientError):
            await bus.publish(READINGS, [reading("cuihu", 1)])
        with pytest.raises(TransientError):
            await bus.ensure_topics([READINGS])
        with pytest.raises(TransientError):
            async with bus.subscribe([READINGS], "g"):
                pass
        begin = reading("cuihu", 1).at
        with pytest.raises(TransientError):
            _ = [d async for d in bus.read(READINGS, "cuihu", begin, begin)]


async def test_topics_of_another_size_are_refused(kafka_place: KafkaPlace) -> None:
    async with kafka_place.open() as bus:
        assert isinstance(bus, KafkaBus)
        await bus.ensure_topics([READINGS])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_place.servers)
        await admin.start()
        await admin.create_partitions({f"{kafka_place.prefix}readings": NewPartitions(17)})
        await admin.close()
        async with KafkaBus(kafka_place.servers, prefix=kafka_place.prefix) as again:
            refusal = None
            for _ in range(200):
                if refusal := await _refusal(again):
                    break
                await asyncio.sleep(0.05)
            assert "17 partitions" in str(refusal)


async def _refusal(bus: KafkaBus) -> ConfigError | None:
    # The cluster's own picture of a new partition may be a moment late.
    try:
        await bus.ensure_topics([READINGS])
    except ConfigError as error:
        return error
    return None


async def test_a_group_shared_out_anew_waits_for_the_work_in_hand(kafka_place: KafkaPlace) -> None:
    async with kafka_place.open() as bus, contextlib.AsyncExitStack() as stack:
        await bus.publish(READINGS, [reading(site, 1) for site in SITES])
        first = await stack.enter_async_context(bus.subscribe([READINGS], "g"))
        hand = await take_until([first], lambda t: len(t) >= 16, commit=False)
        second = await stack.enter_async_context(bus.subscribe([READINGS], "g"))
        assert await second.take(wait=1.0) == []
        assert second.assignment.partitions == frozenset()
        await first.commit(hand)
        rest = await take_until([first, second], lambda t: len(second.assignment.partitions) == 8)
        assert rest == [], "what was in hand was done before its partition moved"
        kept = first.assignment
        await bus.publish(READINGS, [reading(site, 2) for site in SITES])
        taken = await take_until([first, second], lambda t: len(t) >= 16)
        assert sorted(ids(taken)) == sorted(f"{site}/2" for site in SITES)
        assert first.assignment == kept


async def test_what_stays_with_a_member_goes_on_where_it_was(kafka_place: KafkaPlace) -> None:
    async with kafka_place.open() as bus, bus.subscribe([READINGS], "g") as first:
        await bus.publish(READINGS, [reading(site, 1) for site in SITES])
        hand = await take_until([first], lambda t: len(t) >= 16, commit=False)
        async with bus.subscribe([READINGS], "g") as second:
            # The first has not acknowledged anything, yet gets none of what it keeps a second time.
            again = await take_until([first], lambda t: len(first.assignment.partitions) == 8, commit=False)
            moved = await take_until([second], lambda t: len(t) >= 8)
            again += await first.take(wait=0.5)
            assert again == []
            kept = [d for d in hand if ("readings", d.partition) in first.assignment.partitions]
            assert {d.key for d in kept}.isdisjoint(d.key for d in moved)
            await first.commit(hand)
        committed = {s.partition: s.committed for s in await bus.spans(READINGS, "g")}
        assert committed == {d.partition: 1 for d in hand}


async def test_acknowledging_is_progress(kafka_place: KafkaPlace) -> None:
    async with kafka_place.open(session=1.0) as bus, bus.subscribe([READINGS], "g") as member:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(12)])
        taken = await take_until([member], lambda t: len(t) >= 12, commit=False)
        before = member.assignment
        for d in taken:
            await member.commit([d])
            await asyncio.sleep(0.25)
        assert await member.take(wait=0.3) == []
        assert member.assignment == before
        (span,) = [s for s in await bus.spans(READINGS, "g") if s.partition == taken[0].partition]
        assert span.committed == 12


async def test_a_reader_overtaken_by_retention_goes_on_at_the_oldest_and_says_so(kafka_place: KafkaPlace) -> None:
    async with kafka_place.open() as bus:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(30)])
        async with bus.subscribe([READINGS], "g") as member:
            taken = await take_until([member], lambda t: len(t) >= 10, commit=False)
            await member.commit(taken[:10])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_place.servers)
        await admin.start()
        slot = TopicPartition(f"{kafka_place.prefix}readings", partition_of(b"cuihu"))
        await admin.delete_records({slot: RecordsToDelete(before_offset=25)})
        await admin.close()
        with capture_logs() as logs:
            async with bus.subscribe([READINGS], "g") as member:
                taken = await take_until([member], lambda t: len(t) >= 5)
        assert ids(taken) == [f"cuihu/{n}" for n in range(25, 30)]
        assert [entry["count"] for entry in logs if entry["event"] == "records_skipped"] == [15]
        begin, end = taken[0].arrived - timedelta(hours=1), taken[-1].arrived + timedelta(seconds=1)
        assert [d.offset async for d in bus.read(READINGS, "cuihu", begin, end)] == list(range(25, 30))


async def test_a_killed_broker_is_transient_for_readers(broker: Broker) -> None:
    async with KafkaBus(broker.servers) as bus:
        await bus.ensure_topics([READINGS])
        await bus.publish(READINGS, [reading("cuihu", 1)])
        broker.kill()
        begin = reading("cuihu", 1).at
        with pytest.raises(TransientError):
            _ = [d async for d in bus.read(READINGS, "cuihu", begin, begin)]
