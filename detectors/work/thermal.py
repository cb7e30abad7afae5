"""The loop of the thermal cameras: every frame is looked at, by what the neighbours reported, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from detectors import thermal_fire
from detectors.thermal_fire import HINTS, ThermalFire, ThermalSettings
from detectors.work import listening
from detectors.work.cameras import CameraSilence
from detectors.work.memory import Memory
from detectors.work.outlet import Outlet
from hub.bus import Assignment, Delivery, Position
from hub.model import LIVE, Alert, Candidate, ThermalFrame
from hub.settings.city import City
from hub.settings.revision import Revision, Settings

SAVE_EVERY: Final = 60.0


class _Watch(msgspec.Struct):
    """One camera."""

    fire: ThermalFire
    partition: int
    position: Position


class ThermalLoop:
    """Handles deliveries of THERMAL, and of ALERTS as hints. `clock` is seconds since 1970."""

    def __init__(self, outlet: Outlet, memory: Memory, settings: Settings, clock: Callable[[], float]) -> None:
        self._outlet = outlet
        self._memory = memory
        self._settings = settings
        self._clock = clock
        self._revision: Revision | None = None
        self._watches: dict[str, _Watch] = {}
        self._silence = CameraSilence("thermal", listening.thermal_silence, settings, outlet, memory, clock())
        self._held: frozenset[int] = frozenset()
        self._saved = clock()
        self._behind = True
        self.lock = asyncio.Lock()

    def assigned(self, assignment: Assignment) -> None:
        """Drop the cameras that another member has now, and listen for those that are ours."""
        held = frozenset(partition for _, partition in assignment.partitions)
        if held == self._held:
            return
        self._held = held
        for lost in [name for name, watch in self._watches.items() if watch.partition not in held]:
            del self._watches[lost]
        self._silence.assigned(held)

    def settled(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Delivery[Any]]:
        """All of them."""
        self._behind = len(deliveries) > 0
        return deliveries

    async def handle(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """Look at a batch of frames. Raises MessageError, TransientError."""
        frames: list[tuple[Delivery[Any], ThermalFrame]] = [(one, one.decode()) for one in deliveries]
        async with self.lock:
            self._follow()
            await self._silence.open(self._clock())
            for delivery, frame in frames:
                watch = await self._watch(delivery, frame)
                watch.position = Position(delivery.partition, delivery.offset)
                if frame.purpose == LIVE:
                    self._silence.heard(frame.camera, frame.site, watch.fire.place, frame.arrived_at.timestamp())
                # Ten thousand pixels take a millisecond; a batch of large ones would hold up the loop.
                for one in await asyncio.to_thread(_looked, watch.fire, frame):
                    self._outlet.take(one, thermal_fire.decide(one, watch.fire.settings))
            await self._finish()

    async def heed(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """Alerts nearby: they may make us quicker, never silent."""
        alerts: list[Alert] = [one.decode() for one in deliveries]
        city = self._settings.current.city
        async with self.lock:
            for alert in alerts:
                if alert.kind in HINTS and alert.purpose == LIVE and alert.ended_at is None:
                    for name, watch in self._watches.items():
                        if sees(city, name, alert.place):
                            watch.fire.hint(alert.place, alert.kind, alert.began_at.timestamp())

    async def tick(self) -> None:
        """Once a second."""
        async with self.lock:
            self._follow()
            await self._silence.open(self._clock())
            now = self._clock()
            for watch in self._watches.values():
                for found in watch.fire.advance(now):
                    self._outlet.take(found, thermal_fire.decide(found, watch.fire.settings))
            if not self._behind:
                self._silence.advance(now)
            await self._finish()

    async def _finish(self) -> None:
        now = self._clock()
        due = now - self._saved >= SAVE_EVERY
        if self._outlet.waiting or due:
            await self._outlet.flush()
            await self._silence.save(now_and_then=due)
            states = {name: (watch.fire.snapshot(), watch.position) for name, watch in self._watches.items()}
            await self._memory.save(thermal_fire.NAME, states)
            self._saved = now

    async def _watch(self, delivery: Delivery[Any], frame: ThermalFrame) -> _Watch:
        watch = self._watches.get(frame.camera)
        if watch is None:
            revision = self._settings.current
            known = revision.city.camera(frame.camera)
            fire = ThermalFire(
                frame.camera, known.place if known else frame.place, self._tuned(frame.camera), revision.number
            )
            fire.restore(await self._memory.load(thermal_fire.NAME, frame.camera))
            watch = _Watch(fire, delivery.partition, Position(delivery.partition, delivery.offset))
            self._watches[frame.camera] = watch
        return watch

    def _follow(self) -> None:
        revision = self._settings.current
        if revision is self._revision:
            return
        self._revision = revision
        for name, watch in self._watches.items():
            watch.fire.use(self._tuned(name), revision.number)
        self._silence.follow(self._clock())

    def _tuned(self, camera: str) -> ThermalSettings:
        return self._settings.current.tuning.of("thermal", ThermalSettings, camera)


def _looked(fire: ThermalFire, frame: ThermalFrame) -> list[Candidate]:
    return list(fire.observe(frame))


def sees(city: City, camera: str, place: str) -> bool:
    """Whether a place is in a camera's view: named so, or in the same building as the camera."""
    known = city.camera(camera)
    if known is None:
        return False
    views = known.sees or ("/".join(known.place.split("/")[:2]),)
    return any(place == view or place.startswith(view + "/") for view in views)
