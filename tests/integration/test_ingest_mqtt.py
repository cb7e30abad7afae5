"""The door for sensors on real brokers: what is acknowledged is on the log, and what can't be read is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from hub.model import Reading
from hub.settings.city import City, Device, Site
from hub.topics import DEAD_LETTERS, READINGS, THERMAL, Topic
from ingest import mqtt_link
from ingest.broker import EmbeddedBroker
from ingest.decoders import decoder
from ingest.mqtt import MqttDoor, Subscribed
from ingest.mqtt_link import Broker
from ingest.outlet import Outlet
from ingest.register import Register
from ingest.seen import Seen
from simulator.broker import Link
from tests.faltering import Faltering
from tests.mosquitto import AUTHORITY, PASSWORD, USER

SECONDS = 30.0
T = TypeVar("T", bound=msgspec.Struct)
CITY = City(
    sites={"cuihu": Site(id="cuihu", name="翠湖苑")},
    devices={
        "cuihu/smoke-1": Device(id="cuihu/smoke-1", site="cuihu", kind="smoke", place="cuihu/b3/u1/12", name="烟感")
    },
)
ALL = Subscribed("property/#", decoder("hub-json"))


@asynccontextmanager
async def door(bus: Faltering, broker: Broker, *subscribed: Subscribed) -> AsyncIterator[MqttDoor]:
    """The door, open from the block's beginning to its end."""
    opened = MqttDoor(broker, subscribed or (ALL,), Register(lambda: CITY), Outlet(bus), Seen())
    running = asyncio.create_task(opened.run(lambda: None))
    try:
        await until(lambda: opened.connected)
        yield opened
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def at(broker: EmbeddedBroker, **more: Any) -> Broker:
    return msgspec.structs.replace(Broker(host=broker.host, port=broker.port), **more)


