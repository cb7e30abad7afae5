"""A fire in a thermal picture while it is still one hot spot (热成像). No certified fire detector: see the docs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.detection import CONDITION, Origin, candidate
from detectors.thermal.hotspot import HotSpot, HotSpots, Limits
from detectors.thermal.settings import ThermalSettings
from detectors.thermal.verdict import RANK, decide
from hub.errors import MessageError
from hub.model import Candidate, Claim, Point, ThermalFrame, utc

__all__ = ["ThermalFire", "ThermalSettings", "decide"]

NAME: Final = "thermal_fire"
WHOLE: Final = "picture"
"""The zone of everything that no zone of the settings holds."""
WEIGHED_FROM: Final = 45.0
"""°C below which nothing is weighed: the floor of what is stored."""
SHUTTER: Final = 0.4
"""Kelvin by which the median jumps between pictures less than a second apart when the camera calibrates itself."""
SHUTTER_REST: Final = 1.5
"""Seconds after that in which no rise is measured. Flames count all the same."""
PLAUSIBLE: Final = (-40.0, 80.0)
"""°C between which a scene's median lies anywhere people live; outside the scale is doubtful."""
SMOKE_MEMORY: Final = 120.0
"""Seconds for which smoke or CO in the same place makes the fixed rule quicker."""
HINTS: Final = frozenset({"smoke", "co", "heat"})
CAUTION: Final = 2.0
"""°C below the sensor's limit from which a pixel counts as saturated."""
BURNING_OVER: Final = 3.0
"""Seconds of pictures of which the share with flames is told."""
VISUAL_AFTER: Final = 15.0
"""Seconds that a spot without temperature must be there."""


class _Zone(msgspec.Struct):
    """What is going on in one zone. `level` is the highest told, `since` when the condition began."""

    level: str = ""
    since: float = 0.0
    last_hot: float = -math.inf
    quiet_from: float = -math.inf


class _Kept(msgspec.Struct):
    zones: dict[str, _Zone]
    doubtful_since: float


