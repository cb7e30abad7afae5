"""Cameras over real RTSP into the log: whatever they do wrong, nothing decodable is lost and no neighbour suffers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from structlog.testing import capture_logs

from hub.bus.memory import MemoryBus
from hub.model import VideoChunk
from hub.picture import Picture
from hub.settings.city import Camera, City
from hub.topics import VIDEO
from hub.video.clip import remux
from hub.video.decode import Decoder
from ingest.cameras import Cameras
from ingest.hopper import Hopper
from ingest.outlet import Outlet
from simulator.film import Reel
from simulator.rtsp import RtspServer, Served
from simulator.rtsp_account import Account
from tests.films import Recipe, film, pictures

SECONDS = 25.0


class Watched:
    """Cameras on a bus of their own, and what has come of them."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.addresses: dict[str, str | None] = {}
        self.registered: dict[str, Camera] = {}
        self.asked: list[str] = []

    def add(self, name: str, address: str) -> None:
        self.addresses[f"cuihu/{name}"] = address
        self.registered[f"cuihu/{name}"] = Camera(
            id=f"cuihu/{name}", site="cuihu", place="cuihu/b3", name=name, address="rtsp://without/credentials"
        )

    def address(self, camera: Camera) -> str | None:
        self.asked.append(camera.id)
        return self.addresses[camera.id]

    async def chunks(self, name: str) -> list[VideoChunk]:
        now = datetime.now(UTC)
        read = self.bus.read(VIDEO, f"cuihu/{name}", now - timedelta(hours=1), now + timedelta(hours=1))
        return [delivery.decode() async for delivery in read]

    async def until(self, name: str, enough: Callable[[list[VideoChunk]], bool]) -> list[VideoChunk]:
        """The camera's chunks as soon as they are enough."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        chunks = await self.chunks(name)
        while not enough(chunks):
            assert asyncio.get_running_loop().time() < deadline, f"{name}: {len(chunks)} chunks are all there are"
            await asyncio.sleep(0.1)
            chunks = await self.chunks(name)
        return chunks

    async def pictures(self, name: str, count: int) -> list[Picture]:
        """The camera's pictures as soon as there are so many."""
        return decoded(await self.until(name, lambda chunks: sum(len(c.packets) for c in chunks) >= count + 5))


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    out = Watched()
    hopper = Hopper(Outlet(out.bus), lambda _: None)
    cameras = Cameras(lambda: City(cameras=out.registered), out.address, hopper)
    tasks = [asyncio.create_task(hopper.run(lambda: None)), asyncio.create_task(cameras.run(lambda: None))]
    yield out
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not true():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


def decoded(chunks: list[VideoChunk]) -> list[Picture]:
    decoder = Decoder()
    out = [
        msgspec.structs.replace(picture, luma=picture.luma[:1, :1])
        for shown in ([*decoder.push(chunk)] for chunk in chunks)
        for picture in shown
    ]
    assert decoder.corrupt == 0
    return out + list(decoder.flush())


def sessions(chunks: list[VideoChunk]) -> list[str]:
    return list(dict.fromkeys(chunk.session for chunk in chunks))


def reel(folder: Path, recipe: Recipe) -> Reel:
    name = f"{recipe.codec}-{recipe.width}-{recipe.b_frames}-{recipe.gop}.mp4"
    path = folder / name
    return Reel(loop=(path if path.exists() else film(recipe, path),))


def served(folder: Path, recipe: Recipe, sets: Literal["sdp", "in_band", "both"] = "sdp") -> Served:
    return Served(reel=reel(folder, recipe), parameter_sets=sets)


@pytest.mark.parametrize(
    ("recipe", "sets"),
    [
        (Recipe(), "sdp"),
        (Recipe(), "in_band"),
        (Recipe(b_frames=2), "sdp"),
        (Recipe(codec="hevc"), "sdp"),
        (Recipe(codec="hevc", b_frames=2), "in_band"),
    ],
    ids=["sets told only in the SDP", "sets in band", "B-frames", "hevc", "hevc with B-frames"],
)
async def test_every_picture_from_the_first_key_frame_on(
    recipe: Recipe, sets: Literal["sdp", "in_band", "both"], watched: Watched, tmp_path: Path
) -> None:
    async with RtspServer({"gate": served(tmp_path, recipe, sets)}) as server:
        watched.add("gate", server.url("gate"))
        shown = await watched.pictures("gate", 100)
        chunks = await watched.chunks("gate")
    assert chunks[0].key, "the first key frame, which comes without times, is not thrown away"
    assert len(sessions(chunks)) == 1
    assert len(shown) >= 100, "none is missing"
    # The log ends anywhere: the last pictures may lean on what is still to come.
    gaps = [b.at - a.at for a, b in itertools.pairwise(shown[:-4])]
    assert max(gaps) < 0.046
    assert min(gaps) > 0.034
    assert all(chunk.at <= datetime.now(UTC) for chunk in chunks)
    middle = decoded([chunk for chunk in chunks if chunk.at >= chunks[-1].gop_at])
    assert middle, "each key frame can be started from"


