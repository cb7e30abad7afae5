"""A device or a camera that stopped reporting: heard too long ago, or never since the hub began."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from detectors.decision import Decision
from detectors.detection import CONDITION, Origin, candidate
from detectors.sensor.settings import EXACT, SensorSettings
from hub.model import Candidate, Claim, utc
from hub.settings.quantity import Seconds

__all__ = ["Heard", "Known", "Silence", "SilenceSettings", "decide"]

NAME: Final = "silence"
START_GRACE: Final = 90.0
"""Seconds after our own start in which nothing is called silent: a neighbour may have been down as well."""
UNKNOWN_PERIOD: Final = 600.0
"""Seconds allowed to a device whose usual pause is not known yet, once it has been heard."""
LEARNED: Final = 3
"""Pauses after which the usual one is known."""


class SilenceSettings(BaseModel):
    """How long a device or camera may say nothing. Filled from the sections of sensors and cameras."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Seconds = Field(default=60.0, description="Never silent before so long.", json_schema_extra=EXACT)
    periods: float = Field(
        default=5.0, description="Silent after so many usual pauses; 0 for cameras. No unit.", json_schema_extra=EXACT
    )

    @staticmethod
    def of_sensor(settings: SensorSettings) -> SilenceSettings:
        """The sensors' own."""
        return SilenceSettings.model_construct(after=settings.silent_after, periods=settings.silent_periods)

    @staticmethod
    def of_camera(after: float) -> SilenceSettings:
        """A camera speaks all the time: no pause to learn."""
        return SilenceSettings.model_construct(after=after, periods=0.0)


class Known(msgspec.Struct, frozen=True):
    """Who is expected to be heard. `kind` is the device's kind, "camera" for a camera."""

    id: str
    site: str
    kind: str
    place: str


class Heard(msgspec.Struct, frozen=True):
    """Somebody was heard: when, in seconds since 1970 by the hub's own clock."""

    who: Known
    at: float


class _Ear(msgspec.Struct):
    who: Known
    last: float
    heard: bool = False
    pause: float = 0.0
    pauses: int = 0
    silent_since: float = 0.0


class _Kept(msgspec.Struct):
    ears: dict[str, _Ear]


class Silence:
    """Listens for everyone. `settings` gives what holds for one of them; `expect` names the registered ones."""

    def __init__(self, settings: Callable[[Known], SilenceSettings], began: float, revision: int = 0) -> None:
        self._settings = settings
        self.began = began
        self.revision = revision
        self._ears: dict[str, _Ear] = {}

    def use(self, settings: Callable[[Known], SilenceSettings], revision: int) -> None:
        """Go on with other settings; what was heard stays heard."""
        self._settings = settings
        self.revision = revision

    def expect(self, known: Iterable[Known], now: float) -> None:
        """These are registered here. Others who were expected and never heard are forgotten."""
        ids = set()
        for who in known:
            ids.add(who.id)
            ear = self._ears.get(who.id)
            if ear is None:
                self._ears[who.id] = _Ear(who, now)
            elif ear.who != who:
                ear.who = who
        self._ears = {name: ear for name, ear in self._ears.items() if name in ids or ear.heard}

    def forget(self, ids: Iterable[str]) -> None:
        """Somebody else listens to these now."""
        for name in ids:
            self._ears.pop(name, None)

    @property
    def listened(self) -> frozenset[str]:
        """Everyone listened for."""
        return frozenset(self._ears)

    def observe(self, message: Heard) -> Iterable[Candidate]:
        """Somebody was heard; who was silent is not any more."""
        ear = self._ears.get(message.who.id)
        if ear is None:
            self._ears[message.who.id] = _Ear(message.who, message.at, heard=True)
            return
        pause = message.at - ear.last
        if ear.heard and pause > 0:
            # A longer pause is believed at once, a shorter one slowly: better late than called silent for nothing.
            ear.pause += (pause - ear.pause) * (0.5 if pause > ear.pause else 0.1)
            ear.pauses += 1
        ear.heard = True
        ear.last = max(ear.last, message.at)
        if ear.silent_since:
            since, ear.silent_since = ear.silent_since, 0.0
            yield self._candidate(ear, "over", since, message.at, {"silent": message.at - since})

    def advance(self, now: float) -> Iterable[Candidate]:
        """Who has said nothing for too long. Call it only while nothing waits to be heard."""
        for ear in self._ears.values():
            if ear.silent_since:
                continue
            quiet = now - max(ear.last, self.began)
            if now - self.began < START_GRACE:
                continue
            features = {
                "quiet": quiet,
                "pause": ear.pause if ear.pauses >= LEARNED else 0.0,
                "heard": float(ear.heard),
            }
            if quiet > _allowed(features, self._settings(ear.who)):
                ear.silent_since = max(ear.last, self.began)
                yield self._candidate(ear, "silent", ear.silent_since, now, features)

    def snapshot(self, wanted: Callable[[str], bool] = lambda _: True) -> bytes:
        """Who was heard when, and who is silent; of those whose id is wanted."""
        told = {name: ear for name, ear in self._ears.items() if (ear.heard or ear.silent_since) and wanted(name)}
        return msgspec.msgpack.encode(_Kept(told))

    def restore(self, snapshot: bytes) -> None:
        """Go on with what others heard before; nobody is called silent for our own absence."""
        if snapshot:
            for name, ear in msgspec.msgpack.decode(snapshot, type=_Kept).ears.items():
                known = self._ears.get(name)
                if known is None or not known.heard:
                    self._ears[name] = ear

    def _candidate(self, ear: _Ear, about: str, start: float, now: float, features: dict[str, float]) -> Candidate:
        who = ear.who
        claim = Claim(
            kind=who.kind,
            subject=who.id,
            place=who.place or who.site,
            start=utc(start),
            end=utc(max(now, start)),
            features=features,
            words={CONDITION: f"{who.id}:silent", "about": about},
        )
        return candidate(Origin(NAME, who.site, self.revision), claim, utc(now))


def decide(candidate: Candidate, settings: SilenceSettings) -> Decision:
    """Silent, heard again, or merely slow. Reads the claim's features and words alone."""
    f = candidate.claim.features
    if candidate.claim.words["about"] == "over":
        reason = f"heard again after {f['silent']:.0f} s"
        return Decision(status="clear", level="fault", rule="silent", reason=reason, confidence=1.0, numbers=f)
    if f["quiet"] <= _allowed(f, settings):
        return Decision(
            status="rejected", level="fault", rule="silent", reason="it may just be slow", confidence=0.0, numbers=f
        )
    never = "" if f["heard"] else ", and never since the hub began"
    reason = f"nothing heard for {f['quiet']:.0f} s{never}"
    return Decision(status="alarm", level="fault", rule="silent", reason=reason, confidence=1.0, numbers=f)


def _allowed(f: dict[str, float], settings: SilenceSettings) -> float:
    """Seconds that it may be quiet."""
    if not settings.periods or not f["heard"]:
        return settings.after
    return max(settings.after, settings.periods * f["pause"] if f["pause"] else UNKNOWN_PERIOD)
