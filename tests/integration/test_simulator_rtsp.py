"""Simulated cameras read back by PyAV over real sockets: every frame, both codecs, both transports, every fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Literal, TypeAlias

import av
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.facade import View
from simulator.falling import Fall
from simulator.film import Encoding, Reel, record, shoot
from simulator.masonry import Facade
from simulator.optics import Pinhole, Wall
from simulator.rtsp import RtspServer, Served
from simulator.rtsp_account import Account
from simulator.scene import Scene

VIEW = View(
    camera=Pinhole(columns=320, rows=180, focal=190, tilt=34.5), wall=Wall(distance=22), facade=Facade(storeys=8)
)
SCENE = Scene(view=VIEW, period=1)
SMALLER = msgspec.structs.replace(
    SCENE,
    view=msgspec.structs.replace(VIEW, camera=Pinhole(columns=240, rows=136, focal=140, tilt=34.5)),
)
Transport = Literal["tcp", "udp"]
Packets: TypeAlias = "Generator[av.Packet[av.VideoStream], None, None]"


class Watched(msgspec.Struct, frozen=True):
    """What a viewer got: luma planes, pts as received (None where the first ones lack them), whether NTP came."""

    lumas: list[NDArray[np.uint8]]
    pts: list[int | None]
    has_wall_time: bool


def packets_of(url: str, transport: Transport, timeout: float = 5.0) -> Packets:
    """Demux a camera until it ends, hangs up or falls silent."""
    options: dict[str, str] = {"rtsp_transport": transport}
    with av.open(url, options=options, timeout=(timeout, timeout)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet


def watch(url: str, transport: Transport = "tcp", seconds: float | None = None) -> Watched:
    """Decode a camera to its end, or for so many seconds of pictures."""
    lumas, pts, wall = [], [], False
    with contextlib.closing(packets_of(url, transport)) as packets:
        for packet in packets:
            pts.append(packet.pts)
            wall = wall or packet.has_sidedata("rtcp_sr")
            lumas += [luma(frame) for frame in packet.decode()]
            if seconds is not None and len(lumas) >= seconds * 25:
                break
        else:
            lumas += [luma(frame) for frame in packet.stream.codec_context.decode(None)]
    return Watched(lumas, pts, wall)


def luma(frame: object) -> NDArray[np.uint8]:
    assert isinstance(frame, av.VideoFrame)
    return np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def from_file(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [luma(frame) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short files: h264-0, h264-2, hevc-0, hevc-2 (codec, B-frames) and smaller, all but the last alike."""
    folder = tmp_path_factory.mktemp("films")
    for codec in ("h264", "hevc"):
        for b_frames in (0, 2):
            encoding = Encoding(codec=codec, b_frames=b_frames, gop=10, bit_rate=1_000_000)
            record(SCENE, folder / f"{codec}-{b_frames}.mp4", 2, encoding)
    record(SMALLER, folder / "smaller.mp4", 2, Encoding(gop=10, bit_rate=1_000_000))
    return folder


def once(path: Path, **wishes: object) -> Served:
    return msgspec.structs.replace(Served(reel=Reel(once=(path,)), live=False), **wishes)


def live(path: Path) -> Served:
    return Served(reel=Reel(loop=(path,)))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("film", ["h264-0", "h264-2", "hevc-0", "hevc-2"])
async def test_every_frame_arrives_bit_by_bit(films: Path, film: str, transport: Transport) -> None:
    async with RtspServer({"gate": once(films / f"{film}.mp4")}) as server:
        got = await asyncio.to_thread(watch, server.url("gate"), transport)
    direct = from_file(films / f"{film}.mp4")
    assert len(got.lumas) == len(direct) == 50
    assert all((one == other).all() for one, other in zip(got.lumas, direct, strict=True))
    assert got.has_wall_time


@pytest.mark.parametrize("film", ["h264-0", "hevc-2"])
@pytest.mark.parametrize("sets", ["in_band", "both"])
async def test_parameter_sets_may_come_with_the_pictures(films: Path, film: str, sets: str) -> None:
    async with RtspServer({"gate": once(films / f"{film}.mp4", parameter_sets=sets)}) as server:
        got = await asyncio.to_thread(watch, server.url("gate"))
    assert len(got.lumas) == 50


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_only_who_knows_the_password_may_watch(films: Path, scheme: Literal["basic", "digest"]) -> None:
    account = Account("hub", "geheim", scheme)
    async with RtspServer({"gate": once(films / "h264-0.mp4")}, account=account) as server:
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await asyncio.to_thread(watch, server.url("gate", credentials=False))
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await asyncio.to_thread(watch, server.url("gate").replace("geheim", "wrong"))
        assert len((await asyncio.to_thread(watch, server.url("gate"))).lumas) == 50


