"""Simulated sensors and thermal cameras on a real mosquitto: what is sent arrives, also after the broker was away."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from simulator.broker import Link
from simulator.clock import WorldClock
from simulator.demo_devices import demo_sensors
from simulator.sensors import Change, Measured, Sensor, publish_for_ever
from simulator.thermal import HotSpot, ThermalCamera, film_for_ever

pytestmark = pytest.mark.mosquitto


class Broker:
    """Debian's mosquitto on a port of its own, which a test may stop and start again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nlog_dest none\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._process = subprocess.Popen([program, "-c", str(self._config)])
        for _ in range(500):
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            threading.Event().wait(0.01)
        raise TimeoutError("mosquitto did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    one = Broker(tmp_path)
    one.start()
    yield one
    one.stop()


class Ear:
    """A plain subscriber with a persistent session that keeps all it hears."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, int]] = []
        self._news = threading.Condition()
        self._listening = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "ear", clean_session=False, protocol=MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("property/#", qos=1)
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._listening.wait(10)

    def _hear(self, client: Client, data: Any, message: MQTTMessage) -> None:
        with self._news:
            self.heard.append((message.topic, bytes(message.payload), message.qos))
            self._news.notify_all()

    def wait(self, count: int, seconds: float = 30) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, seconds), f"heard {len(self.heard)}"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def ear(broker: Broker) -> Iterator[Ear]:
    one = Ear(broker.port)
    yield one
    one.close()


async def test_sensors_speak_before_second_zero_and_tell_what_happens_after_it(broker: Broker, ear: Ear) -> None:
    quick = Sensor(
        id="s/gas-1",
        kind="gas",
        name="",
        place="s",
        period=0.2,
        measures=(Measured("gas", 2, 0.1, 0.1, 0), Measured("gas_alarm", 0, 0, 1)),
    )
    script = (
        Change(device="s/gas-1", metric="gas", at=0.5, to=40),
        Change(device="s/gas-1", metric="gas_alarm", at=0.5, to=1),
    )
    clock = WorldClock()
    async with Link("127.0.0.1", broker.port, "devices") as link:
        speaking = asyncio.create_task(publish_for_ever((quick,), script, link, clock))
        await asyncio.to_thread(ear.wait, 5)
        before = [json.loads(payload) for _, payload, _ in ear.heard]
        clock.begin()
        await asyncio.to_thread(ear.wait, len(before) + 8)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        await link.settled(10)
    assert {topic for topic, _, _ in ear.heard} == {"property/s/gas/gas-1"}
    assert {qos for _, _, qos in ear.heard} == {1}
    said = [json.loads(payload) for _, payload, _ in ear.heard]
    assert [entry["seq"] for entry in said] == list(range(1, len(said) + 1))
    assert all(entry["values"]["gas_alarm"] == 0 for entry in before)
    changed = next(entry for entry in said if entry["values"]["gas_alarm"] == 1)
    assert changed["values"]["gas"] > 35
    assert said[-1]["t"] > said[0]["t"]


async def test_all_twenty_three_sensors_are_heard(broker: Broker, ear: Ear) -> None:
    async with Link("127.0.0.1", broker.port, "devices") as link:
        speaking = asyncio.create_task(publish_for_ever(demo_sensors(), (), link, WorldClock()))
        await asyncio.to_thread(ear.wait, 23)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    assert {topic for topic, _, _ in ear.heard} == {sensor.topic for sensor in demo_sensors()}


async def test_the_thermal_camera_films_at_its_rate(broker: Broker, ear: Ear) -> None:
    clock = WorldClock()
    clock.begin()
    camera = ThermalCamera(id="s/thermal-1", fps=8, hot_spot=HotSpot(at=0.2, grows=1))
    async with Link("127.0.0.1", broker.port, "devices") as link:
        filming = asyncio.create_task(film_for_ever(camera, link, clock))
        await asyncio.to_thread(ear.wait, 12)
        filming.cancel()
        await asyncio.gather(filming, return_exceptions=True)
    assert {topic for topic, _, _ in ear.heard} == {"property/s/thermal/thermal-1"}
    sequence = [int.from_bytes(payload[12:16], "little") for _, payload, _ in ear.heard]
    assert sequence == list(range(1, len(sequence) + 1))
    hottest = [max(memoryview(payload)[40:].cast("H")) * 0.04 - 273.15 for _, payload, _ in ear.heard]
    assert hottest[0] < 30 < 200 < hottest[-1]


async def test_nothing_is_lost_while_the_broker_is_away(broker: Broker, ear: Ear) -> None:
    async with Link("127.0.0.1", broker.port, "devices") as link:
        await link.connected(10)
        for number in range(100):
            link.publish("property/s/door/d", b"%d" % number)
        await link.settled(10)
        broker.stop()
        for number in range(100, 200):
            link.publish("property/s/door/d", b"%d" % number)
        with pytest.raises(TimeoutError, match="of 200"):
            await link.settled(0.2)
        await asyncio.to_thread(broker.start)
        await link.settled(30)
        await asyncio.to_thread(ear.wait, 200)
    assert {int(payload) for _, payload, _ in ear.heard} == set(range(200))


async def test_a_broker_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Link("127.0.0.1", taken.getsockname()[1], "devices") as link:
            with pytest.raises(TimeoutError, match="no MQTT broker at"):
                await link.connected(0.2)
