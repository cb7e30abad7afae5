"""A simulated radiometric thermal camera: 16-bit pictures of a facade in which a hot spot may grow into a fire.

Heat is mixed where it is in nature, in the radiance: a pixel that a flame fills by a tenth does not read a tenth
of its temperature (grey body, T to the fourth power).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import time
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.broker import Link
from simulator.clock import WorldClock

KELVIN: Final = 273.15
FINE: Final = 4
"""Sub-pixels along each axis when the hot spot is drawn."""


class HotSpot(msgspec.Struct, frozen=True, kw_only=True):
    """A fire behind a window. `at`: the second it begins; its foot stands at column `x`, row `y`.

    It grows for `grows` s to `width` x `rows` pixels and `peak` °C (in its middle; flames flicker by `flicker`).
    `until`: when it is out, cooling with a half-life of 15 s; None for never.
    """

    at: float
    x: float = 92.0
    y: float = 70.0
    width: float = 9.0
    rows: float = 13.0
    peak: float = 420.0
    grows: float = 9.0
    flicker: float = 0.12
    until: float | None = None


class ThermalCamera(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is `site/device`. °C = raw * scale - 273.15; the sensor clips at its range. `netd` is noise in K."""

    id: str
    name: str = ""
    place: str = ""
    columns: int = 160
    rows: int = 120
    fps: float = 4.0
    background: float = 12.0
    netd: float = 0.06
    scale: float = 0.04
    range_low: float = -20.0
    range_high: float = 550.0
    hot_spot: HotSpot | None = None
    seed: int = 1

    @property
    def topic(self) -> str:
        """property/<site>/thermal/<device>."""
        site, _, device = self.id.partition("/")
        return f"property/{site}/thermal/{device}"


class ThermalScene:
    """A camera's view, ready to be measured at any second. Deterministic by the camera's seed."""

    def __init__(self, camera: ThermalCamera) -> None:
        self.camera = camera
        self._still = _facade(camera)

    def celsius(self, t: float) -> NDArray[np.float32]:
        """rows x columns in °C at second t, with noise, clipped to the sensor's range."""
        camera = self.camera
        rng = np.random.default_rng((camera.seed, round((t + 1000) * 1000)))
        # The whole picture drifts a little, as an uncooled sensor does between two shutter corrections.
        picture = self._still + np.float32(0.15 * math.sin(t / 47))
        if camera.hot_spot is not None:
            picture = _heated(picture, camera.hot_spot, t)
        noise = rng.standard_normal(picture.shape, np.float32) * np.float32(camera.netd)
        return np.asarray(np.clip(picture + noise, camera.range_low, camera.range_high), np.float32)

    def payload(self, t: float, wall: float, sequence: int) -> bytes:
        """The binary message: magic, header, then little-endian 16-bit values row by row."""
        camera = self.camera
        raw = np.round((self.celsius(t) + KELVIN) / camera.scale).astype("<u2")
        head = struct.pack(
            "<dIHHffffB3x",
            wall,
            sequence,
            camera.columns,
            camera.rows,
            camera.scale,
            -KELVIN,
            camera.range_low,
            camera.range_high,
            1,
        )
        return b"HTF1" + head + raw.tobytes()


async def film_for_ever(camera: ThermalCamera, link: Link, clock: WorldClock) -> None:
    """Publish pictures until cancelled. Before second zero nothing burns."""
    scene = await asyncio.to_thread(ThermalScene, camera)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for sequence in itertools.count(1):
        t = -1.0 if clock.standing else clock.elapsed()
        link.publish(camera.topic, scene.payload(t, time.time(), sequence))
        await asyncio.sleep(max(0.0, began + sequence / camera.fps - loop.time()))


def _facade(camera: ThermalCamera) -> NDArray[np.float32]:
    """Cold sky, a wall with warm windows and leaking lintels, and ground: rows x columns in °C."""
    rng = np.random.default_rng(camera.seed)
    rows, columns = camera.rows, camera.columns
    grain = rng.normal(0, 1, (rows // 8, columns // 8)).astype(np.float32)
    picture = camera.background + 0.5 * cv2.resize(grain, (columns, rows), interpolation=cv2.INTER_CUBIC)
    wide, high = columns / 160, rows / 120
    picture[: round(14 * high)] = -14 + np.linspace(-4, 2, round(14 * high))[:, None]
    for row in range(20, 106, 14):
        picture[round(row * high) - 1 : round(row * high)] += 0.6
        for column in range(12, 150, 20):
            warmth = rng.uniform(0.8, 4.5)
            top, left = round((row + 2) * high), round(column * wide)
            picture[top : top + round(8 * high), left : left + round(10 * wide)] += warmth
            picture[top - 1 : top, left : left + round(10 * wide)] += warmth * 0.6
    picture[round(110 * high) :] = camera.background - 1.5
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.float32)


def _heated(picture: NDArray[np.float32], spot: HotSpot, t: float) -> NDArray[np.float32]:
    """The picture with the fire of second t in it."""
    age = t - spot.at
    if age <= 0:
        return picture
    share = 1 - math.exp(-3 * age / spot.grows)
    # Two beats below 5 Hz, as flames have, seen at a few frames per second.
    beat = 0.6 * math.sin(2 * math.pi * 1.3 * t) + 0.4 * math.sin(2 * math.pi * 3.1 * t + 1)
    peak = (spot.peak - 15) * share * (1 + spot.flicker * beat * share)
    if spot.until is not None and t > spot.until:
        peak *= 0.5 ** ((t - spot.until) / 15)
    wide, high = spot.width * (0.25 + 0.75 * share) / 2, spot.rows * (0.25 + 0.75 * share * (1 + 0.25 * beat)) / 2
    rows, columns = picture.shape
    down, across = np.mgrid[0 : rows * FINE, 0 : columns * FINE].astype(np.float32) / FINE
    # The foot stands still, the top dances.
    lean = 0.12 * beat * (spot.y - down)
    distance = ((across - spot.x - lean) / wide) ** 2 + ((down - (spot.y - high)) / high) ** 2
    flame = 15 + peak * np.clip(1.15 - distance, 0, 1) ** 0.5
    radiance = cv2.resize(
        np.where(distance < 1.15, (flame + KELVIN) ** 4, 0.0).astype(np.float32),
        (columns, rows),
        interpolation=cv2.INTER_AREA,
    )
    free = cv2.resize((distance >= 1.15).astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    # Hot gas warms the wall above the window.
    plume = np.exp(-(((across - spot.x) / (wide * 1.6)) ** 2) - np.maximum(down - spot.y, 0) ** 2)
    plume *= np.exp(-np.maximum(spot.y - down, 0) / (4 * high)) * 14 * share
    warm = picture + cv2.resize(plume.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    mixed = radiance + free * (warm + KELVIN) ** 4
    return np.asarray(mixed**0.25 - KELVIN, np.float32)
