"""The loop of the sensors: every reading is judged, and everyone who stopped reporting is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from detectors import sensor_limit, silence
from detectors.sensor_limit import SensorLimit, SensorSettings
from detectors.silence import Heard, Known, Silence
from detectors.work import listening
from detectors.work.memory import Memory
from detectors.work.outlet import Outlet
from hub.bus import Assignment, Delivery, Position
from hub.model import LIVE, Reading
from hub.settings.revision import Revision, Settings

SAVE_EVERY: Final = 60.0
"""Seconds between snapshots while nothing is told; what is told is saved at once."""


class _Partition(msgspec.Struct):
    """What is known of the sites of one partition."""

    limit: SensorLimit
    silence: Silence
    position: Position


class SensorLoop:
    """Handles deliveries of READINGS. `clock` is seconds since 1970."""

    def __init__(self, outlet: Outlet, memory: Memory, settings: Settings, clock: Callable[[], float]) -> None:
        self._outlet = outlet
        self._memory = memory
        self._settings = settings
        self._clock = clock
        self._revision: Revision | None = None
        self._effective: dict[tuple[str, str, str], SensorSettings] = {}
        self._held: frozenset[int] = frozenset()
        self._partitions: dict[int, _Partition] = {}
        self._saved = clock()
        self._behind = True
        self.lock = asyncio.Lock()

    def assigned(self, assignment: Assignment) -> None:
        """Drop what was learned of partitions that another member has now."""
        self._held = frozenset(partition for _, partition in assignment.partitions)
        for lost in set(self._partitions) - self._held:
            del self._partitions[lost]

    def settled(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Delivery[Any]]:
        """All of them: what is told was saved before."""
        self._behind = len(deliveries) > 0
        return deliveries

    async def handle(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """Judge a batch and publish what came of it. Raises MessageError, TransientError."""
        readings: list[tuple[Delivery[Any], Reading]] = [(one, one.decode()) for one in deliveries]
        async with self.lock:
            await self._open({one.partition for one in deliveries})
            for delivery, reading in readings:
                part = self._partitions[delivery.partition]
                part.position = Position(delivery.partition, delivery.offset)
                if reading.purpose == LIVE:
                    who = Known(reading.device, reading.site, reading.kind, reading.place)
                    for heard in part.silence.observe(Heard(who, reading.arrived_at.timestamp())):
                        self._outlet.take(heard, silence.decide(heard, self._silence_of(who)))
                for found in part.limit.observe(reading):
                    self._outlet.take(found, sensor_limit.decide(found, self._of(reading)))
            await self._finish()

    async def tick(self) -> None:
        """Once a second: what time alone brings about."""
        async with self.lock:
            await self._open(self._held)
            now = self._clock()
            for part in self._partitions.values():
                for found in part.limit.advance(now):
                    claim = found.claim
                    settings = self._tuned(claim.subject, "", claim.place)
                    self._outlet.take(found, sensor_limit.decide(found, settings))
                if self._behind:
                    continue  # who has something to say may still be waiting in the queue
                for quiet in part.silence.advance(now):
                    claim = quiet.claim
                    who = Known(claim.subject, quiet.site, claim.kind, claim.place)
                    self._outlet.take(quiet, silence.decide(quiet, self._silence_of(who)))
            await self._finish()

    async def _finish(self) -> None:
        now = self._clock()
        if self._outlet.waiting or now - self._saved >= SAVE_EVERY:
            # What is told is saved before it is acknowledged: an end must find its beginning after a restart.
            await self._outlet.flush()
            parts = self._partitions.items()
            await self._memory.save(sensor_limit.NAME, {f"{n}": (p.limit.snapshot(), p.position) for n, p in parts})
            await self._memory.save(
                silence.NAME, {f"readings/{n}": (p.silence.snapshot(), p.position) for n, p in parts}
            )
            self._saved = now

    async def _open(self, partitions: set[int] | frozenset[int]) -> None:
        self._follow()
        revision = self._settings.current
        for number in partitions - set(self._partitions):
            limit = SensorLimit(self._of, revision.number)
            limit.restore(await self._memory.load(sensor_limit.NAME, f"{number}"))
            quiet = Silence(self._silence_of, self._clock(), revision.number)
            quiet.restore(await self._memory.load(silence.NAME, f"readings/{number}"))
            quiet.expect(listening.sensors(revision.city, [number]), self._clock())
            self._partitions[number] = _Partition(limit, quiet, Position(number, -1))

    def _follow(self) -> None:
        revision = self._settings.current
        if revision is self._revision:
            return
        self._revision = revision
        self._effective.clear()
        for number, part in self._partitions.items():
            part.limit.use(self._of, revision.number)
            part.silence.use(self._silence_of, revision.number)
            part.silence.expect(listening.sensors(revision.city, [number]), self._clock())

    def _of(self, reading: Reading) -> SensorSettings:
        return self._tuned(reading.device, reading.kind, reading.place)

    def _tuned(self, device: str, kind: str, place: str) -> SensorSettings:
        key = (device, kind, place)
        found = self._effective.get(key)
        if found is None:
            found = self._settings.current.tuning.of("sensors", SensorSettings, device, kind, place)
            self._effective[key] = found
        return found

    def _silence_of(self, who: Known) -> silence.SilenceSettings:
        return listening.sensor_silence(self._settings.current, who)
