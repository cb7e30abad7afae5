"""A control room for tests: the real page on the real router and store, with falls, fires and gas to look at.

Real: the page's server, the alarm router with its timers and outbox, the bridge, the database. The bus is the one in
memory; people's phones and the hotline are the simulated ones, called without a network.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
from psycopg.types.json import Jsonb

from control_room import account, service
from control_room.config import WebConfig
from hub.bus.memory import MemoryBus
from hub.identity import derived
from hub.model import Detection, Point, VideoChunk, utc
from hub.progress import Progress
from hub.settings.city import Building, Camera, City, Community, Device, Grid, Person, Site, Street, Unit
from hub.settings.revision import Revision, Settings
from hub.settings.tuning import Tuning
from hub.store import Store
from hub.topics import DETECTIONS
from hub.video.clip import Clip, remux
from hub.video.session import film as video
from hub.video.source import Source
from simulator.falling import Fall
from simulator.film import Encoding, record
from simulator.scene import Scene
from tests.alarm_stage import Stage, stage
from tests.small_estate import desk

T = TypeVar("T")

PASSWORD: Final = "a password for tests"
LINK_SECRET: Final = b"0123456789abcdef0123456789abcdef"
KINDS: Final = ("smoke", "heat", "gas", "water", "door", "lift", "sos")
_SENSOR_NAMES: Final = {
    "smoke": "烟感",
    "heat": "温感",
    "gas": "燃气探头",
    "water": "水浸",
    "door": "门磁",
    "lift": "电梯",
    "sos": "求助按钮",
}


def city() -> City:
    """云川市 with three sites, two communities, their people, cameras and sensors."""
    unit = {"u1": Unit(id="u1", name="1单元"), "u2": Unit(id="u2", name="2单元")}
    names = {"cuihu": "翠湖苑", "fenghe": "枫禾里", "xingfu": "幸福家园"}
    buildings = {f"b{n}": Building(id=f"b{n}", name=f"{n}号楼", floors=18, units=unit) for n in range(1, 5)}
    sites = {
        id_: Site(
            id=id_,
            name=name,
            buildings=buildings,
            address=f"迎宾街{number}号",
            fire_entrance="东门（4米宽）",
            phone=f"0349-302{number}",
        )
        for number, (id_, name) in enumerate(names.items(), start=1101)
    }
    people = (
        Person(
            id="wang", name="王秀兰", role="grid_worker", grid="g1", phone="138 0349 1101", channels={"wecom": "g1"}
        ),
        Person(id="zhao", name="赵敏", role="grid_worker", grid="g2", phone="139 0349 2202", channels={"wecom": "g2"}),
        Person(id="chen", name="陈桂花", role="community", community="c1", phone="0349-3021", channels={"wecom": "c1"}),
        Person(id="liu", name="刘建军", role="street", street="s1", phone="0349-3022", channels={"wecom": "s1"}),
        Person(id="sun", name="孙志强", role="city", phone="0349-3023", channels={"wecom": "city"}),
    )
    cameras, devices = [], []
    for id_ in sites:
        for building in buildings:
            sees, place = (f"{id_}/{building}",), f"{id_}/{building}"
            name = buildings[building].name
            cameras.append(Camera(id=f"{id_}/cam-{building}", site=id_, place=place, name=f"{name}南立面", sees=sees))
            for kind in KINDS:
                device = Device(
                    id=f"{id_}/{kind}-{building}-12",
                    site=id_,
                    kind=kind,
                    place=f"{id_}/{building}/u1/12",
                    name=f"{name}12层{_SENSOR_NAMES[kind]}",
                )
                devices.append(device)
        cameras.append(
            Camera(
                id=f"{id_}/therm-b3",
                site=id_,
                place=f"{id_}/b2",
                name="3号楼热成像",
                kind="thermal",
                sees=(f"{id_}/b3",),
            )
        )
    return City(
        name="云川市",
        sites=sites,
        streets={"s1": Street(id="s1", name="迎宾街道")},
        communities={"c1": Community(id="c1", name="同心社区", street="s1")},
        grids={
            "g1": Grid(id="g1", community="c1", name="同心第一网格", places=("cuihu",)),
            "g2": Grid(id="g2", community="c1", name="同心第二网格", places=("fenghe", "xingfu")),
        },
        people={person.id: person for person in people},
        devices={device.id: device for device in devices},
        cameras={camera.id: camera for camera in cameras},
    )


class Room:
    """A control room in work. `address` is where its page is."""

    def __init__(self, on: Stage, config: WebConfig, address: str) -> None:
        self.on = on
        self.store: Store = on.store
        self.bus: MemoryBus = on.bus
        self.config = config
        self.address = address

    async def see(self, kind: str, subject: str, place: str, reason: str, **fields: Any) -> Detection:
        """A detector reports an alarm of `kind` now, and everything follows from it."""
        now = fields.pop("at", datetime.now(UTC))
        values: dict[str, Any] = {
            "site": subject.split("/")[0],
            "detector": "test",
            "status": "alarm",
            "condition": f"{kind}:{subject}",
            "level": "fire" if kind == "thermal_fire" else "alarm",
            "start": now,
            "end": now,
            "confidence": 0.93,
            "rule": "limit",
            **fields,
        }
        id_ = derived("det", values["condition"], now, values["status"])
        detection = Detection(id=id_, at=now, kind=kind, subject=subject, place=place, reason=reason, **values)
        await self.bus.publish(DETECTIONS, [detection])
        return detection

    async def fall(self, camera: str, place: str, floor: int) -> Detection:
        """An object falls in view of a camera."""
        now = datetime.now(UTC)
        path = tuple(Point(now.timestamp() - 1 + i / 10, 300.0, 50.0 + 500.0 * (i / 10) ** 2, 20.0) for i in range(11))
        return await self.see(
            "falling_object",
            camera,
            place,
            f"物体从 {floor} 层附近坠落，历时 1.1 秒，加速度与自由落体相符",
            path=path,
            condition=f"falling_object:{camera}:{path[0].t:.3f}",
            numbers={"origin_floor": floor + 0.5, "origin_low": floor + 0.2, "origin_high": floor + 0.8, "speed": 10.4},
        )

    async def incident(self, kind: str, wait: float = 10.0) -> str:
        """The id of the newest incident of a kind, once there is one."""

        async def newest() -> str | None:
            async with self.store.connection() as connection:
                cursor = await connection.execute(
                    "SELECT id FROM incident WHERE kind = %s ORDER BY opened_at DESC LIMIT 1", (kind,)
                )
                row = await cursor.fetchone()
            return str(row[0]) if row is not None else None

        return await until(newest, wait)

    async def reaches(self, incident: str, state: str, wait: float = 10.0) -> None:
        """Wait until an incident is in this state."""

        async def there() -> bool:
            return await self.state(incident) == state

        await until(there, wait)

    async def state(self, incident: str) -> str:
        """An incident's state in the store."""
        async with self.store.connection() as connection:
            cursor = await connection.execute("SELECT state FROM incident WHERE id = %s", (incident,))
            row = await cursor.fetchone()
        assert row is not None
        return str(row[0])

    async def keep(self, incident: str, name: str, data: bytes, media_type: str, **fields: Any) -> str:
        """A piece of evidence of an incident, ready to be looked at."""
        self.config.evidence.mkdir(parents=True, exist_ok=True)
        (self.config.evidence / name).write_bytes(data)
        id_, now = derived("evd", incident, name), datetime.now(UTC)
        row: dict[str, Any] = {
            "id": id_,
            "incident": incident,
            "site": "cuihu",
            "kind": "clip",
            "file": name,
            "media_type": media_type,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "from_at": now - timedelta(seconds=10),
            "to_at": now + timedelta(seconds=5),
            "state": "ready",
            **fields,
        }
        columns, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        async with self.store.transaction() as connection:
            await connection.execute(f"INSERT INTO evidence ({columns}) VALUES ({marks})".encode(), row)
        return id_

    async def hear_from_all(self, silent: tuple[str, ...] = ()) -> None:
        """Every registered device was heard just now, but for these."""
        known = city()
        rows: list[tuple[str, str, str, str]] = [(c.id, c.site, c.kind, c.place) for c in known.cameras.values()]
        rows += [(d.id, d.site, d.kind, d.place) for d in known.devices.values()]
        async with self.store.transaction() as connection:
            for id_, site, kind, place in rows:
                if id_ in silent:
                    continue
                await connection.execute(
                    """
                    INSERT INTO device_seen (device, site, kind, place, last_at, last_arrived)
                    VALUES (%s, %s, %s, %s, now(), now())
                    ON CONFLICT (device) DO UPDATE SET last_at = now(), last_arrived = now()
                    """,
                    (id_, site, kind, place),
                )

    async def progress(self, *roles: str, age: float = 0.0) -> None:
        """These roles got on with their work `age` seconds ago."""
        async with self.store.transaction() as connection:
            for role in roles:
                await connection.execute(
                    """
                    INSERT INTO progress (role, instance, at, detail)
                    VALUES (%s, 'hub', now() - make_interval(secs => %s), %s)
                    ON CONFLICT (role, instance) DO UPDATE SET at = excluded.at
                    """,
                    (role, age, Jsonb({})),
                )


