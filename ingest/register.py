"""Who said it, where that stands, and at what instant: from what a device said to records on the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec

from hub.identity import derived
from hub.model import UNPLACED, Reading, ThermalFrame, utc
from hub.settings.city import City
from ingest.said import Said, SaidFrame
from ingest.seen import Heard

UNITS: Final = {
    "temperature": "°C",
    "gas": "%LEL",
    "carbon_monoxide": "ppm",
    "water_pressure": "kPa",
    "speed": "m/s",
    "tilt": "°",
    "residual_current": "mA",
}
REPEAT_SECONDS: Final = 60.0
"""A message without a usable time of its own that comes again within this with MQTT's DUP flag is the same one."""
_MOST_REMEMBERED: Final = 100_000
_STRANGE: Final = re.compile(r"[^a-z0-9-]+")


class Skew(msgspec.Struct, frozen=True):
    """How far a device's time may be from the hub's to be believed, in seconds."""

    past: float = 300.0
    future: float = 30.0


class Station(msgspec.Struct, frozen=True):
    """A device as the registry knows it, or as its topic makes us believe."""

    id: str
    site: str
    kind: str
    place: str
    registered: bool


class Message(msgspec.Struct, frozen=True):
    """An MQTT message as it arrived: `arrived` in seconds since 1970, `again` its DUP flag."""

    topic: str
    payload: bytes
    arrived: float
    again: bool = False


class Register:
    """Places and dates what was said. `city` gives what is registered now."""

    def __init__(self, city: Callable[[], City], skew: Skew | None = None) -> None:
        self._city = city
        self._skew = skew or Skew()
        self._recent: dict[bytes, float] = {}
        self._older: dict[bytes, float] = {}
        self._since = 0.0

    def readings(self, said: Said, message: Message) -> tuple[list[Reading], Heard]:
        """One reading for each value, and the sign of life."""
        station = self.station(said.site, said.kind, said.device)
        arrived = self._arrival(said.t, message)
        at, clock, device_at = self._instant(said.t, arrived)
        arrived_at = utc(arrived)
        if said.t is not None:
            # Device, its time, its count: whatever way the message came, it is the same one. A device that does not
            # count may open and close within one of its seconds: then what it said makes the difference.
            count = _digest(message).hex() if said.sequence is None else said.sequence
            seed: tuple[object, ...] = (station.id, repr(said.t), count)
        else:
            seed = (message.topic, _digest(message).hex(), repr(arrived))
        readings = [
            Reading(
                id=derived("reading", *seed, metric),
                site=station.site,
                device=station.id,
                kind=station.kind,
                metric=metric,
                value=value,
                unit=UNITS.get(metric, ""),
                at=at,
                clock=clock,
                device_at=device_at,
                arrived_at=arrived_at,
                sequence=said.sequence,
                place=station.place,
                registered=station.registered,
                purpose=said.purpose,
            )
            for metric, value in said.values.items()
        ]
        return readings, _heard(station, at, arrived_at, said.sequence)

    def frame(self, said: SaidFrame, message: Message) -> tuple[ThermalFrame, Heard]:
        """The thermal picture as a record, and the sign of life."""
        station = self.station(said.site, "thermal", said.camera)
        arrived = self._arrival(said.t, message)
        at, clock, _ = self._instant(said.t, arrived)
        frame = ThermalFrame(
            camera=station.id,
            site=station.site,
            at=at,
            clock=clock,
            arrived_at=utc(arrived),
            width=said.width,
            height=said.height,
            scale=said.scale,
            offset=said.offset,
            range_low=said.range_low,
            range_high=said.range_high,
            radiometric=said.radiometric,
            sequence=said.sequence,
            place=station.place,
            purpose=said.purpose,
            raw=said.raw,
        )
        return frame, _heard(station, at, frame.arrived_at, said.sequence)

    def station(self, site: str, kind: str, device: str) -> Station:
        """The registered device, by id or serial number; else one at the site of its topic, or `unplaced`."""
        city = self._city()
        if known := city.device(f"{site}/{device}") or city.by_serial(device):
            return Station(known.id, known.site, known.kind, known.place, True)
        if camera := city.camera(f"{site}/{device}"):
            return Station(camera.id, camera.site, kind, camera.place, True)
        name = f"{_slug(site)}/{_slug(device)}"
        here = site if site in city.sites else UNPLACED
        return Station(name, here, _slug(kind) if kind else "unknown", here, False)

    def _instant(self, t: float | None, arrived: float) -> tuple[datetime, Literal["device", "hub"], datetime | None]:
        if t is None:
            return utc(arrived), "hub", None
        device_at = utc(t)
        if -self._skew.past <= t - arrived <= self._skew.future:
            return device_at, "device", device_at
        return utc(arrived), "hub", device_at

    def _arrival(self, t: float | None, message: Message) -> float:
        """When it came first: the instant of a message whose own time is of no use must not change when it repeats."""
        arrived = message.arrived
        if t is not None and -self._skew.past <= t - arrived <= self._skew.future:
            return arrived
        digest = _digest(message)
        first = self._recent.get(digest, self._older.get(digest))
        if message.again and first is not None and 0 <= arrived - first <= REPEAT_SECONDS:
            return first
        if arrived - self._since > REPEAT_SECONDS or len(self._recent) >= _MOST_REMEMBERED:
            self._recent, self._older, self._since = {}, self._recent, arrived
        self._recent[digest] = arrived
        return arrived


def _heard(station: Station, at: datetime, arrived: datetime, sequence: int | None) -> Heard:
    return Heard(
        device=station.id,
        site=station.site,
        kind=station.kind,
        place=station.place,
        registered=station.registered,
        at=at,
        arrived=arrived,
        sequence=sequence,
    )


def _digest(message: Message) -> bytes:
    told = hashlib.blake2b(message.topic.encode(), digest_size=16)
    told.update(b"\0" + message.payload)
    return told.digest()


def _slug(word: str) -> str:
    """An id of ours from any word: lower case, other characters than letters, digits and '-' as '-'."""
    return _STRANGE.sub("-", word.lower()).strip("-")[:63] or "unnamed"
