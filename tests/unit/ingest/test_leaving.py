"""How things leave the doors for the log while the log is away, full, or will not have them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from structlog.testing import capture_logs

from hub.bus import MAX_PAYLOAD
from hub.errors import MessageError
from hub.model import DeadLetter, Packet, Reading, ThermalFrame, VideoChunk, utc
from hub.topics import DEAD_LETTERS, READINGS, THERMAL, VIDEO, Topic
from ingest.hopper import WAITING_BYTES, Hopper
from ingest.outlet import Outlet, letter
from tests.faltering import Faltering

T = TypeVar("T", bound=msgspec.Struct)
NOW = 1_800_000_000.0


def reading(i: int) -> Reading:
    return Reading(
        id=f"r{i}", site="cuihu", device="cuihu/a", kind="smoke", metric="temperature", value=float(i), at=utc(NOW),
        clock="hub", arrived_at=utc(NOW),
    )  # fmt: skip


def chunk(i: int, camera: str = "cuihu/cam", size: int = 1000, key: bool | None = None) -> VideoChunk:
    return VideoChunk(
        camera=camera, site="cuihu", at=utc(NOW + i), session="s", sequence=i, codec="h264", num=1, den=10,
        epoch=NOW, gop_at=utc(NOW), packets=(Packet(bytes(size), i, i, (i % 5 == 0) if key is None else key),),
    )  # fmt: skip


async def on(bus: Faltering, topic: Topic[T], key: str) -> list[T]:
    now = datetime.now(UTC)
    read = bus.read(topic, key, now - timedelta(minutes=1), now + timedelta(minutes=1))
    return [delivery.decode() async for delivery in read]


async def test_what_the_bus_does_not_take_is_tried_again_in_order() -> None:
    bus = Faltering()
    bus.failures = 2
    outlet = Outlet(bus)
    with capture_logs() as logs:
        await outlet.keep(READINGS, [reading(i) for i in range(5)])
    assert [r.id for r in await on(bus, READINGS, "cuihu")] == [f"r{i}" for i in range(5)]
    assert [line["event"] for line in logs] == ["bus_away", "bus_away"]
    assert "secret" not in repr(logs)
    assert not outlet.waiting


async def test_nothing_is_said_to_be_kept_while_the_bus_is_away() -> None:
    bus = Faltering()
    bus.away = True
    outlet = Outlet(bus)
    keeping = asyncio.create_task(outlet.keep(READINGS, [reading(1)]))
    await asyncio.wait([keeping], timeout=0.05)
    assert not keeping.done()
    assert outlet.waiting
    bus.away = False
    await keeping
    assert len(await on(bus, READINGS, "cuihu")) == 1


async def test_a_record_too_large_is_dead_lettered_and_its_neighbours_are_kept() -> None:
    bus = Faltering()

    def frame(side: int) -> ThermalFrame:
        return ThermalFrame(
            camera="cuihu/th", site="cuihu", at=utc(NOW), clock="hub", arrived_at=utc(NOW), width=side, height=side,
            scale=1.0, offset=0.0, range_low=0.0, range_high=1.0, raw=bytes(side * side * 2),
        )  # fmt: skip

    assert MAX_PAYLOAD < 2 * 2100 * 2100
    await Outlet(bus).keep(THERMAL, [frame(2), frame(2100), frame(3)])
    assert [f.width for f in await on(bus, THERMAL, "cuihu/th")] == [2, 3]
    dead = await on(bus, DEAD_LETTERS, "ingest:thermal")
    assert [(d.reason, d.key, len(d.payload)) for d in dead] == [("too_large", "cuihu/th", 64 * 1024)]


def test_a_dead_letter_of_the_same_payload_is_the_same_and_keeps_no_password() -> None:
    error = MessageError("invalid", "from rtsp://admin:geheim@cam")
    one, two = (letter("ingest:mqtt", b"x" * 100_000, error, "topic") for _ in range(2))
    assert isinstance(one, DeadLetter)
    assert one.id == two.id
    assert one.id != letter("ingest:mqtt", b"y", error, "topic").id
    assert "geheim" not in one.detail


async def drained(hopper: Hopper, bus: Faltering, camera: str, count: int) -> list[VideoChunk]:
    running = asyncio.create_task(hopper.run(lambda: None))
    out: list[VideoChunk] = []
    for _ in range(10_000):
        out = await on(bus, VIDEO, camera)
        if len(out) >= count:
            break
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    return out


def offer_all(hopper: Hopper, chunks: list[VideoChunk]) -> None:
    for one in chunks:
        hopper.offer(one)


async def test_chunks_from_other_threads_reach_the_log_in_order() -> None:
    bus = Faltering()
    heard: list[VideoChunk] = []
    hopper = Hopper(Outlet(bus), heard.append, gather=0.0)
    for camera in ("cuihu/a", "cuihu/b"):
        await asyncio.to_thread(offer_all, hopper, [chunk(i, camera) for i in range(100)])
    for camera in ("cuihu/a", "cuihu/b"):
        assert [c.sequence for c in await drained(hopper, bus, camera, 100)] == list(range(100))
    assert len(heard) == 200


async def test_while_the_bus_is_away_each_camera_has_its_own_limit_and_goes_on_at_a_key_frame() -> None:
    bus = Faltering()
    hopper = Hopper(Outlet(bus), lambda _: None, gather=0.0)
    size = WAITING_BYTES // 8
    for i in range(20):
        hopper.offer(chunk(i, "cuihu/large", size))
    hopper.offer(chunk(0, "cuihu/small"))
    assert [c.sequence for c in await drained(hopper, bus, "cuihu/large", 8)] == list(range(8))
    assert len(await drained(hopper, bus, "cuihu/small", 1)) == 1
    for i in range(21, 30):
        hopper.offer(chunk(i, "cuihu/large", 1000))
    out = await drained(hopper, bus, "cuihu/large", 13)
    assert [c.sequence for c in out][8:] == list(range(25, 30)), "what is between the gap and a key frame is no use"