async def test_a_clip_of_the_log_plays_whole(watched: Watched, tmp_path: Path) -> None:
    async with RtspServer({"gate": served(tmp_path, Recipe(b_frames=2))}) as server:
        watched.add("gate", server.url("gate"))
        shown = await watched.pictures("gate", 100)
        chunks = await watched.chunks("gate")
    begin, end = datetime.fromtimestamp(shown[30].at, UTC), datetime.fromtimestamp(shown[70].at, UTC)
    clip = remux(chunks, begin, end)
    assert clip.whole
    assert clip.begin <= begin
    assert abs((clip.end - end).total_seconds()) < 0.15
    assert len(pictures(clip.data)) == clip.pictures


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(codec="hevc")], ids=["h264", "hevc"])
async def test_another_picture_size_in_mid_stream(recipe: Recipe, watched: Watched, tmp_path: Path) -> None:
    larger = msgspec.structs.replace(recipe, width=640, height=480)
    async with RtspServer({"gate": served(tmp_path, recipe, "both")}) as server:
        watched.add("gate", server.url("gate"))
        await watched.pictures("gate", 60)
        await server.camera("gate").switch(reel(tmp_path, larger))
        chunks = await watched.until(
            "gate", lambda chunks: {p.width for p in decoded(chunks)} == {320, 640} and len(decoded(chunks)) > 120
        )
    clip = remux(chunks, chunks[0].at, chunks[-1].at)
    assert {(w, h) for _, w, h in pictures(clip.data)} == {(clip.width, clip.height)}


@pytest.mark.parametrize(("first", "then"), [("h264", "hevc"), ("hevc", "h264")])
async def test_another_codec_in_mid_stream(first: str, then: str, watched: Watched, tmp_path: Path) -> None:
    async with RtspServer({"gate": served(tmp_path, Recipe(codec=first))}) as server:
        watched.add("gate", server.url("gate"))
        await watched.pictures("gate", 40)
        await server.camera("gate").switch(reel(tmp_path, Recipe(codec=then)))
        chunks = await watched.until("gate", lambda chunks: sum(c.codec == then for c in chunks) > 10)
    assert len(sessions(chunks)) == 2
    # Which codec a packet is in is told by its chunk: all of them decode.
    assert len(decoded([chunk for chunk in chunks if chunk.codec == then])) >= 45


async def test_a_camera_that_goes_and_comes_back_is_found_again_without_being_pestered(
    watched: Watched, tmp_path: Path
) -> None:
    async with RtspServer({"gate": served(tmp_path, Recipe())}) as server:
        watched.add("gate", server.url("gate"))
        await watched.pictures("gate", 40)
        with capture_logs() as logs:
            server.camera("gate").go_dark()
            asked = len(watched.asked)
            await asyncio.sleep(5)
            server.camera("gate").come_back()
            chunks = await watched.until("gate", lambda chunks: len(sessions(chunks)) > 1)
    assert len(watched.asked) - asked <= 6, "each wait is twice the last one"
    waits = [line for line in logs if line["event"] == "camera_lost"]
    assert waits[0]["seconds"] < waits[-1]["seconds"]
    last = [chunk for chunk in chunks if chunk.session == chunks[-1].session]
    assert last[0].key
    assert last[0].sequence == 0


async def test_a_frozen_camera_is_noticed_and_touches_no_other(watched: Watched, tmp_path: Path) -> None:
    cameras = {name: served(tmp_path, Recipe()) for name in ("gate", "yard")}
    async with RtspServer(cameras) as server:
        for name in cameras:
            watched.add(name, server.url(name))
        for name in cameras:
            await watched.pictures(name, 20)
        with capture_logs() as logs:
            server.camera("gate").freeze()
            began = asyncio.get_running_loop().time()
            await until(lambda: any(line["event"] == "camera_lost" for line in logs))
            noticed = asyncio.get_running_loop().time() - began
        assert 2 < noticed < 12
        assert next(line for line in logs if line["event"] == "camera_lost")["reason"] == "silent"
        server.camera("gate").thaw()
        gate = await watched.until("gate", lambda chunks: len(sessions(chunks)) > 1)
        yard = await watched.chunks("yard")
    assert gate[-1].key or gate[-1].sequence > 0
    assert len(sessions(yard)) == 1
    assert [chunk.sequence for chunk in yard] == list(range(len(yard)))
    assert max(b.at - a.at for a, b in itertools.pairwise(yard[3:])) < timedelta(seconds=1.5)


