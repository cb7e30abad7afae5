"""Simulated sensors: each speaks at its period and at once when its state changes, over MQTT at QoS 1.

What is normal and what happens when are values; `values_at` and `next_word` are pure.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import time
from typing import Final

import msgspec

from simulator.broker import Link
from simulator.clock import WorldClock


class Measured(msgspec.Struct, frozen=True):
    """A quantity at rest: its usual value, the standard deviation of its noise, and its finest step.

    A state (0 or 1) has no noise and the step 1. `low` is the least value the sensor can tell.
    """

    metric: str
    usual: float
    noise: float = 0.0
    step: float = 0.1
    low: float = -273.15


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """One device. `id` is `site/device`, `place` is `site/building/unit/floor` as far as it goes."""

    id: str
    kind: str
    name: str
    place: str
    period: float
    measures: tuple[Measured, ...]
    battery: float | None = None

    @property
    def topic(self) -> str:
        """property/<site>/<kind>/<device>."""
        site, _, device = self.id.partition("/")
        return f"property/{site}/{self.kind}/{device}"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """From second `at` on a quantity is on its way to `to`, which it reaches after `over` s (0: at once).

    `until`: from then on it is as usual again; None for never.
    """

    device: str
    metric: str
    at: float
    to: float
    over: float = 0.0
    until: float | None = None


class Silence(msgspec.Struct, frozen=True):
    """From second `at` until `until` a device says nothing."""

    device: str
    at: float
    until: float = math.inf


Happening = Change | Silence

QUICK: Final = 1.0
"""Seconds between words while a change is on its way: devices speak faster when something is going on."""


def values_at(sensor: Sensor, script: tuple[Happening, ...], t: float, lot: random.Random) -> dict[str, float]:
    """What the sensor measures at second t, noise included, rounded to its step."""
    values: dict[str, float] = {}
    for measured in sensor.measures:
        value = measured.usual
        for change in script:
            if not isinstance(change, Change) or (change.device, change.metric) != (sensor.id, measured.metric):
                continue
            if change.at <= t and (change.until is None or t < change.until):
                share = 1.0 if change.over <= 0 else min(1.0, (t - change.at) / change.over)
                value += (change.to - value) * share
        value = max(measured.low, value + lot.gauss(0, measured.noise))
        values[measured.metric] = round(round(value / measured.step) * measured.step, 6)
    return values


def silent(sensor: Sensor, script: tuple[Happening, ...], t: float) -> bool:
    """Whether the device says nothing at second t."""
    return any(isinstance(one, Silence) and one.device == sensor.id and one.at <= t < one.until for one in script)


def next_word(sensor: Sensor, script: tuple[Happening, ...], t: float) -> float:
    """When the sensor speaks next after it spoke at second t."""
    soonest = t + sensor.period
    for change in script:
        if isinstance(change, Change) and change.device == sensor.id:
            moving_until = change.at + change.over
            if t < change.at:
                soonest = min(soonest, change.at)
            elif t < moving_until:
                soonest = min(soonest, t + QUICK)
            if change.until is not None and t < change.until:
                soonest = min(soonest, change.until)
    return soonest


def payload(sensor: Sensor, values: dict[str, float], wall: float, sequence: int) -> bytes:
    """The hub's own JSON: time in seconds since 1970, a number that counts up, values by metric."""
    battery = {} if sensor.battery is None else {"battery": sensor.battery}
    return msgspec.json.encode({"t": round(wall, 3), "seq": sequence, "values": values, **battery})


async def publish_for_ever(
    sensors: tuple[Sensor, ...], script: tuple[Happening, ...], link: Link, clock: WorldClock, seed: int = 1
) -> None:
    """Let all sensors speak until cancelled. Before second zero they tell what is usual, at their periods."""
    async with asyncio.TaskGroup() as group:
        for sensor in sensors:
            group.create_task(_speak(sensor, script, link, clock, random.Random(f"{seed}/{sensor.id}")))


async def _speak(
    sensor: Sensor, script: tuple[Happening, ...], link: Link, clock: WorldClock, lot: random.Random
) -> None:
    # Spread over the first period, as devices that were installed one by one are.
    await asyncio.sleep(lot.uniform(0, min(sensor.period, 3.0)))
    for sequence in itertools.count(1):
        t = clock.elapsed()
        if not silent(sensor, script, t):
            values = values_at(sensor, script, t, lot)
            link.publish(sensor.topic, payload(sensor, values, time.time(), sequence))
        if clock.standing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(sensor.period):
                    await clock.begun()
        else:
            await clock.until(next_word(sensor, script, t))
