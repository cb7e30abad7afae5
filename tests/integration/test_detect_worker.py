"""The detect role on a bus: what is published in, what comes out, and what a restart leaves of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog

from detectors.work.memory import Memory
from detectors.worker import run
from hub.bus import Delivery
from hub.bus.memory import MemoryBus
from hub.model import TEST, Alert, Candidate, DeadLetter, Detection, Reading, ThermalFrame, VideoChunk, utc
from hub.progress import Progress
from hub.settings.city import Building, Camera, City, Device, Site
from hub.settings.city import Calibration as CityCalibration
from hub.settings.city import FloorLine as CityLine
from hub.settings.revision import Revision, Settings
from hub.settings.tuning import Tuning
from hub.store import Store
from hub.topics import ALERTS, CANDIDATES, DEAD_LETTERS, DETECTIONS, READINGS, THERMAL, VIDEO, partition_of
from hub.video.session import film
from hub.video.source import Source
from simulator.falling import Fall
from simulator.film import record
from simulator.scene import Scene, calibration


@pytest.fixture(autouse=True)
def quiet() -> Any:
    structlog.configure(processors=[_dropped])
    yield
    structlog.reset_defaults()


def _dropped(_logger: Any, _method: str, _words: Any) -> Any:
    raise structlog.DropEvent


SCENE = Scene(fall=Fall(at=3.2, floor=9, s=3.0))


@pytest.fixture(scope="module")
def fall_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "fall.mp4"
    record(SCENE, path, 7.0)
    return path


def city() -> City:
    told = calibration(SCENE.view)
    lines = tuple(
        CityLine(floor=line.floor, points=tuple((p.x, p.y) for p in line.points)) for line in told.floor_lines
    )
    calibrated = CityCalibration(
        vanishing_row=told.vanishing_row,
        floor_lines=lines,
        facade=tuple((p.x, p.y) for p in told.facade),
        floor_height=told.floor_height,
    )
    camera = Camera(id="cuihu/cam", site="cuihu", place="cuihu/b3", name="cam", calibration=calibrated)
    thermal = Camera(id="cuihu/thermal", site="cuihu", place="cuihu/b3", name="thermal", kind="thermal")
    smoke = Device(id="cuihu/smoke-1", site="cuihu", kind="smoke", place="cuihu/b3/u1/9", name="smoke")
    return City(
        sites={"cuihu": Site(id="cuihu", name="cuihu", buildings={"b3": Building(id="b3", name="3", floors=11)})},
        cameras={camera.id: camera, thermal.id: thermal},
        devices={smoke.id: smoke},
    )


def settings() -> Settings:
    known = city()
    return Settings(Revision(7, "digest", known, Tuning({}, known)))


def chunks(path: Path, begin: float, purpose: str = "live") -> list[VideoChunk]:
    with Source(str(path)) as source:
        return list(film(source, "cuihu/cam", "cuihu", begin, purpose))


def reading(value: float, at: float, **other: Any) -> Reading:
    values: dict[str, Any] = {
        "id": f"r-{at}",
        "site": "cuihu",
        "device": "cuihu/smoke-1",
        "kind": "smoke",
        "metric": "smoke_alarm",
        "value": value,
        "at": utc(at),
        "clock": "device",
        "arrived_at": utc(at),
        "place": "cuihu/b3/u1/9",
    }
    return Reading(**(values | other))


def frame(at: float, hot: float = 20.0) -> ThermalFrame:
    celsius = np.full((60, 80), 18.0)
    celsius[30:35, 40:45] = hot
    return ThermalFrame(
        camera="cuihu/thermal",
        site="cuihu",
        at=utc(at),
        clock="device",
        arrived_at=utc(at),
        width=80,
        height=60,
        scale=0.04,
        offset=-273.15,
        range_low=-20.0,
        range_high=550.0,
        raw=np.round((celsius + 273.15) / 0.04).astype("<u2").tobytes(),
    )


class Room:
    """A bus with the role at work on it, and everything that it published so far."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.detections: list[Detection] = []

    async def until(self, enough: Callable[[list[Detection]], bool], seconds: float = 60.0) -> list[Detection]:
        async with asyncio.timeout(seconds):
            async with self.bus.subscribe([DETECTIONS], f"test-{time.monotonic()}") as subscription:
                self.detections = []
                while not enough(self.detections):
                    taken = await subscription.take(100, 0.2)
                    self.detections += [one.decode() for one in taken]
        return self.detections


