"""The detect role: watches video, thermal frames and readings until it is stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import structlog

from detectors.work.memory import Memory
from detectors.work.outlet import Outlet
from detectors.work.sensors import SensorLoop
from detectors.work.thermal import ThermalLoop
from detectors.work.video import VideoLoop
from hub.bus import Bus
from hub.errors import TransientError
from hub.inflight import Inflight
from hub.progress import Progress
from hub.redact import redact
from hub.service import Loop
from hub.settings.revision import Settings
from hub.store import Store
from hub.topics import ALERTS, READINGS, THERMAL, VIDEO

log = structlog.get_logger()

VIDEO_AT_ONCE: Final = 24
"""Chunks of one round, some five seconds of one camera: few, so that a death in one of them is narrowed down soon."""
FRAMES_AT_ONCE: Final = 64
TICK: Final = 1.0


async def run(
    bus: Bus,
    store: Store | None,
    settings: Settings,
    progress: Progress,
    inflight: Inflight | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Serve until cancelled. `inflight` guards the decoder, the one part that can take the process with it."""
    cv2.setNumThreads(1)  # one camera, one thread: the cameras run beside one another
    memory = Memory(store)
    with ThreadPoolExecutor(os.cpu_count() or 2, "decode") as pool:
        sensors = SensorLoop(Outlet(bus, clock), memory, settings, clock)
        thermal = ThermalLoop(Outlet(bus, clock), memory, settings, clock)
        video = VideoLoop(Outlet(bus, clock), memory, settings, clock, pool)
        loops = (
            (
                Loop(
                    bus,
                    [VIDEO],
                    "detect-falling",
                    progress.beat("falling"),
                    inflight,
                    limit=VIDEO_AT_ONCE,
                    keeping=video,
                ),
                video.handle,
            ),
            (
                Loop(bus, [THERMAL], "detect-thermal", progress.beat("thermal"), limit=FRAMES_AT_ONCE, keeping=thermal),
                thermal.handle,
            ),
            (
                Loop(bus, [READINGS], "detect-sensors", progress.beat("sensors"), limit=500, keeping=sensors),
                sensors.handle,
            ),
            # Every process hears every alert: a thermal camera may be anywhere, and hearing twice costs nothing.
            (
                Loop(bus, [ALERTS], f"detect-context-{progress.instance}", progress.beat("context"), start="latest"),
                thermal.heed,
            ),
        )
        async with asyncio.TaskGroup() as tasks:
            for loop, handle in loops:
                tasks.create_task(loop.run(handle))
            tasks.create_task(_ticking(sensors.tick, progress.beat("sensors-tick")))
            tasks.create_task(_ticking(thermal.tick, progress.beat("thermal-tick")))
            tasks.create_task(_ticking(video.tick, progress.beat("falling-tick")))


async def _ticking(tick: Callable[[], Awaitable[None]], beat: Callable[[], None]) -> None:
    """What time alone brings about, each second; while the bus or the store is away it waits with the rest."""
    while True:
        beat()
        try:
            await tick()
        except TransientError as error:
            log.warning("waiting", loop="tick", error=redact(str(error)))
        await asyncio.sleep(TICK)
