"""The self-test leaves the page's process over real MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from control_room import selftest
from control_room.config import Broker
from ingest.broker import EmbeddedBroker

pytestmark = pytest.mark.mosquitto


async def test_a_test_reading_reaches_the_broker_marked_as_a_test(tmp_path: Path) -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Queue[MQTTMessage]()
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1

    async with EmbeddedBroker(tmp_path / "mqtt", kind="mosquitto") as broker:
        ear = Client(CallbackAPIVersion.VERSION2, client_id="ear", protocol=MQTTv311)

        def hear(_client: Client, _data: object, message: MQTTMessage) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, message)

        ear.on_message = hear
        ear.connect("127.0.0.1", broker.port)
        ear.subscribe("property/#", qos=1)
        ear.loop_start()
        publishing = asyncio.create_task(selftest.publish(Broker(host="127.0.0.1", port=broker.port), "test", beat))
        try:
            async with asyncio.timeout(selftest.EVERY * 3):
                message = await arrived.get()
        finally:
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing
            ear.disconnect()
            await asyncio.to_thread(ear.loop_stop)
    assert (message.topic, message.qos) == (selftest.TOPIC, 1)
    body = json.loads(message.payload)
    assert body["purpose"] == "test"
    assert body["values"]["selftest"] == body["seq"]
    assert beats >= 1