class ThermalFire:
    """Watches one thermal camera. `observe` takes its frames in order; time is theirs alone."""

    def __init__(self, camera: str, place: str, settings: ThermalSettings, revision: int = 0) -> None:
        self.camera = camera
        self.place = place
        self._spots = HotSpots()
        self._zones: dict[str, _Zone] = {}
        self._warm: dict[int, float] = {}
        self._medians: list[tuple[float, float]] = []
        self._shutter = -math.inf
        self._hints: dict[str, float] = {}
        self._doubtful = 0.0
        self._last: ThermalFrame | None = None
        self._masks: tuple[tuple[int, int], dict[str, NDArray[np.bool_]]] | None = None
        self.use(settings, revision)

    def use(self, settings: ThermalSettings, revision: int) -> None:
        """Go on with other settings; what is under way keeps its clock."""
        self.settings = settings
        self.revision = revision
        self._masks = None

    def hint(self, place: str, kind: str, at: float) -> None:
        """Something was reported at a place in view, `at` seconds: it may make us quicker, never silent."""
        if kind in HINTS:
            self._hints[place] = max(at, self._hints.get(place, -math.inf))

    def observe(self, message: ThermalFrame) -> Iterable[Candidate]:
        """One frame. Raises MessageError when its bytes are no picture of its size."""
        if not self.settings.enabled:
            return
        t = message.at.timestamp()
        if self._last is not None and t <= self._last.at.timestamp():
            return  # late or repeated: what came after it has been judged
        self._last = message
        raw = _raw(message)
        if not message.radiometric:
            yield from self._look(raw, message, t)
            return
        celsius = raw.astype(np.float32) * np.float32(message.scale) + np.float32(message.offset)
        ambient = float(np.median(celsius[::3, ::3]))  # a ninth of the pixels gives the same median
        yield from self._doubt(ambient, t)
        self._mind_shutter(ambient, t)
        celsius = self._without_limits(celsius, ambient, t)
        yield from self._judge(celsius, ambient, t, message)
        yield from self._release(t)

    def advance(self, now: float) -> Iterable[Candidate]:
        """Nothing ends without a picture: a camera that says nothing is silence, not safety."""
        self._hints = {place: at for place, at in self._hints.items() if now - at < SMOKE_MEMORY}
        return ()

    def snapshot(self) -> bytes:
        """Which conditions are on."""
        return msgspec.msgpack.encode(_Kept(self._zones, self._doubtful))

    def restore(self, snapshot: bytes) -> None:
        """Go on with conditions that were on."""
        if snapshot:
            kept = msgspec.msgpack.decode(snapshot, type=_Kept)
            self._zones, self._doubtful = kept.zones, kept.doubtful_since

    def _doubt(self, ambient: float, t: float) -> Iterable[Candidate]:
        plausible = PLAUSIBLE[0] <= ambient <= PLAUSIBLE[1]
        if not plausible and not self._doubtful:
            self._doubtful = t
            yield self._candidate("scale", "scale", {"ambient": ambient}, t, t, ())
        elif plausible and self._doubtful:
            yield self._candidate("scale_over", "scale", {"ambient": ambient}, self._doubtful, t, ())
            self._doubtful = 0.0

    def _mind_shutter(self, ambient: float, t: float) -> None:
        if self._medians and t - self._medians[-1][0] < 1.0 and abs(ambient - self._medians[-1][1]) > SHUTTER:
            self._shutter = t
        self._medians = [(t, ambient)]

    def _limits(self, message: ThermalFrame, ambient: float) -> Limits:
        s = self.settings
        slack = s.hysteresis if any(zone.level for zone in self._zones.values()) else 0.0
        warm = max(WEIGHED_FROM, ambient + s.above_ambient)
        flame = min(s.rules.flame.at - slack, message.range_high - CAUTION)
        # A sensor that ends below all flames would call every warm wall one: it is saturated there, no more.
        return Limits(warm, max(flame, warm), slack)

    def _judge(
        self, celsius: NDArray[np.float32], ambient: float, t: float, message: ThermalFrame
    ) -> Iterable[Candidate]:
        limits = self._limits(message, ambient)
        smoke = any(t - at < SMOKE_MEMORY for at in self._hints.values())
        seen = self._spots.see(celsius, limits, t)
        self._warm = {spot.number: self._warm.get(spot.number, t) for spot in self._spots.spots}
        best: dict[str, tuple[int, Candidate]] = {}
        for spot in seen:
            zone = self._zone_of(spot)
            state = self._zones.setdefault(zone, _Zone())
            features = self._features(spot, ambient, t, message, smoke)
            weighed = self._candidate(
                "hot_spot", zone, features, state.since if state.level else spot.began, t, _outline(spot)
            )
            decision = decide(weighed, self.settings)
            rank = RANK[decision.level] if decision.status == "alarm" else 0
            if rank:
                state.last_hot = t
            if rank > best.get(zone, (0, weighed))[0]:
                best[zone] = (rank, weighed)
        for zone, (rank, weighed) in best.items():
            state = self._zones[zone]
            if rank > RANK[state.level]:
                if not state.level:
                    state.since = weighed.claim.start.timestamp()
                state.level = decide(weighed, self.settings).level
                yield weighed

    def _features(
        self, spot: HotSpot, ambient: float, t: float, message: ThermalFrame, smoke: bool
    ) -> dict[str, float]:
        now = spot.now
        share, lasted = spot.burning(BURNING_OVER)
        resting = t - self._shutter < SHUTTER_REST
        slope60 = None if resting else spot.slope(60.0)
        slope20 = None if resting else spot.slope(20.0)
        growth, grown = spot.growth()
        if now.t95 < self.settings.rules.fixed.at - (self.settings.hysteresis if self._told(spot) else 0.0):
            self._warm[spot.number] = t
        return {
            "max_c": now.highest,
            "t95": now.t95,
            "area": float(now.area),
            "ambient": ambient,
            "saturated": float(now.highest >= message.range_high - CAUTION),
            "flame_pixels": float(max((m.flames for m in spot.recent if t - m.t <= BURNING_OVER), default=0)),
            "flame_share": share,
            "flame_seconds": lasted,
            "warm_seconds": t - self._warm[spot.number],
            "slope60": slope60 if slope60 is not None else 0.0,
            "slope20": slope20 if slope20 is not None else 0.0,
            "rise": spot.rise(),
            "growth": growth,
            "growth_pixels": float(grown),
            "moving": float(spot.moving),
            "drift": spot.drift,
            "smoke": float(smoke),
        }

    def _told(self, spot: HotSpot) -> bool:
        zone = self._zones.get(self._zone_of(spot))
        return zone is not None and bool(zone.level)

    def _release(self, t: float) -> Iterable[Candidate]:
        for name, zone in self._zones.items():
            if zone.level and t - zone.last_hot >= self.settings.release:
                quiet = {"quiet": t - zone.last_hot, "max_c": 0.0}
                yield self._candidate("over", name, quiet, zone.since, t, ())
                zone.level = ""

    def _look(self, raw: NDArray[np.uint16], message: ThermalFrame, t: float) -> Iterable[Candidate]:
        """A picture without temperatures: only what is new, bright, growing and flickering is worth a look."""
        grey = raw.astype(np.float32)
        low, middle, high, bright = (float(v) for v in np.percentile(grey[::2, ::2], (16, 50, 84, 99)))
        if bright - middle <= 2.0 * (high - low):
            return  # noise has a brightest hundredth too
        for spot in self._spots.see(grey, Limits(bright, math.inf), t):
            areas = np.array([m.area for m in spot.recent], np.float64)
            unsteady = float(areas.std() / max(areas.mean(), 1.0))
            growth, grown = spot.growth()
            zone = self._zones.setdefault("visual", _Zone())
            old_enough = t - spot.began >= VISUAL_AFTER
            if zone.level or spot.moving or not old_enough or unsteady < 0.15 or growth < 0.5 or grown < 9:
                continue
            zone.level, zone.since = "notice", spot.began
            features = {"unsteady": unsteady, "growth": growth, "area": float(spot.now.area)}
            yield self._candidate("visual", "visual", features, spot.began, t, _outline(spot))

    def _zone_of(self, spot: HotSpot) -> str:
        for name, zone in self.settings.zones.items():
            outline = np.array(zone.polygon, np.float32)
            if cv2.pointPolygonTest(outline, (spot.now.x, spot.now.y), False) >= 0:
                return name
        return WHOLE

    def _without_limits(self, celsius: NDArray[np.float32], ambient: float, t: float) -> NDArray[np.float32]:
        """Zones with a limit of their own show nothing below it."""
        limited = {n: z for n, z in self.settings.zones.items() if z.limit is not None}
        if not limited:
            return celsius
        if self._masks is None or self._masks[0] != celsius.shape:
            shape = (celsius.shape[0], celsius.shape[1])
            self._masks = (shape, {name: _filled(zone.polygon, shape) for name, zone in limited.items()})
        today = utc(t).date()
        for name, zone in limited.items():
            if zone.limit is not None and (zone.until is None or today <= zone.until):
                celsius = np.where(self._masks[1][name] & (celsius < zone.limit), np.float32(ambient), celsius)
        return celsius

    def _candidate(
        self, about: str, zone: str, features: dict[str, float], start: float, t: float, path: tuple[Point, ...]
    ) -> Candidate:
        last = self._last
        assert last is not None
        claim = Claim(
            kind=NAME,
            subject=self.camera,
            place=self.place or last.place,
            start=utc(start),
            end=utc(t),
            features=features,
            path=path,
            words={CONDITION: f"{NAME}:{self.camera}:{zone}", "zone": zone, "about": about},
        )
        return candidate(Origin(NAME, last.site, self.revision, last.purpose), claim, last.at)


def _raw(message: ThermalFrame) -> NDArray[np.uint16]:
    if len(message.raw) != message.width * message.height * 2 or not message.raw:
        raise MessageError("truncated", f"{len(message.raw)} bytes are no {message.width}x{message.height} picture")
    return np.frombuffer(message.raw, "<u2").reshape(message.height, message.width)


def _outline(spot: HotSpot) -> tuple[Point, ...]:
    left, top, wide, high = spot.box
    corners = ((left, top), (left + wide, top), (left + wide, top + high), (left, top + high))
    return tuple(Point(spot.now.t, float(x), float(y), float(spot.now.area)) for x, y in corners)


def _filled(polygon: tuple[tuple[float, float], ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.array(polygon, np.int32)], (1,))
    return mask.astype(bool)
