"""The whole simulated world at once: as the demo starts it, in a process of its own, and ended as Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import msgspec
import pytest

from simulator.demo_world import demo_world
from simulator.run import Listener, Ready, run
from simulator.world import Told, World

pytestmark = pytest.mark.mosquitto
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def broker_port() -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    yield port
    process.terminate()
    await process.wait()


def small_world() -> World:
    """The demo's world through small, quick cameras, its story told within two seconds."""
    world = demo_world()
    replace = msgspec.structs.replace
    cameras = []
    for camera in world.cameras:
        scene = camera.scene
        lens = replace(scene.view.camera, columns=320, rows=180, focal=scene.view.camera.focal / 4)
        fall = replace(scene.fall, at=1.0) if scene.fall else None
        small = replace(scene, view=replace(scene.view, camera=lens), fall=fall, period=1)
        encoding = replace(camera.encoding, bit_rate=600_000, gop=25)
        cameras.append(replace(camera, scene=small, encoding=encoding))
    story = tuple(replace(told, at=1 + number / 4) for number, told in enumerate(world.story))
    return replace(world, cameras=tuple(cameras), story=story)


async def test_the_world_waits_for_a_viewer_then_tells_its_story_and_releases_all(
    broker_port: int, tmp_path: Path
) -> None:
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    told: list[Told] = []
    shares: list[float] = []
    arguments: dict[str, Any] = {
        "mqtt_host": "127.0.0.1",
        "mqtt_port": broker_port,
        "rtsp_port": 0,
        "robot_port": 0,
        "hotline_port": 0,
        "hotline_secret": SECRET,
        "callback_url": None,
        "cache_dir": tmp_path / "films",
        "without": frozenset({"gas"}),
        "listener": Listener(ready=ready.set_result, progress=shares.append, happens=told.append),
    }
    world = asyncio.create_task(run(small_world(), **arguments))
    async with asyncio.timeout(60):
        where = await ready
    assert sorted(where.cameras) == ["cuihu/cam-b2-east", "fenghe/cam-b1-south", "jinxiu/cam-b5-west"]
    assert where.fall_floor == 8
    assert shares[-1] == 1.0
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{where.robot}/messages")).json() == []
        assert (await client.get(f"{where.hotline}/orders")).json() == []
    assert not told, "nobody watches yet"
    codecs = await asyncio.gather(*(asyncio.to_thread(codec_of, url) for url in where.cameras.values()))
    assert codecs == ["h264", "h264", "hevc"]
    async with asyncio.timeout(10):
        while len(told) < 3:  # noqa: ASYNC110 # the story is told by the run under test, step by step
            await asyncio.sleep(0.02)
    assert [one.name for one in told] == ["fall", "hot_spot", "smoke"]
    world.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await world
    assert time.monotonic() - began < 5
    for address in (where.robot, where.hotline, *where.cameras.values()):
        port = int(address.split(":")[2].split("/")[0])
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"{address} is still open"


def codec_of(url: str) -> str:
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=(10, 10)) as container:
        next(container.decode(video=0))
        return container.streams.video[0].codec_context.name


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(broker_port: int, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match=r"(?i)address"):
            await run(
                small_world(),
                mqtt_host="127.0.0.1",
                mqtt_port=broker_port,
                rtsp_port=0,
                robot_port=0,
                hotline_port=taken.getsockname()[1],
                hotline_secret=SECRET,
                callback_url=None,
                cache_dir=tmp_path,
            )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_as_a_child_process_it_says_ready_and_ends_cleanly(
    broker_port: int, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    cache = tmp_path_factory.getbasetemp() / "demo-films"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        "--mqtt",
        f"127.0.0.1:{broker_port}",
        "--cache",
        str(cache),
        "--commentary",
        "--begin",
        "at_once",
        env={**os.environ, "HOTLINE_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(100):
        line: dict[str, Any] = {}
        while "ready" not in line:
            line = json.loads(await process.stdout.readline())
        assert line["ready"]["fall_start"] == 15.0
        assert await asyncio.to_thread(codec_of, line["ready"]["cameras"]["cuihu/cam-b2-east"]) == "h264"
    async with asyncio.timeout(5):
        process.send_signal(number)
        assert await process.wait() == 0