async def until(found: Callable[[], Awaitable[T | None]], wait: float = 10.0) -> T:
    """The first answer that is not empty, asked for again and again for at most `wait` seconds."""
    async with asyncio.timeout(wait):
        while True:
            if answer := await found():
                return answer
            await asyncio.sleep(0.05)


async def admit(store: Store, name: str, role: account.Role) -> None:
    """Make an account with PASSWORD."""
    await account.create(store, name, role, PASSWORD, by="test")


@asynccontextmanager
async def room(store: Store, folder: Path, **config: Any) -> AsyncIterator[Room]:
    """A control room on this (empty) store, its files in `folder`. `config` are WebConfig's fields."""
    values = {"data": folder / "data", "evidence": folder / "evidence", "port": 0, "link_secret": LINK_SECRET, **config}
    web = WebConfig(**values)
    opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with stage(store, desk(city=city())) as on:
        settings = Settings(Revision(1, "test", city(), Tuning({}, city())))
        working = asyncio.create_task(_work(on))
        progress = Progress("web", "test")
        serving = asyncio.create_task(service.run(on.bus, store, settings, web, progress, opened.set_result))
        try:
            serving.add_done_callback(lambda ended: opened.done() or opened.cancel())
            async with asyncio.timeout(30):
                yield_to = await opened
            yield Room(on, web, yield_to)
        finally:
            for task in (serving, working):
                task.cancel()
            await asyncio.gather(serving, working, return_exceptions=True)


async def _work(on: Stage) -> None:
    # The stage's clock follows the one on the wall here, for the page shows the server's time.
    while True:
        on.now = max(on.now, datetime.now(UTC))
        await on.settle()
        await asyncio.sleep(0.02)


def filmed(
    path: Path, camera: str, begin: float, seconds: float = 6.0, codec: Literal["h264", "hevc"] = "h264"
) -> Film:
    """A rendered facade with a fall, as the camera's chunks that begin at `begin` (seconds since 1970), and a clip."""
    scene = Scene(fall=Fall(at=2.0, floor=9), title="CAM 3 S", period=3.0)
    record(scene, path, seconds, Encoding(codec=codec, gop=25))
    with Source(str(path)) as source:
        chunks = list(video(source, camera, camera.split("/")[0], begin))
    return Film(chunks, remux(chunks, utc(begin), utc(begin + seconds)))


class Film(msgspec.Struct, frozen=True):
    """What a camera recorded: its log, and the clip cut from it."""

    chunks: list[VideoChunk]
    clip: Clip