@asynccontextmanager
async def role(
    bus: MemoryBus, store: Store | None = None, clock: Callable[[], float] = time.time
) -> AsyncIterator[Room]:
    task = asyncio.create_task(run(bus, store, settings(), Progress("detect", "one"), None, clock))
    try:
        yield Room(bus)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_fall_on_the_log_becomes_a_detection_with_its_floor(fall_film: Path) -> None:
    async with MemoryBus() as bus, role(bus) as room:
        begin = time.time()
        await bus.publish(VIDEO, chunks(fall_film, begin))
        found = await room.until(lambda said: any(d.status == "alarm" for d in said))
        fall = next(d for d in found if d.status == "alarm")
        assert (fall.kind, fall.subject, fall.place, fall.revision) == ("falling_object", "cuihu/cam", "cuihu/b3", 7)
        assert fall.numbers["origin_floor"] == pytest.approx(9.45, abs=0.8)
        assert fall.start.timestamp() - begin == pytest.approx(3.2, abs=0.4)
        async with bus.subscribe([CANDIDATES], "test") as subscription:
            stored: list[Candidate] = [one.decode() for one in await subscription.take(100, 2.0)]
        assert any(candidate.detector == "falling_object" for candidate in stored)


async def test_what_is_acknowledged_leaves_a_restart_its_key_frames(fall_film: Path) -> None:
    """A second worker finds the fall that the first one died in."""
    async with MemoryBus() as bus:
        begin = time.time()
        film_chunks = chunks(fall_film, begin)
        middle = next(i for i, chunk in enumerate(film_chunks) if chunk.at.timestamp() - begin > 4.25)
        await bus.publish(VIDEO, film_chunks[:middle])
        async with role(bus):
            await eventually(lambda: committed(bus), lambda count: count >= 5)
        assert (await committed(bus)) < middle - 10
        async with role(bus) as room:
            await bus.publish(VIDEO, film_chunks[middle:])
            found = await room.until(lambda said: any(d.status == "alarm" for d in said))
        assert {d.kind for d in found if d.status == "alarm"} == {"falling_object"}


async def eventually(look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], seconds: float = 30.0) -> Any:
    """What `look` sees once it is good."""
    for _ in range(round(seconds / 0.1)):
        if good(seen := await look()):
            return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"never good: {seen}")


async def committed(bus: MemoryBus) -> int:
    spans = await bus.spans(VIDEO, "detect-falling")
    return max(span.committed for span in spans)


async def test_a_worker_far_behind_goes_on_at_a_new_key_frame_and_says_so(fall_film: Path) -> None:
    async with MemoryBus() as bus, role(bus) as room:
        old = chunks(fall_film, time.time() - 60)
        fresh = [
            msgspec.structs.replace(c, session="two", sequence=c.sequence + 1000)
            for c in chunks(fall_film, time.time())
        ]
        await bus.publish(VIDEO, old)
        await bus.publish(VIDEO, fresh)
        found = await room.until(lambda said: any(d.status == "alarm" for d in said))
    gaps = [d for d in found if d.rule == "uncovered"]
    assert [d.status for d in gaps] == ["suspected", "clear"]
    assert len([d for d in found if d.status == "alarm"]) >= 1
    assert all(d.start.timestamp() > time.time() - 40 for d in found if d.status == "alarm")


async def test_a_successor_still_sees_the_fall_that_its_predecessor_died_in(fall_film: Path) -> None:
    """Finding out about a death and starting again takes a while: the chunks to begin with are old by then."""
    async with MemoryBus() as bus:
        begin = time.time() - 20
        await bus.publish(VIDEO, chunks(fall_film, begin))
        async with role(bus) as room:
            found = await room.until(lambda said: any(d.status == "alarm" for d in said))
        assert not [d for d in found if d.rule == "uncovered"]