async def test_an_unknown_camera_is_not_found(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        with pytest.raises(av.error.HTTPNotFoundError):
            await asyncio.to_thread(watch, server.url("roof"))


async def test_a_live_camera_shows_its_viewers_the_same_moment_and_loops_without_a_seam(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        views = [asyncio.to_thread(watch, server.url("gate"), "tcp", 5) for _ in range(3)]
        seen = await asyncio.gather(*views)
    frames = from_file(films / "h264-0.mp4")
    for view in seen:
        numbers = [next(n for n, frame in enumerate(frames) if (frame == shown).all()) for shown in view.lumas]
        assert numbers == [(numbers[0] + n) % 50 for n in range(len(numbers))]
        assert numbers[0] % 10 == 0, "a viewer begins with a key frame"
        known = [pts for pts in view.pts if pts is not None]
        assert set(np.diff(known).tolist()) == {3600}


async def test_a_reel_shows_the_fall_once_then_rests(tmp_path: Path) -> None:
    """Read back live, the only frames that differ from the film without the fall are the truth's own."""
    falling = Scene(view=VIEW, fall=Fall(at=1.0, floor=6, width=0.6, height=0.5), period=1, noise=0)
    encoding = Encoding(gop=25, bit_rate=1_500_000)
    shot = await asyncio.to_thread(shoot, falling, tmp_path, encoding)
    quiet = msgspec.structs.replace(falling, fall=None)
    edited = await asyncio.to_thread(shoot, quiet, tmp_path, encoding, seconds=3)
    cameras = {"falling": Served(reel=shot.reel), "edited": Served(reel=edited.reel)}
    async with RtspServer(cameras) as server:
        one, other = await asyncio.gather(*(asyncio.to_thread(watch, server.url(name), "tcp", 6) for name in cameras))
    assert shot.truth is not None
    frames = [point.frame for point in shot.truth.path if point.area > 12]
    changed = [
        number
        for number, (left, right) in enumerate(zip(one.lumas, other.lumas, strict=True))
        if np.abs(left.astype(int) - right).max() > 40
    ]
    assert len(one.lumas) == 150
    # The last frames show only a sliver at the lower edge.
    assert set(frames[:-2]) <= set(changed) <= set(range(frames[0] - 2, frames[-1] + 8))


async def test_a_frozen_camera_says_nothing_and_keeps_its_socket(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        camera = server.camera("gate")
        packets = packets_of(server.url("gate"), "tcp", timeout=1.0)
        for _ in range(10):
            await asyncio.to_thread(next, packets)
        camera.freeze()
        with pytest.raises(av.error.FFmpegError):  # 1 s of silence, then the viewer gives up by itself
            await asyncio.to_thread(exhaust, packets)
        assert camera.frozen
        with pytest.raises(av.error.FFmpegError):
            await asyncio.to_thread(watch, server.url("gate"), "tcp", 1)
        camera.thaw()
        assert len((await asyncio.to_thread(watch, server.url("gate"), "tcp", 1)).lumas) >= 25


def exhaust(packets: Packets) -> int:
    return sum(1 for _ in packets)


async def test_a_thawed_camera_goes_on_in_the_same_session_at_the_present(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        camera = server.camera("gate")
        packets = packets_of(server.url("gate"), "tcp", timeout=10)
        before = [await asyncio.to_thread(next, packets) for _ in range(10)][-1]
        camera.freeze()
        await asyncio.sleep(1.5)  # the length of the gap is the subject
        camera.thaw()
        last = before.pts
        assert last is not None
        gap = 0
        while gap <= 3600:
            packet = await asyncio.to_thread(next, packets)
            assert packet.pts is not None
            gap, last = packet.pts - last, packet.pts
        packets.close()
    assert packet.is_keyframe
    assert 1.2 < gap / 90_000 < 3


async def test_cutting_ends_the_viewers_and_a_dark_camera_refuses(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4"), "yard": live(films / "h264-0.mp4")}) as server:
        gate, yard = (packets_of(server.url(name), "tcp") for name in ("gate", "yard"))
        await asyncio.gather(asyncio.to_thread(next, gate), asyncio.to_thread(next, yard))
        assert server.camera("gate").viewers == 1
        server.camera("gate").go_dark()
        with contextlib.suppress(av.error.FFmpegError):  # a reset is an error or an end, as the library likes
            assert await asyncio.to_thread(exhaust, gate) < 100
        with pytest.raises(av.error.FFmpegError):
            await asyncio.to_thread(watch, server.url("gate"), "tcp", 1)
        assert (await asyncio.to_thread(next, yard)).size, "the other camera is untouched"
        yard.close()
        server.camera("gate").come_back()
        assert len((await asyncio.to_thread(watch, server.url("gate"), "tcp", 1)).lumas) >= 25


async def test_a_camera_may_change_its_picture_size_in_mid_stream(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        packets = packets_of(server.url("gate"), "tcp")
        sizes: list[tuple[int, ...]] = []
        times: list[int] = []
        for number in range(60):
            packet = await asyncio.to_thread(next, packets)
            sizes += [luma(frame).shape for frame in packet.decode()]
            times += [] if packet.pts is None else [packet.pts]
            if number == 20:
                await server.camera("gate").switch(Reel(loop=(films / "smaller.mp4",)))
        packets.close()
    assert set(sizes) == {(180, 320), (136, 240)}
    assert sizes == sorted(sizes, reverse=True), "first all of the one, then all of the other"
    assert times == sorted(times)


async def test_a_codec_that_changes_in_mid_stream_raises_nothing_and_shows_nothing_new(films: Path) -> None:
    """As the real thing: the receiver was told H.264 and is sent H.265."""
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        packets = packets_of(server.url("gate"), "tcp")
        for number in range(40):
            packet = await asyncio.to_thread(next, packets)
            assert packet.stream.codec_context.name == "h264"
            if number == 10:
                await server.camera("gate").switch(Reel(loop=(films / "hevc-0.mp4",)))
        packets.close()
        assert (await asyncio.to_thread(codec_of, server.url("gate"))) == "hevc"


def codec_of(url: str) -> str:
    with contextlib.closing(packets_of(url, "tcp")) as packets:
        return str(next(packets).stream.codec_context.name)


async def test_lost_packets_damage_pictures_but_not_the_stream(films: Path) -> None:
    async with RtspServer({"gate": once(films / "h264-0.mp4")}) as server:
        server.camera("gate").lose(0.1)
        got = await asyncio.to_thread(watch, server.url("gate"), "udp")
    direct = from_file(films / "h264-0.mp4")
    same = sum(any((one == other).all() for other in direct) for one in got.lumas)
    assert same < 50


async def test_nonsense_on_the_socket_troubles_nobody(films: Path) -> None:
    async with RtspServer({"gate": once(films / "h264-0.mp4")}) as server:
        for nonsense in (b"\x00" * 70_000, b"GET / HTTP/1.1\r\n\r\n", b"$\x00\xff\xff", b"PLAY\r\n\r\n", b"\xff\xfe"):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(nonsense)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        assert len((await asyncio.to_thread(watch, server.url("gate"))).lumas) == 50


async def test_closing_the_server_ends_viewers_and_gives_the_port_back(films: Path) -> None:
    async with RtspServer({"gate": live(films / "h264-0.mp4")}) as server:
        packets = packets_of(server.url("gate"), "tcp", timeout=2)
        await asyncio.to_thread(next, packets)
        assert server.watched.is_set()
        port = server.port
    with contextlib.suppress(av.error.FFmpegError):
        await asyncio.to_thread(exhaust, packets)
    async with RtspServer({"gate": live(films / "h264-0.mp4")}, port=port) as again:
        assert again.port == port


async def test_as_a_program_of_its_own_it_loops_files(films: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator.rtsp",
        f"gate={films / 'h264-0.mp4'}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        url = json.loads(await process.stdout.readline())["cameras"]["gate"]
        assert len((await asyncio.to_thread(watch, url, "tcp", 3)).lumas) == 75
        process.terminate()
        assert await process.wait() == 0
