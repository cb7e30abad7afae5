"""The whole ingest role: a camera and a sensor in, the log and the store written, everything gone at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.bus.memory import MemoryBus
from hub.progress import Progress
from hub.settings.city import Camera, City, Device, Site
from hub.settings.revision import Revision, Settings
from hub.settings.tuning import Tuning
from hub.store import Store
from hub.topics import VIDEO
from ingest.broker import EmbeddedBroker
from ingest.decoders import decoder
from ingest.mqtt import Subscribed
from ingest.mqtt_link import Broker
from ingest.service import Doors, run
from simulator.broker import Link
from simulator.film import Reel
from simulator.rtsp import RtspServer, Served
from tests.films import Recipe, film

CITY = City(
    sites={"cuihu": Site(id="cuihu", name="翠湖苑")},
    devices={
        "cuihu/smoke-1": Device(id="cuihu/smoke-1", site="cuihu", kind="smoke", place="cuihu/b3/u1/12", name="烟感")
    },
    cameras={
        "cuihu/cam-1": Camera(id="cuihu/cam-1", site="cuihu", place="cuihu/b3", name="南", address="rtsp://cam/1"),
        "cuihu/th-1": Camera(id="cuihu/th-1", site="cuihu", place="cuihu/b3", name="热像", kind="thermal"),
    },
)


async def test_it_takes_in_what_comes_and_leaves_nothing_running(
    store: Store, mosquitto: EmbeddedBroker, tmp_path: Path
) -> None:
    path = await asyncio.to_thread(film, Recipe(), tmp_path / "film.mp4")
    bus = MemoryBus()
    settings = Settings(Revision(1, "digest", CITY, Tuning({}, CITY)))
    async with RtspServer({"cam": Served(reel=Reel(loop=(path,)))}) as server:
        doors = Doors(
            broker=Broker(host=mosquitto.host, port=mosquitto.port),
            subscribed=(Subscribed("property/#", decoder("hub-json")),),
            address=lambda camera: server.url("cam"),
        )
        progress = Progress("ingest", "test")
        role = asyncio.create_task(run(bus, store, settings, progress, doors))
        async with Link(mosquitto.host, mosquitto.port, "devices") as link:
            await link.connected(20)
            now = datetime.now(UTC)
            deadline = asyncio.get_running_loop().time() + 40
            sequence = 0
            while True:
                sequence += 1
                body = {"t": datetime.now(UTC).timestamp(), "seq": sequence, "values": {"smoke_alarm": 0}}
                link.publish("property/cuihu/smoke/smoke-1", json.dumps(body).encode())
                seen, stored = await _store(store)
                if stored > 3 and {"cuihu/smoke-1", "cuihu/cam-1"} <= set(seen):
                    break
                assert not role.done()
                assert asyncio.get_running_loop().time() < deadline, (seen, stored)
                await asyncio.sleep(0.2)
        assert seen["cuihu/smoke-1"] == ("smoke", "cuihu/b3/u1/12", True)
        assert seen["cuihu/cam-1"] == ("camera", "cuihu/b3", True)
        assert "cuihu/th-1" not in seen, "what was never heard has no last time"
        read = bus.read(VIDEO, "cuihu/cam-1", now - timedelta(minutes=1), now + timedelta(minutes=1))
        assert len([delivery async for delivery in read]) > 3
        assert max(progress.ages().values()) < 3, "every loop gets round"
        began = asyncio.get_running_loop().time()
        role.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await role
        assert asyncio.get_running_loop().time() - began < 4
    assert not [thread.name for thread in threading.enumerate() if thread.name == "mqtt"]


async def _store(store: Store) -> tuple[dict[str, tuple[str, str, bool]], int]:
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT device, kind, place, registered FROM device_seen")
        seen = {row[0]: (row[1], row[2], row[3]) for row in await cursor.fetchall()}
        cursor = await connection.execute("SELECT count(*) FROM reading")
        row = await cursor.fetchone()
    assert row is not None
    return seen, int(row[0])
