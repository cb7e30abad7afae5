"""10,000 readings on mosquitto while ingest is killed five times and stays away once: all are stored, each once.

Deaths fall where they like: while the process still starts, or when a part of what waits for it is on the log. The
long absence is 10 s here and a minute in the soak run.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from paho.mqtt.client import Client, MQTTMessageInfo, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from hub.ledger import Balance, Log, balance
from hub.model import DeadLetter
from hub.store import Store
from hub.topics import DEAD_LETTERS, READINGS, Topic
from ingest.broker import EmbeddedBroker
from ingest.recorder import GROUP
from tests.fault.hub_roles import Hub, Role, Surroundings, seed, until

COUNT: Final = 10_000
DEATHS: Final = 5
UNREADABLE: Final = 3
"""Records on the log that are no readings: the store's own dead letters."""
UNPARSABLE: Final = 4
"""Messages that are no JSON: the door's."""
SITES: Final = ("cuihu", "beiyuan", "nanwan", "no-such-place")
STRANGE: Final = Topic("readings", DeadLetter, lambda letter: letter.key, keep_seconds=1e6, keep_bytes=2**30)

absent = pytest.mark.parametrize("away", [10.0, pytest.param(60.0, marks=pytest.mark.soak)])


class Devices:
    """Twenty-eight devices at four sites that count what they say. `said` holds (device, number)."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self._counts: Counter[str] = Counter()
        self._sent: list[MQTTMessageInfo] = []
        self.said: set[tuple[str, int]] = set()

    def say(self, count: int) -> None:
        """So many readings, without waiting for the broker."""
        for _ in range(count):
            site, name = self._chance.choice(SITES), f"heat-{self._chance.randint(1, 7)}"
            device = f"{site}/{name}"
            self._counts[device] += 1
            number = self._counts[device]
            self.said.add((device, number))
            value = round(self._chance.uniform(18, 24), 1)
            self._put(f"{site}/heat/{name}", {"t": time.time(), "seq": number, "values": {"temperature": value}})

    def mumble(self) -> None:
        """Something that is no JSON."""
        self._sent.append(self._client.publish("property/cuihu/heat/heat-1", b"\xff{", qos=1))

    def knock(self) -> None:
        """A reading that is not counted, to see whether anybody listens."""
        self._put("cuihu/heat/knock", {"t": time.time(), "values": {"temperature": 20.0}})

    def acknowledged(self) -> bool:
        """Whether the broker has everything."""
        return all(info.is_published() for info in self._sent)

    def _put(self, place: str, said: dict[str, object]) -> None:
        self._sent.append(self._client.publish(f"property/{place}", json.dumps(said), qos=1))


@contextmanager
def devices(broker: EmbeddedBroker, chance: random.Random) -> Iterator[Devices]:
    """Connected to the broker."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="devices", protocol=MQTTv5)
    client.max_inflight_messages_set(500)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield Devices(client, chance)
    finally:
        client.disconnect()
        client.loop_stop()


async def on_log(bus: Log) -> int:
    """How many readings were ever published."""
    return sum(span.end for span in await bus.spans(READINGS, GROUP))


async def listening(bus: Log, people: Devices, ingest: Role) -> None:
    """Wait until the broker knows of us: what is said before that is said to nobody."""

    async def heard() -> bool:
        people.knock()
        await asyncio.sleep(0.2)
        return await on_log(bus) > 0

    await until(heard, 60, ingest.said)


async def die(bus: Log, people: Devices, ingest: Role, chance: random.Random, portion: int) -> None:
    """Start ingest while devices talk, and kill it somewhere on its way."""
    before = await on_log(bus)
    await ingest.start()
    people.say(portion)
    if chance.random() < 0.3:
        moment = chance.uniform(0.2, 4.0)
        print(f"killed {moment:.2f} s after its start")
        await asyncio.sleep(moment)
    else:
        wanted = before + chance.randint(1, portion)
        print(f"killed when {wanted - before} more readings were on the log")

        async def came() -> bool:
            return await on_log(bus) >= wanted

        await until(came, 60, ingest.said)
    await ingest.kill()


