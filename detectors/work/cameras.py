"""Listening for the cameras of one loop: who of them stopped sending, remembered over a restart."""

from __future__ import annotations

from collections.abc import Callable

from detectors import silence
from detectors.silence import Heard, Known, Silence, SilenceSettings
from detectors.work import listening
from detectors.work.memory import Memory
from detectors.work.outlet import Outlet
from hub.bus import Position
from hub.settings.revision import Revision, Settings
from hub.topics import partition_of


class CameraSilence:
    """`kind` is the cameras' ("visible", "thermal"); `rule` says how long one may be silent."""

    def __init__(
        self,
        kind: str,
        rule: Callable[[Revision, Known], SilenceSettings],
        settings: Settings,
        outlet: Outlet,
        memory: Memory,
        began: float,
    ) -> None:
        self._kind = kind
        self._rule = rule
        self._settings = settings
        self._outlet = outlet
        self._memory = memory
        self._silence = Silence(self._of, began)
        self._held: frozenset[int] = frozenset()
        self._opened: frozenset[int] = frozenset()
        self._told = False

    def assigned(self, held: frozenset[int]) -> None:
        """Listen for the cameras of these partitions and for no others."""
        self._held = held
        self._silence.forget([name for name in self._silence.listened if partition_of(name.encode()) not in held])
        self._opened &= held

    async def open(self, now: float) -> None:
        """Learn what was heard before of partitions that are new here. Raises TransientError."""
        fresh = self._held - self._opened
        for partition in sorted(fresh):
            self._silence.restore(await self._memory.load(silence.NAME, f"{self._kind}/{partition}"))
        if fresh:
            self._opened = self._held
            self.follow(now)

    def follow(self, now: float) -> None:
        """The settings have changed: others may be registered, or be allowed another silence."""
        revision = self._settings.current
        self._silence.use(self._of, revision.number)
        self._silence.expect(listening.cameras(revision.city, self._kind, self._held), now)

    def heard(self, camera: str, site: str, place: str, at: float) -> None:
        """A camera sent something, which arrived at `at` seconds."""
        who = Known(camera, site, listening.CAMERA, place)
        for found in self._silence.observe(Heard(who, at)):
            self._outlet.take(found, silence.decide(found, self._of(who)))
            self._told = True

    def advance(self, now: float) -> None:
        """Tell who has been silent for too long. Only while nothing waits to be heard."""
        for found in self._silence.advance(now):
            who = Known(found.claim.subject, found.site, found.claim.kind, found.claim.place)
            self._outlet.take(found, silence.decide(found, self._of(who)))
            self._told = True

    async def save(self, *, now_and_then: bool) -> None:
        """Keep who was heard when: at once after something was told, else when `now_and_then` is due."""
        if not (self._told or now_and_then):
            return
        states = {
            f"{self._kind}/{partition}": (self._silence.snapshot(_in(partition)), Position(partition, -1))
            for partition in self._opened
        }
        await self._memory.save(silence.NAME, states)
        self._told = False

    def _of(self, who: Known) -> SilenceSettings:
        return self._rule(self._settings.current, who)


def _in(partition: int) -> Callable[[str], bool]:
    return lambda name: partition_of(name.encode()) == partition
