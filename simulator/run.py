"""Brings the simulated world to life: cameras, sensors, chat robot and hotline, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import msgspec

from simulator.broker import Link
from simulator.clock import WorldClock
from simulator.film import Shot, shoot
from simulator.hotline import HotlineSettings, hotline_serving
from simulator.robot import robot_app
from simulator.rtsp import RtspServer, Served
from simulator.sensors import publish_for_ever
from simulator.thermal import film_for_ever
from simulator.web import serving
from simulator.world import Told, World, edited


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is, once it is there. `cameras` gives an RTSP address by camera id."""

    robot: str
    hotline: str
    cameras: dict[str, str]
    story: tuple[Told, ...]
    fall_start: float | None
    fall_end: float | None
    fall_floor: int | None


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to know: when all is ready, how far rendering is (0..1), and what happens when it happens."""

    ready: Callable[[Ready], None] = lambda ready: None
    progress: Callable[[float], None] | None = None
    happens: Callable[[Told], None] = lambda told: None


async def run(
    world: World,
    *,
    mqtt_host: str,
    mqtt_port: int,
    rtsp_port: int,
    robot_port: int,
    hotline_port: int,
    hotline_secret: str,
    callback_url: str | None,
    cache_dir: Path,
    without: frozenset[str] = frozenset(),
    seed: int = 1,
    begin: Literal["watched", "at_once"] = "watched",
    mqtt_user: str | None = None,
    mqtt_password: str | None = None,
    listener: Listener | None = None,
) -> None:
    """Run the world until cancelled; everything is released then. Port 0 takes any free one.

    Second zero of the story is when somebody first watches a camera, or `at_once` when all is ready. Films are
    rendered into `cache_dir` at the first run (some 10 s) and found there later. Raises OSError for a port that
    is taken, ValueError for an unknown name in `without`.
    """
    listener, shown, clock = listener or Listener(), edited(world, without), WorldClock()
    async with AsyncExitStack() as stack:
        keys = world.robot_keys.values()
        robot = await stack.enter_async_context(serving(robot_app(keys), robot_port))
        await asyncio.to_thread(cache_dir.mkdir, parents=True, exist_ok=True)
        journal = cache_dir / "hotline-orders.jsonl"
        settings = HotlineSettings(secret=hotline_secret, callback_url=callback_url, journal=journal)
        hotline = await stack.enter_async_context(hotline_serving(settings, hotline_port))
        shots = await _shoot_all(shown, cache_dir, listener.progress)
        served = {camera.id: Served(reel=shots[camera.id].reel) for camera in shown.cameras}
        server = await stack.enter_async_context(RtspServer(served, port=rtsp_port, clock=clock))
        link = Link(mqtt_host, mqtt_port, "simulated-devices", user=mqtt_user, password=mqtt_password)
        await stack.enter_async_context(link)
        fall = next((shot.truth for shot in shots.values() if shot.truth is not None), None)
        listener.ready(
            Ready(
                robot=robot,
                hotline=hotline,
                cameras={camera.id: server.url(camera.id) for camera in shown.cameras},
                story=shown.story,
                fall_start=fall.start if fall else None,
                fall_end=fall.end if fall else None,
                fall_floor=fall.floor if fall else None,
            )
        )
        if begin == "at_once":
            clock.begin()
        script = tuple(change for changes in shown.script.values() for change in changes)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(publish_for_ever(shown.sensors, script, link, clock, seed))
        for camera in shown.thermal:
            group.create_task(film_for_ever(camera, link, clock))
        for told in shown.story:
            group.create_task(_tell(told, clock, listener.happens))


async def _tell(told: Told, clock: WorldClock, happens: Callable[[Told], None]) -> None:
    await clock.until(told.at)
    happens(told)


async def _shoot_all(world: World, folder: Path, progress: Callable[[float], None] | None) -> dict[str, Shot]:
    """Render all films side by side: encoding leaves Python's lock, so two cores are used."""
    done = dict.fromkeys((camera.id for camera in world.cameras), 0.0)

    def part(camera: str) -> Callable[[float], None]:
        def told(share: float) -> None:
            done[camera] = share
            if progress is not None:
                progress(sum(done.values()) / len(done))

        return told

    shots = await asyncio.gather(
        *(
            asyncio.to_thread(shoot, camera.scene, folder, camera.encoding, progress=part(camera.id))
            for camera in world.cameras
        )
    )
    return {camera.id: shot for camera, shot in zip(world.cameras, shots, strict=True)}
