"""Evidence is a slice of the log: cut at its time, hashed, kept for its incident, shown to the hotline signed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import av
import cv2
import msgspec
import numpy as np
import pytest
from av.video.stream import VideoStream

from alerts.evidence import Cutter
from bridge_12345.outward import Outward, Peer
from hub import evidence_link
from hub.bus.memory import MemoryBus
from hub.model import Detection, Point, ThermalFrame, VideoChunk
from hub.store import Store
from hub.topics import DETECTIONS, THERMAL, VIDEO
from hub.video.session import film
from hub.video.source import Source
from tests.alarm_stage import SECRET, Stage, stage
from tests.small_estate import START, desk, fall, seen

RATE = 10
BOX = ((9.0, 4.0), (14.0, 4.0), (14.0, 9.0), (9.0, 9.0))
SIZE = (320, 240)


def encoded(path: Path, codec: str, seconds: float) -> Path:
    """A film with a key frame each second: a white square that wanders over grey."""
    options = {"x265-params": "log-level=error:keyint=10:bframes=0"} if codec == "libx265" else {"g": "10", "bf": "2"}
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(round(seconds * RATE)):
            picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
            picture[40:80, number % 200 : number % 200 + 40] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


class Log:
    """A bus whose records arrive when their content says."""

    def __init__(self) -> None:
        self.now = START
        self.bus = MemoryBus(now=lambda: self.now)

    async def film(self, path: Path, camera: str, begin: datetime) -> None:
        with Source(str(path)) as source:
            for chunk in film(source, camera, "cuihu", begin.timestamp()):
                await self._put(chunk)

    async def _put(self, chunk: VideoChunk) -> None:
        self.now = chunk.at
        await self.bus.publish(VIDEO, [chunk])

    async def thermal(self, frame: ThermalFrame) -> None:
        self.now = frame.at
        await self.bus.publish(THERMAL, [frame])


def hot(at: datetime, celsius: float) -> ThermalFrame:
    """A small thermal picture of 20 °C with one hot spot."""
    raw = np.full((24, 32), round((20 + 273.15) * 100), "<u2")
    raw[5:8, 10:13] = round((celsius + 273.15) * 100)
    return ThermalFrame(
        camera="cuihu/therm-b3", site="cuihu", at=at, clock="hub", arrived_at=at, width=32, height=24, scale=0.01,
        offset=-273.15, range_low=-20, range_high=650, raw=raw.tobytes(),
    )  # fmt: skip


@pytest.fixture
async def on(store: Store) -> AsyncIterator[Stage]:
    async with stage(store, desk()) as opened:
        yield opened


def cutter(on: Stage, log: Log, folder: Path) -> Cutter:
    return Cutter(log.bus, on.store, desk, folder, clock=on.clock)


def shifted(on: Stage, detection: Detection) -> Detection:
    shift = on.start - START
    path = tuple(msgspec.structs.replace(p, t=p.t + shift.total_seconds()) for p in detection.path)
    instants = {name: getattr(detection, name) + shift for name in ("at", "start", "end")}
    return msgspec.structs.replace(detection, path=path, **instants)


async def rows(on: Stage) -> list[tuple[str, str, str, str, int, str, str, str]]:
    async with on.store.connection() as connection:
        cursor = await connection.execute(
            "SELECT kind, state, file, sha256, bytes, codec, reason, incident FROM evidence ORDER BY kind"
        )
        return list(await cursor.fetchall())


async def cut_all(on: Stage, cut: Cutter) -> None:
    while await cut.round():
        pass
    await on.settle()


async def test_a_fall_has_a_clip_and_its_trajectory(on: Stage, tmp_path: Path) -> None:
    log = Log()
    begin = on.start - timedelta(seconds=15)
    await log.film(encoded(tmp_path / "film.mp4", "libx264", 25), "cuihu/cam-b3", begin)
    cut = cutter(on, log, tmp_path / "evidence")
    await on.publish(DETECTIONS, shifted(on, fall(0)))
    await on.until(6.5)
    assert await cut.round() == 0, "the clip is not over yet"
    await on.until(7.5)
    await cut_all(on, cut)

    (incident,) = await on.incidents()
    clip, picture = await rows(on)
    assert (clip[0], picture[0]) == ("clip", "trajectory")
    for row in (clip, picture):
        data = (tmp_path / "evidence" / row[2]).read_bytes()
        assert (row[1], row[7]) == ("ready", incident.id)
        assert (row[3], row[4]) == (hashlib.sha256(data).hexdigest(), len(data))
    with av.open(str(tmp_path / "evidence" / clip[2])) as container:
        stamps = [frame.time for frame in container.decode(video=0)]
    assert stamps[-1] is not None
    assert stamps[0] is not None
    assert 15.0 <= stamps[-1] - stamps[0] <= 17.5, "from 10 s before the beginning to 5 s after the end"
    drawn = cv2.imread(str(tmp_path / "evidence" / picture[2]))
    assert drawn is not None
    assert drawn.shape == (SIZE[1], SIZE[0], 3)
    vermilion = (drawn[..., 2] > 150) & (drawn[..., 0] < 80)
    assert vermilion[60:230, 96:105].any(), "the way down is drawn where the object fell"
    assert ("hub", "evidence") in await on.timeline(incident.id)
    assert not list((tmp_path / "evidence").rglob("*.part"))


async def test_an_alarm_without_a_camera_has_the_clips_of_those_that_see_its_place(on: Stage, tmp_path: Path) -> None:
    log = Log()
    await log.film(encoded(tmp_path / "f.mp4", "libx265", 25), "cuihu/cam-b3", on.start - timedelta(seconds=15))
    frame = hot(on.start + timedelta(seconds=0.2), 95)
    await log.thermal(frame)
    cut = cutter(on, log, tmp_path / "evidence")
    await on.publish(DETECTIONS, shifted(on, seen("smoke", 0)))
    await on.until(7)
    await cut_all(on, cut)
    found = await rows(on)
    kinds = {row[0]: row for row in found if row[1] == "ready"}
    assert [row[6] for row in found if row[1] == "failed"] == ["no_video: 1 pictures are no film"]
    assert set(kinds) == {"clip", "preview", "thermal"}, "a browser that plays no H.265 has a small H.264 film"
    assert (kinds["clip"][5], kinds["preview"][5]) == ("hevc", "h264")
    picture = cv2.imread(str(tmp_path / "evidence" / kinds["thermal"][2]))
    assert picture is not None
    assert picture.shape[1] >= 640


async def test_a_thermal_fire_has_a_film_of_its_temperatures(on: Stage, tmp_path: Path) -> None:
    log = Log()
    for number in range(-150, 100):
        await log.thermal(hot(on.start + timedelta(seconds=number / 9), 40 + max(0, number) * 3))
    fire = seen("thermal_fire", 0, place="cuihu/b1", path=tuple(Point(0, x, y, 9) for x, y in BOX))
    await on.publish(DETECTIONS, shifted(on, fire))
    await on.until(7)
    await cut_all(on, cutter(on, log, tmp_path / "evidence"))
    (incident,) = await on.incidents()
    film, picture = await rows(on)
    assert [(row[0], row[1], row[5], row[7]) for row in (film, picture)] == [
        ("clip", "ready", "h264", incident.id),
        ("thermal", "ready", "", incident.id),
    ]
    with av.open(str(tmp_path / "evidence" / film[2])) as container:
        frames = [(frame.time or 0.0, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert 14.5 <= frames[-1][0] <= 15.0, "from 10 s before to 5 s after"
    assert 120 <= len(frames) <= 136, "nine a second"
    assert frames[0][1].shape == (480, 640, 3)
    first, last = (
        pixels[5 * 20 + 10 : 8 * 20 - 10, 10 * 20 + 10 : 13 * 20 - 10] for _, pixels in (frames[0], frames[-1])
    )
    assert last.mean() > first.mean() + 60, "what grows hot grows bright, on one scale for the whole film"
    outline = frames[0][1][4 * 20 + 10, 9 * 20 + 10 : 14 * 20]
    assert outline.mean() > 150, "the hot spot is outlined in each picture"


async def test_two_alarms_of_one_incident_have_one_clip_of_a_camera(on: Stage, tmp_path: Path) -> None:
    log = Log()
    await log.film(encoded(tmp_path / "f.mp4", "libx264", 40), "cuihu/cam-b3", on.start - timedelta(seconds=15))
    cut = cutter(on, log, tmp_path / "evidence")
    await on.publish(DETECTIONS, shifted(on, seen("gas", 0)), shifted(on, seen("gas", 0, condition="gas_alarm")))
    await on.until(4)
    await on.publish(DETECTIONS, shifted(on, seen("co", 4)))
    await on.until(20)
    await cut_all(on, cut)
    (incident,) = await on.incidents()
    assert len(incident.alerts) == 3
    async with on.store.connection() as connection:
        cursor = await connection.execute(
            "SELECT from_at, to_at FROM evidence WHERE kind = 'clip' AND state = 'ready' ORDER BY from_at"
        )
        spans = [tuple((at - on.start).total_seconds() for at in row) for row in await cursor.fetchall()]
    first, second = spans
    assert first == pytest.approx((-10, 5), abs=1.1)
    assert second == pytest.approx((5, 9), abs=1.1), "the later alarm's clip goes on where the first one ends"
    (order,) = on.orders
    changed = [update["body"]["changed"] for update in order["updates"]]
    assert changed == [["title"], ["evidence"]], "the hotline hears once that there is something to see"


async def test_the_clip_of_a_fall_waits_for_its_end(on: Stage, tmp_path: Path) -> None:
    log = Log()
    await log.film(encoded(tmp_path / "f.mp4", "libx264", 40), "cuihu/cam-b3", on.start - timedelta(seconds=15))
    cut = cutter(on, log, tmp_path / "evidence")
    whole = shifted(on, fall(0))
    glimpse = msgspec.structs.replace(
        whole, id="det_glimpse", path=whole.path[:4], end=whole.start + timedelta(seconds=0.3)
    )
    await on.publish(DETECTIONS, glimpse)
    await on.publish(DETECTIONS, whole)
    await on.until(6.4)
    assert await cut.round() == 1
    assert await rows(on) == [], "it ends later than its first claim said"
    await on.until(7)
    await cut_all(on, cut)
    clip, trajectory = await rows(on)
    assert (clip[1], trajectory[1]) == ("ready", "ready")
    drawn = cv2.imread(str(tmp_path / "evidence" / trajectory[2]))
    assert drawn is not None
    vermilion = (drawn[..., 2] > 150) & (drawn[..., 0] < 80)
    assert vermilion[180:230, 96:105].any(), "the way down is that of the claim which saw most of it"


async def test_where_the_log_holds_nothing_the_row_says_so(on: Stage, tmp_path: Path) -> None:
    cut = cutter(on, Log(), tmp_path)
    await on.publish(DETECTIONS, shifted(on, fall(0)))
    await on.until(8)
    await cut_all(on, cut)
    assert [(row[0], row[1]) for row in await rows(on)] == [("clip", "failed"), ("trajectory", "failed")]
    assert all("no_video" in row[6] for row in await rows(on))


async def test_work_that_was_begun_by_a_process_that_died_is_done_by_another(on: Stage, tmp_path: Path) -> None:
    log = Log()
    await log.film(encoded(tmp_path / "f.mp4", "libx264", 25), "cuihu/cam-b3", on.start - timedelta(seconds=15))
    await on.publish(DETECTIONS, shifted(on, fall(0)))
    await on.until(8)
    dead = cutter(on, log, tmp_path / "evidence")
    assert await dead._take() is not None  # it dies with the work in its hands
    second = cutter(on, log, tmp_path / "evidence")
    assert await second.round() == 0
    await on.until(100)
    await cut_all(on, second)
    assert [(row[0], row[1]) for row in await rows(on)] == [("clip", "ready"), ("trajectory", "ready")]


async def test_the_hotline_gets_signed_addresses_of_its_incident_alone(on: Stage, tmp_path: Path) -> None:
    log = Log()
    await log.film(encoded(tmp_path / "f.mp4", "libx264", 25), "cuihu/cam-b3", on.start - timedelta(seconds=15))
    peer = Peer(
        url="http://hotline.test/orders", secret=SECRET, evidence_base="https://hub.test", evidence_secret=b"k" * 32
    )
    on.outward = Outward(on.store, on.client, peer, "bridge-test", clock=on.clock)
    await on.publish(DETECTIONS, shifted(on, fall(0)))
    await on.until(8)
    await cut_all(on, cutter(on, log, tmp_path / "evidence"))
    (incident,) = await on.incidents()
    (order,) = on.orders
    files = order["updates"][-1]["body"]["attachments"]
    assert [file["name"] for file in files] == ["clip", "trajectory"]
    address = urlsplit(files[0]["url"])
    asked = {name: value for name, (value,) in parse_qs(address.query).items()}
    id_ = address.path.removeprefix("/evidence/")

    def refusal(**other: str) -> str | None:
        words = {**asked, **other}
        now = on.now + timedelta(seconds=float(words.pop("after", "0")))
        return evidence_link.refusal(
            b"k" * 32, words.get("id", id_), words["incident"], words["expires"], words["signature"], now
        )

    assert asked["incident"] == incident.id
    assert refusal() is None
    assert refusal(incident="incident_other") is not None
    assert refusal(id="evidence_other") is not None
    assert refusal(expires=str(int(asked["expires"]) + 1)) is not None
    assert refusal(expires="soon") is not None
    assert refusal(after=str(8 * 86400)) == "the address has expired"