async def until(true: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def on(bus: Faltering, topic: Topic[T], key: str) -> list[T]:
    now = datetime.now(UTC)
    read = bus.read(topic, key, now - timedelta(minutes=5), now + timedelta(minutes=5))
    return [delivery.decode() async for delivery in read]


async def some(bus: Faltering, topic: Topic[T], key: str, count: int) -> list[T]:
    """The records of this key as soon as there are so many."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    out = await on(bus, topic, key)
    while len(out) < count:
        assert asyncio.get_running_loop().time() < deadline, f"{len(out)} of {count} came"
        await asyncio.sleep(0.05)
        out = await on(bus, topic, key)
    return out


async def readings(bus: Faltering, count: int) -> list[Reading]:
    """The site's readings as soon as there are so many."""
    return await some(bus, READINGS, "cuihu", count)


def payload(sequence: int, **values: float) -> bytes:
    now = datetime.now(UTC).timestamp()
    return json.dumps({"t": now, "seq": sequence, "values": values or {"temperature": sequence / 10}}).encode()


@asynccontextmanager
async def devices(broker: EmbeddedBroker, **more: Any) -> AsyncIterator[Link]:
    async with Link(broker.host, broker.port, "devices", **more) as link:
        await link.connected(SECONDS)
        yield link


SMOKE = "property/cuihu/smoke/smoke-1"


@pytest.mark.parametrize("protocol", ["v3.1.1", "v5"])
async def test_readings_reach_the_log_with_their_place(
    protocol: Literal["v3.1.1", "v5"], mosquitto: EmbeddedBroker
) -> None:
    bus = Faltering()
    async with door(bus, at(mosquitto, protocol=protocol)), devices(mosquitto) as link:
        for i in range(200):
            link.publish(SMOKE, payload(i))
        link.publish("property/cuihu/gas/new-one", payload(1, gas=12.5))
        out = await readings(bus, 201)
    assert [r.sequence for r in out[:200]] == list(range(200)), "in order"
    assert {(r.place, r.registered, r.clock) for r in out[:200]} == {("cuihu/b3/u1/12", True, "device")}
    assert (out[200].device, out[200].registered, out[200].unit) == ("cuihu/new-one", False, "%LEL")


async def test_it_works_on_the_broker_that_stands_in(amqtt: EmbeddedBroker) -> None:
    bus = Faltering()
    async with door(bus, at(amqtt)), devices(amqtt) as link:
        for i in range(50):
            link.publish(SMOKE, payload(i))
        assert {r.sequence for r in await readings(bus, 50)} == set(range(50))


async def test_what_can_not_be_read_is_kept_with_its_reason_and_acknowledged(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    deep = b'{"values": {"x": 1}, "y": ' + b"[" * 9000 + b"]" * 9000 + b"}"
    waste = {
        "unreadable": b"\xff\xfe\x00",
        "invalid": b'{"values": {"temperature": "hot"}}',
        "too_deep": deep,
        "too_large": b'{"values": {"x": 1}, "y": "' + b"y" * 300_000 + b'"}',
        "empty": b"",
    }
    async with door(bus, at(mosquitto)), devices(mosquitto) as link:
        for i, bad in enumerate(waste.values()):
            link.publish(SMOKE, payload(i))
            link.publish(SMOKE, bad)
        link.publish("property/short", payload(9))
        link.publish("property/cuihu/thermal/th-1", b"HTF1" + bytes(20))
        link.publish(SMOKE, payload(5))
        assert len(await readings(bus, 6)) == 6, "nothing stands in the way of what is behind it"
        dead = await some(bus, DEAD_LETTERS, "ingest:mqtt", len(waste) + 2)
        assert sorted(d.reason for d in dead) == sorted([*waste, "topic", "truncated"])
        assert all(d.key.startswith("property/") for d in dead)
        assert max(len(d.payload) for d in dead) == 64 * 1024
    # A second look: nothing of it is delivered again.
    async with door(bus, at(mosquitto)), devices(mosquitto) as link:
        link.publish(SMOKE, payload(6))
        assert len(await readings(bus, 7)) == 7
        assert len(await on(bus, DEAD_LETTERS, "ingest:mqtt")) == len(dead)


async def test_nothing_is_acknowledged_before_the_bus_has_it(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    async with door(bus, at(mosquitto)), devices(mosquitto) as link:
        link.publish(SMOKE, payload(0))
        await readings(bus, 1)
        bus.away = True
        for i in range(1, 101):
            link.publish(SMOKE, payload(i))
        await link.settled(SECONDS)
        await until(lambda: bus.tried > 2)
    assert len(await on(bus, READINGS, "cuihu")) == 1, "the door is closed with all of them in hand"
    bus.away = False
    async with door(bus, at(mosquitto)):
        out = await readings(bus, 101)
    assert {r.sequence for r in out} == set(range(101)), "the broker had been told nothing, so they came again"
    assert len({r.id for r in out}) == 101


@pytest.mark.parametrize("protocol", ["v3.1.1", "v5"])
async def test_what_is_sent_while_we_are_away_waits_at_the_broker(
    protocol: Literal["v3.1.1", "v5"], mosquitto: EmbeddedBroker
) -> None:
    bus = Faltering()
    here = at(mosquitto, protocol=protocol)
    async with devices(mosquitto) as link:
        async with door(bus, here):
            link.publish(SMOKE, payload(0))
            await readings(bus, 1)
        for i in range(1, 3001):
            link.publish(SMOKE, payload(i))
        await link.settled(SECONDS)
        async with door(bus, here):
            out = await readings(bus, 3001)
    assert {r.sequence for r in out} == set(range(3001))


@pytest.mark.mosquitto
async def test_a_restarted_broker_is_found_again_and_has_lost_nothing(tmp_path: Path) -> None:
    bus = Faltering()
    async with EmbeddedBroker(tmp_path / "m", kind="mosquitto") as first:
        port = first.port
        async with door(bus, at(first)) as opened, devices(first) as link:
            for i in range(50):
                link.publish(SMOKE, payload(i))
            await readings(bus, 50)
            await first.stop()
            await until(lambda: not opened.connected)
            for i in range(50, 100):
                link.publish(SMOKE, payload(i))
            async with EmbeddedBroker(tmp_path / "m", port, kind="mosquitto"):
                out = await readings(bus, 100)
    assert {r.sequence for r in out} == set(range(100))


async def test_a_full_queue_holds_the_broker_back_and_loses_nothing(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    bus.away = True
    count = mqtt_link.WAITING_MESSAGES + 500
    async with door(bus, at(mosquitto)) as opened, devices(mosquitto) as link:
        for i in range(count):
            link.publish(SMOKE, payload(i))
        await link.settled(SECONDS)
        assert opened.waiting <= mqtt_link.WAITING_MESSAGES
        bus.away = False
        out = await readings(bus, count)
    assert {r.sequence for r in out} == set(range(count))


async def test_gaps_in_a_devices_count_are_told(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    with capture_logs() as logs:
        async with door(bus, at(mosquitto)), devices(mosquitto) as link:
            for i in (1, 2, 6, 7):
                link.publish(SMOKE, payload(i))
            await readings(bus, 4)
            await until(lambda: any(line["event"] == "sequence_gap" for line in logs))
    gap = next(line for line in logs if line["event"] == "sequence_gap")
    assert (gap["device"], gap["missing"], gap["now"]) == ("cuihu/smoke-1", 3, 6)


async def test_thermal_pictures_pass_in_both_forms(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    array = {"width": 2, "height": 1, "range": [-20, 300], "celsius": [20.5, 80.0], "seq": 1}
    async with door(bus, at(mosquitto)), devices(mosquitto) as link:
        link.publish("property/cuihu/thermal/th-1", json.dumps(array).encode())
        link.publish("property/cuihu/thermal/th-1", binary_picture(640, 512))
        frames = await some(bus, THERMAL, "cuihu/th-1", 2)
    assert [(f.width, f.height, len(f.raw)) for f in frames] == [(2, 1, 4), (640, 512, 640 * 512 * 2)]


def binary_picture(width: int, height: int) -> bytes:
    head = struct.pack("<dIHHffffB3x", 0.0, 1, width, height, 0.01, -273.15, -20.0, 550.0, 1)
    return b"HTF1" + head + bytes(width * height * 2)


async def test_other_makers_topics_have_their_own_decoders(mosquitto: EmbeddedBroker) -> None:
    bus = Faltering()
    mapping = {"topic": "acme/{site}/{device}", "kind": "gas", "values": {"gas": "lel"}}
    acme = Subscribed("$share/hub/acme/#", decoder("json-mapping", mapping))
    async with door(bus, at(mosquitto), ALL, acme), devices(mosquitto) as link:
        link.publish("acme/cuihu/g7", b'{"lel": 7}')
        link.publish(SMOKE, payload(1))
        out = await readings(bus, 2)
    assert {(r.device, r.metric) for r in out} == {("cuihu/g7", "gas"), ("cuihu/smoke-1", "temperature")}


async def test_a_stranger_is_refused_and_the_password_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], guarded: EmbeddedBroker
) -> None:
    bus = Faltering()
    authority = tmp_path / AUTHORITY
    right = at(guarded, username=USER, password=PASSWORD, tls=True, ca=authority)
    with capture_logs() as logs:
        async with door(bus, right):
            await asyncio.to_thread(publish_over_tls, guarded, authority)
            assert len(await readings(bus, 1)) == 1
        wrong = MqttDoor(
            at(guarded, username=USER, password="falsch-99", tls=True, ca=authority),
            (ALL,), Register(lambda: CITY), Outlet(bus), Seen(),
        )  # fmt: skip
        running = asyncio.create_task(wrong.run(lambda: None))
        await until(lambda: any(line["event"] == "mqtt_refused" for line in logs))
        running.cancel()
        await asyncio.wait([running])
    told = repr(logs) + "".join(capfd.readouterr())
    assert PASSWORD not in told
    assert "falsch-99" not in told


def publish_over_tls(broker: EmbeddedBroker, authority: Path) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    client.username_pw_set(USER, PASSWORD)
    client.tls_set_context(ssl.create_default_context(cafile=authority))
    client.connect("localhost", broker.port)
    client.loop_start()
    client.publish(SMOKE, payload(1), qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