async def test_smoke_makes_the_thermal_camera_quicker_and_both_are_told() -> None:
    async with MemoryBus() as bus, role(bus) as room:
        now = time.time()
        await bus.publish(THERMAL, [frame(now)])
        await bus.publish(READINGS, [reading(1, now)])
        await room.until(lambda said: any(d.kind == "smoke" for d in said))
        alert = Alert(
            id="a",
            site="cuihu",
            at=utc(now),
            kind="smoke",
            level="alarm",
            condition="c",
            subject="cuihu/smoke-1",
            place="cuihu/b3/u1/9",
            began_at=utc(now),
        )
        for number in range(400):
            # The alert is heard by whoever subscribed in time; until it is, the fixed rule waits its twenty seconds.
            await bus.publish(ALERTS, [msgspec.structs.replace(alert, id=f"a{number}")])
            await bus.publish(THERMAL, [frame(now + 1 + number / 4 + i / 100, 88.0) for i in range(1)])
            if number >= 40:
                break
        found = await room.until(lambda said: any(d.kind == "thermal_fire" for d in said))
    early = next(d for d in found if d.kind == "thermal_fire")
    assert (early.level, early.rule) == ("pre_alarm", "fixed")
    assert (early.at - early.start).total_seconds() < 9


async def test_the_self_test_and_a_bad_record_pass_through() -> None:
    async with MemoryBus() as bus, role(bus) as room:
        now = time.time()
        test = reading(5, now, device="hub/selftest", site="hub", kind="selftest", metric="selftest", purpose=TEST)
        await bus.publish(THERMAL, [msgspec.structs.replace(frame(now), raw=b"1234")])
        await bus.publish(READINGS, [test, reading(1, now + 1)])
        found = await room.until(lambda said: len(said) >= 2)
        assert {(d.rule, d.purpose) for d in found} == {("selftest", TEST), ("smoke", "live")}
        async with bus.subscribe([DEAD_LETTERS], "test") as subscription, asyncio.timeout(20):
            letters: list[Delivery[DeadLetter]] = []
            while not letters:
                letters = await subscription.take(10, 0.2)
        assert letters[0].decode().source == "detect-thermal:thermal"


async def test_silence_is_noticed_and_ends() -> None:
    offset = 0.0

    def clock() -> float:
        return time.time() + offset

    async with MemoryBus() as bus, role(bus, clock=clock) as room:
        now = time.time()
        await bus.publish(THERMAL, [frame(now + i) for i in range(5)])
        await asyncio.sleep(1.5)
        offset = 200.0
        found = await room.until(lambda said: sum(d.rule == "silent" for d in said) >= 3)
        silent = {d.subject for d in found if d.rule == "silent"}
        assert silent == {"cuihu/thermal", "cuihu/cam", "cuihu/smoke-1"}
        await bus.publish(THERMAL, [frame(clock())])
        found = await room.until(lambda said: any(d.status == "clear" for d in said))
        assert next(d for d in found if d.status == "clear").subject == "cuihu/thermal"


async def test_a_batch_that_could_not_be_published_is_published_later(fall_film: Path) -> None:
    """A detector does not say again what it has said: the outlet keeps it while the bus is away."""
    from hub.errors import TransientError

    class Faltering(MemoryBus):
        failures = 2

        async def publish(self, topic: Any, nouns: Any) -> Any:
            if topic is DETECTIONS and self.failures:
                self.failures -= 1
                raise TransientError("away")
            return await super().publish(topic, nouns)

    async with Faltering() as bus, role(bus) as room:
        await bus.publish(READINGS, [reading(1, time.time())])
        found = await room.until(lambda said: len(said) >= 1)
        assert found[0].kind == "smoke"


@pytest.mark.postgres
async def test_what_was_learned_is_kept_in_the_store(database: str, fall_film: Path) -> None:
    async with Store.open(database) as store, MemoryBus() as bus:
        memory = Memory(store)
        now = datetime.now(UTC).timestamp()
        async with role(bus, store) as room:
            await bus.publish(READINGS, [reading(1, now)])
            await room.until(lambda said: len(said) >= 1)
            where = f"{partition_of(b'cuihu')}"
            await eventually(lambda: memory.load("sensor_limit", where), bool)
        async with role(bus, store) as room:
            await bus.publish(READINGS, [reading(0, now + 5)])
            found = await room.until(lambda said: any(d.status == "clear" for d in said))
        assert next(d for d in found if d.status == "clear").condition == "cuihu/smoke-1:smoke"