async def endure(bus: Log, people: Devices, ingest: Role, chance: random.Random, away: float) -> None:
    """All that is said, all the deaths, and the absence at a random place among them."""
    portion = COUNT // (DEATHS + 2)
    absence = chance.randrange(DEATHS)
    await ingest.start()
    await listening(bus, people, ingest)
    await ingest.kill()
    for death in range(DEATHS):
        await die(bus, people, ingest, chance, portion)
        if death == absence:
            people.say(portion)
            people.mumble()
            print(f"away for {away:g} s")
            await asyncio.sleep(away)
        await bus.publish(STRANGE, [strange(death)] if death < UNREADABLE else [])
    for _ in range(UNPARSABLE - 1):
        people.mumble()
    people.say(COUNT - len(people.said))
    await ingest.start()


def strange(number: int) -> DeadLetter:
    """What nobody can read as a reading."""
    now = datetime.now(UTC)
    return DeadLetter(id=f"s{number}", at=now, source="?", reason="?", detail="", payload=b"", key=SITES[0])


async def stored(store: Store) -> dict[tuple[str, int], int]:
    """How many rows there are of each counted reading."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT device, sequence, count(*) FROM reading WHERE sequence IS NOT NULL GROUP BY device, sequence"
        )
        return {(str(device), int(number)): int(count) for device, number, count in await cursor.fetchall()}


async def ids(store: Store) -> Sequence[int]:
    """Rows, and different ids among them."""
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT count(*), count(DISTINCT id) FROM reading")
        row = await cursor.fetchone()
    assert row is not None
    return row


async def buried(bus: Log, source: str) -> set[str]:
    """The dead letters of one source, by id."""
    now = datetime.now(UTC)
    read = bus.read(DEAD_LETTERS, source, now - timedelta(hours=1), now + timedelta(minutes=1))
    return {delivery.decode().id async for delivery in read}


async def trial(store: Store, dsn: str, broker: EmbeddedBroker, folder: Path, away: float, kafka: str = "") -> Balance:
    """The whole story; returns the books at its end."""
    chance = seed()
    hub = Hub(folder / "hub", Surroundings(dsn=dsn, kafka=kafka, mqtt_port=broker.port))
    ingest = hub.role("ingest")
    async with hub.bus() as bus:
        await hub.settle(store, bus)
        try:
            with devices(broker, chance) as people:
                await endure(bus, people, ingest, chance, away)

                async def all_there() -> bool:
                    if not people.acknowledged() or len(await stored(store)) < COUNT:
                        return False
                    return (await balance(bus, store, READINGS, GROUP)).waiting == 0

                await until(all_there, 90, ingest.said)
            rows = await stored(store)
            assert rows == dict.fromkeys(people.said, 1)
            assert len(rows) == COUNT
            books = await balance(bus, store, READINGS, GROUP)
            print(books)
            total, different = await ids(store)
            assert total == different == books.stored
            assert books.wrong is None
            assert books.dead == UNREADABLE
            assert books.end == await on_log(bus)
            assert len(await buried(bus, "ingest:mqtt")) == 1  # its id comes from what it says: one, however often
            assert ingest.deaths == DEATHS + 1
        finally:
            await ingest.end()
    return books


@absent
@pytest.mark.timeout(300)
async def test_every_reading_is_stored_once(
    store: Store, database: str, mosquitto: EmbeddedBroker, tmp_path: Path, away: float
) -> None:
    await trial(store, database, mosquitto, tmp_path, away)


@absent
@pytest.mark.kafka
@pytest.mark.timeout(400)
async def test_the_same_on_kafka(
    store: Store, database: str, mosquitto: EmbeddedBroker, tmp_path: Path, kafka_servers: str, away: float
) -> None:
    await trial(store, database, mosquitto, tmp_path, away, kafka_servers)