async def test_what_is_no_camera_at_all_touches_no_other(watched: Watched, tmp_path: Path) -> None:
    noise = await asyncio.start_server(_babble, "127.0.0.1", 0)
    port = noise.sockets[0].getsockname()[1]
    async with noise, RtspServer({"yard": served(tmp_path, Recipe())}) as server:
        watched.add("noise", f"rtsp://127.0.0.1:{port}/x")
        watched.add("closed", "rtsp://127.0.0.1:1/x")
        watched.add("absent", server.url("yard").replace("yard", "nowhere"))
        watched.add("nothing", f"file://{tmp_path}/nowhere.mp4")
        watched.add("yard", server.url("yard"))
        assert len(await watched.pictures("yard", 100)) >= 100
        for name in ("noise", "closed", "absent", "nothing"):
            assert await watched.chunks(name) == []
            assert watched.asked.count(f"cuihu/{name}") > 1, "tried again"


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read(100)
        writer.write(b"\x00\xff" * 5000)
        await writer.drain()
    writer.close()


async def test_a_password_is_never_printed(watched: Watched, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    account = Account("admin", "geheim-77")
    with capture_logs() as logs:
        async with RtspServer({"gate": served(tmp_path, Recipe())}, account=account) as server:
            watched.add("gate", server.url("gate"))
            watched.add("wrong", server.url("gate").replace("geheim-77", "falsch-99"))
            watched.add("absent", server.url("nowhere"))
            await watched.pictures("gate", 40)
            server.camera("gate").cut()
            await watched.until("gate", lambda chunks: len(sessions(chunks)) > 1)
    out, err = capfd.readouterr()
    told = repr(logs) + out + err
    assert "401" in told
    assert "***@127.0.0.1" in told
    for secret in ("geheim-77", "falsch-99"):
        assert secret not in told


async def test_only_cameras_whose_settings_changed_are_connected_anew(watched: Watched, tmp_path: Path) -> None:
    cameras = {name: served(tmp_path, Recipe()) for name in ("gate", "yard", "hall")}
    async with RtspServer(cameras) as server:
        for name in ("gate", "yard"):
            watched.add(name, server.url(name))
        for name in ("gate", "yard"):
            await watched.pictures(name, 20)
        yard = watched.registered["cuihu/yard"]
        watched.registered["cuihu/yard"] = yard.model_copy(update={"secret": "other"})
        watched.add("hall", server.url("hall"))
        await watched.until("yard", lambda chunks: len(sessions(chunks)) == 2)
        await watched.pictures("hall", 20)
        del watched.registered["cuihu/hall"]
        await until(lambda: not server.camera("hall").viewers)
        assert len(sessions(await watched.chunks("gate"))) == 1
        assert watched.asked.count("cuihu/gate") == 1


async def test_films_and_folders_are_cameras_in_real_time(watched: Watched, tmp_path: Path) -> None:
    one = film(Recipe(frames=50), tmp_path / "one.mp4")
    folder = tmp_path / "many"
    folder.mkdir()
    film(Recipe(frames=25), folder / "a.mp4")
    film(Recipe(frames=25, codec="hevc", width=640, height=480), folder / "b.mp4")
    began = datetime.now(UTC)
    watched.add("one", f"file://{one}")
    watched.add("many", f"file://{folder}")
    chunks = await watched.until("one", lambda chunks: len(sessions(chunks)) == 3)
    assert datetime.now(UTC) - began > timedelta(seconds=3.9), "two showings of 2 s each"
    assert all(len([c for c in chunks if c.session == s]) == 10 for s in sessions(chunks)[:2])
    many = await watched.until("many", lambda chunks: len(sessions(chunks)) >= 3)
    assert [next(c.codec for c in many if c.session == s) for s in sessions(many)[:3]] == ["h264", "hevc", "h264"]
    assert {p.width for p in decoded(many)} == {320, 640}
