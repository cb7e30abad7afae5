"""How fast sensors' messages get from the broker to the log, beside a bare paho subscriber with manual acknowledgement.

    python -m benchmarks.mqtt_ingest [--messages 20000] [--json]

Both fetch the same messages (QoS 1, the hub's JSON, some 100 bytes) from the same mosquitto, where they were waiting
for a persistent session, each in a process of its own, in turn, best of three. The bare subscriber acknowledges each
message as it comes. Ours acknowledges it when the embedded bus has it on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker import EmbeddedBroker

DEVICES = 200


def _client(name: str, clean: bool = False) -> Client:
    return Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, manual_ack=True)


def book(port: int, name: str) -> None:
    """Make the session, so that the broker keeps messages for it."""
    client, done = _client(name), threading.Event()
    client.on_subscribe = lambda *_: done.set()
    client.connect("127.0.0.1", port)
    client.subscribe("property/#", qos=1)
    client.loop_start()
    done.wait(10)
    client.disconnect()
    client.loop_stop()


def publish(port: int, messages: int) -> None:
    """Leave the messages at the broker."""
    client, done = _client("devices"), threading.Event()
    taken = 0

    def on_publish(*_: Any) -> None:
        nonlocal taken
        taken += 1
        if taken == messages:
            done.set()

    client.on_publish = on_publish
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for i in range(messages):
        body = {"t": round(time.time(), 3), "seq": i // DEVICES, "values": {"temperature": 20 + i % 50 / 10}}
        client.publish(f"property/site-{i % 10}/heat/h-{i % DEVICES}", json.dumps(body).encode(), qos=1)
    if not done.wait(120):
        raise TimeoutError(f"the broker took {taken} of {messages}")
    client.disconnect()
    client.loop_stop()


def bare(port: int, messages: int) -> dict[str, float]:
    """Fetch and acknowledge each at once."""
    client, done = _client("bare"), threading.Event()
    times: list[float] = []

    def on_message(fetching: Client, _data: Any, message: MQTTMessage) -> None:
        fetching.ack(message.mid, message.qos)
        times.append(time.perf_counter())
        if len(times) == messages:
            done.set()

    client.on_message = on_message
    cpu = time.process_time()
    client.connect("127.0.0.1", port)
    client.loop_start()
    done.wait(120)
    cpu = time.process_time() - cpu
    client.disconnect()
    client.loop_stop()
    return {"per_second": len(times) / (times[-1] - times[0]), "cpu_us_each": cpu / len(times) * 1e6}


async def ours(port: int, messages: int, folder: Path) -> dict[str, float]:
    """The ingest role's door onto the embedded bus."""
    from hub.bus.embedded import EmbeddedBus
    from hub.settings.city import City, Site
    from ingest.decoders import decoder
    from ingest.mqtt import MqttDoor, Subscribed
    from ingest.mqtt_link import Broker
    from ingest.outlet import Outlet
    from ingest.register import Register
    from ingest.seen import Seen

    city = City(sites={f"site-{i}": Site(id=f"site-{i}", name=f"site {i}") for i in range(10)})
    broker = Broker(host="127.0.0.1", port=port, client_id="ours")
    async with EmbeddedBus(folder) as bus:
        subscribed = (Subscribed("property/#", decoder("hub-json")),)
        door = MqttDoor(broker, subscribed, Register(lambda: city), Outlet(bus), Seen())
        cpu = time.process_time()
        running = asyncio.create_task(door.run(lambda: None))
        begun = 0.0
        while door.kept < messages:  # counting, and no event in the way of what is measured
            if not begun and (door.kept or door.waiting):
                begun = time.perf_counter()
            await asyncio.sleep(0.005)
        passed, cpu = time.perf_counter() - begun, time.process_time() - cpu
        running.cancel()
        await asyncio.wait([running])
    return {"per_second": messages / passed, "cpu_us_each": cpu / messages * 1e6}


async def measure(messages: int, rounds: int = 3) -> dict[str, Any]:
    """Both in turn; the fastest round of each."""
    rows: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedBroker(Path(folder) / "broker", kind="mosquitto") as broker:
            for turn in range(rounds):
                for name, row in rows.items():
                    await asyncio.to_thread(book, broker.port, name)
                    await asyncio.to_thread(publish, broker.port, messages)
                    row.append(await asyncio.to_thread(_run, name, broker.port, messages, f"{folder}/bus-{turn}"))
                    # The other's session holds the same messages: it is fetched empty before its own turn.
                    other = next(one for one in rows if one != name)
                    await asyncio.to_thread(_forget, broker.port, other)
    best = {name: max(row, key=lambda one: one["per_second"]) for name, row in rows.items()}
    return {"messages": messages, **best, "share_of_bare": best["ours"]["per_second"] / best["bare"]["per_second"]}


def _forget(port: int, name: str) -> None:
    client = _client(name, clean=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    time.sleep(0.3)
    client.disconnect()
    client.loop_stop()


def _run(*words: object) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.mqtt_ingest", "--part", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=180)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, port, messages, folder = arguments.part
        if name == "bare":
            print(json.dumps(bare(int(port), int(messages))))
        else:
            print(json.dumps(asyncio.run(ours(int(port), int(messages), Path(folder)))))
        return
    out = asyncio.run(measure(arguments.messages))
    if arguments.json:
        print(json.dumps(out))
        return
    for name in ("bare", "ours"):
        print(f"{name:5} {out[name]['per_second']:7.0f} messages/s  {out[name]['cpu_us_each']:.0f} us CPU each")
    print(f"share of the bare subscriber: {out['share_of_bare']:.2f} (at least 0.6 is promised)")


if __name__ == "__main__":
    main()
