"""All cameras that the settings name an address for, each watched for itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog

from hub import metrics
from hub.settings.city import Camera, City
from ingest.hopper import Hopper
from ingest.watch import Watch

log = structlog.get_logger()

LOOK_EVERY: Final = 1.0
PARTING: Final = 1.0
"""Seconds that the end waits for threads; one that hangs in a read is left to die with the process."""
AGAIN_AFTER: Final = 5.0

Address = Callable[[Camera], str | None]
"""A camera's address with its credentials (`Deployment.stream_address`). Never printed. May raise ConfigError."""


class Registry(Protocol):
    """Whoever knows what is registered now: `lambda: settings.current.city`."""

    def __call__(self) -> City: ...


class _Running(msgspec.Struct):
    camera: Camera
    watch: Watch
    ended_at: float | None = None


class Cameras:
    """Starts, stops and restarts watches. A camera whose settings did not change keeps its connection."""

    def __init__(self, city: Registry, address: Address, hopper: Hopper) -> None:
        self._city = city
        self._address = address
        self._hopper = hopper
        self._running: dict[str, _Running] = {}
        self._loop = asyncio.get_running_loop()

    async def run(self, beat: Callable[[], None]) -> None:
        """Follow the settings until cancelled; then stop all."""
        try:
            while True:
                beat()
                self._follow(self._city())
                await asyncio.sleep(LOOK_EVERY)
        finally:
            running = [one.watch for one in self._running.values()]
            for watch in running:
                watch.stop()
            await asyncio.to_thread(_part, running)

    def _follow(self, city: City) -> None:
        wanted = {c.id: c for c in city.cameras.values() if c.address is not None or c.stream is not None}
        for name, one in list(self._running.items()):
            if wanted.get(name) != one.camera:
                log.info("camera_dropped", camera=name, registered=name in wanted)
                one.watch.stop()
                del self._running[name]
            elif one.ended_at is not None and self._loop.time() - one.ended_at > AGAIN_AFTER:
                del self._running[name]
        for name, camera in wanted.items():
            if name not in self._running:
                self._running[name] = self._started(camera)

    def _started(self, camera: Camera) -> _Running:
        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the hub has ended
                self._loop.call_soon_threadsafe(self._ended, camera.id, watch)

        watch = Watch(camera.id, camera.site, lambda: self._address(camera), self._hopper.offer, ended)
        watch.start()
        return _Running(camera, watch)

    def _ended(self, camera: str, watch: Watch) -> None:
        one = self._running.get(camera)
        if one is not None and one.watch is watch and not watch.stopping:
            # It was not told to: a bug, whose trace threading has printed. It is started again after a while.
            metrics.BUGS.labels("camera").inc()
            log.error("camera_thread_died", camera=camera)
            one.ended_at = self._loop.time()


def _part(watches: list[Watch]) -> None:
    deadline = time.monotonic() + PARTING
    for watch in watches:
        watch.join(max(0.0, deadline - time.monotonic()))
