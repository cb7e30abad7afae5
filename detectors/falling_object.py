"""Something fell from the facade: seen by its path, which only gravity draws (高空抛物)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.detection import CONDITION, Origin, candidate
from detectors.falling.origin import Geometry, floors, origin
from detectors.falling.response import Blobs, Response
from detectors.falling.settings import FallingSettings
from detectors.falling.tracks import AREA, AT, Track, Tracks, X, Y
from detectors.falling.trajectory import GRAVITY, LEVEL, Fall, Lens, fall
from detectors.falling.verdict import FLOOR, decide
from hub.identity import derived
from hub.model import Candidate, Claim, Point, utc
from hub.picture import Picture

__all__ = ["FallingObject", "FallingSettings", "decide"]

NAME: Final = "falling_object"
WEIGHED_POINTS: Final = 8
"""Points below which a track is not weighed at all: the floor of what is stored."""
WEIGHED_SPAN: Final = 0.08
"""Share of the picture's height below which a track is not weighed."""
SAME_SECONDS: Final = 0.45
"""Two paths that pass the same rows within so many seconds of each other..."""
SAME_COLUMNS: Final = 0.2
"""...and within this share of the picture's width are one fall: an object and its reflection in the glass."""
HIDDEN: Final = 0.5
"""Seconds for which a fall may be hidden, by a balcony say, and still be one."""
MEMORY: Final = 60.0
"""Seconds for which other things that went down are remembered as company."""
GUESSES: Final = (LEVEL, -2.0, -0.8, -0.3)
"""Vanishing rows tried without calibration: level (in pixels), then in picture heights."""
GUESSED_SHARE: Final = (0.25, 2.4)
"""Acceleration shares between which a guessed vanishing row makes a fall of a path; the best of those is taken."""


class Coverage(msgspec.Struct, frozen=True):
    """What a camera's detector has seen: seconds watched, of which it was not sure, and the share it can't judge."""

    seconds: float
    uncovered: float
    masked: float


class _Seen(msgspec.Struct):
    """One thing that went down: every track of it. `status` is the strongest decision told so far."""

    began: float
    track: int
    points: NDArray[np.float64]
    before: NDArray[np.float64] | None = None
    status: str = "rejected"
    passed: int = 0


class _Learned(msgspec.Struct):
    height: int
    width: int
    usual: bytes
    duty: bytes
    rows: int
    columns: int
    age: float


class FallingObject:
    """Watches one camera. `observe` takes its pictures in order; time is theirs alone."""

    def __init__(
        self, camera: str, place: str, settings: FallingSettings, geometry: Geometry | None = None, revision: int = 0
    ) -> None:
        self.camera = camera
        self.place = place
        self.geometry = geometry or Geometry()
        self._response = Response(settings.contrast)
        self._tracks: Tracks | None = None
        self._seen: list[_Seen] = []
        self._session = ""
        self._size = (0, 0)
        self._first = self._last = -math.inf
        self._uncovered = 0.0
        self._site, self._purpose = "", "live"
        self._mask: NDArray[np.uint8] | None = None
        self.use(settings, revision)

    def use(self, settings: FallingSettings, revision: int) -> None:
        """Go on with other settings. Nothing that is under way is lost."""
        self.settings = settings
        self.revision = revision
        self._response.threshold = settings.contrast
        self._mask = None

    @property
    def coverage(self) -> Coverage:
        """Seconds since the first picture, and those in which a fall could have been missed."""
        watched = max(0.0, self._last - self._first) if math.isfinite(self._first) else 0.0
        cold = min(watched, self.settings.cold_start)
        return Coverage(
            watched, min(watched, cold + self._uncovered), self._response.busy_share(self.settings.activity)
        )

    def observe(self, message: Picture) -> Iterable[Candidate]:
        """One picture of this camera. Candidates are those that it settled, mostly none."""
        if not self.settings.enabled:
            return
        if message.session != self._session or (message.height, message.width) != self._size:
            self._begin(message)
        self._site, self._purpose = message.site, message.purpose
        if math.isfinite(self._last):
            gap = message.at - self._last
            self._uncovered += gap if gap > 0.5 else 0.0
        else:
            self._first = message.at
        blobs = self._response.push(message.luma, message.at)
        if blobs is not None:
            assert self._tracks is not None
            if not blobs.calm:
                self._tracks.clear()
                self._uncovered += max(0.0, message.at - self._last) if math.isfinite(self._last) else 0.0
            for track in self._tracks.step(self._outside_masks(blobs, message), WEIGHED_POINTS):
                yield from self._weigh(track, message.at)
        self._last = message.at

    def advance(self, now: float) -> Iterable[Candidate]:
        """End what no picture continues, `now` in seconds since 1970."""
        if self._tracks is not None and now - self._last > 1.0:
            self._tracks.clear()
        self._seen = [seen for seen in self._seen if now - seen.points[-1, AT] < MEMORY]
        return ()

    def snapshot(self) -> bytes:
        """What was learned of leaves and noise, some 15 kB compressed to bytes a tile."""
        usual, duty, age = self._response.learned()
        if usual is None or duty is None:
            return b""
        learned = _Learned(
            height=self._size[0],
            width=self._size[1],
            usual=np.clip(usual, 0, 255).astype(np.uint8).tobytes(),
            duty=np.clip(duty * 255, 0, 255).astype(np.uint8).tobytes(),
            rows=usual.shape[0],
            columns=usual.shape[1],
            age=age,
        )
        return msgspec.msgpack.encode(learned)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot. One of another picture size is forgotten when the first picture shows it."""
        if not snapshot:
            return
        learned = msgspec.msgpack.decode(snapshot, type=_Learned)
        shape = (learned.rows, learned.columns)
        usual = np.frombuffer(learned.usual, np.uint8).reshape(shape).astype(np.float32)
        duty = np.frombuffer(learned.duty, np.uint8).reshape(shape).astype(np.float32) / np.float32(255)
        self._response.learn_from((learned.height, learned.width), usual, duty, learned.age)

    def _begin(self, picture: Picture) -> None:
        if (picture.height, picture.width) != self._size:
            self._size = (picture.height, picture.width)
            self._tracks = Tracks(picture.height)
            self._mask = None
        assert self._tracks is not None
        self._session = picture.session
        self._tracks.clear()
        self._response.restart()

    def _outside_masks(self, blobs: Blobs, picture: Picture) -> Blobs:
        if not self.settings.masks or not len(blobs.x):
            return blobs
        if self._mask is None:
            self._mask = np.ones(self._size, np.uint8)
            today = _day(picture.at)
            for mask in self.settings.masks.values():
                if mask.until is None or today <= mask.until:
                    cv2.fillPoly(self._mask, [np.array(mask.polygon, np.int32)], (0,))
        rows = np.clip(blobs.y.astype(int), 0, self._size[0] - 1)
        columns = np.clip(blobs.x.astype(int), 0, self._size[1] - 1)
        keep = self._mask[rows, columns] > 0
        names = ("x", "y", "area", "strength", "duty", "wide", "high")
        return msgspec.structs.replace(blobs, **{name: getattr(blobs, name)[keep] for name in names})

    def _weigh(self, track: Track, now: float) -> Iterable[Candidate]:
        if track.points[-1, Y] - track.points[0, Y] < WEIGHED_SPAN * self._size[0]:
            return
        seen = self._thing(track)
        repeat = seen.track != track.number
        points = track.points if repeat else seen.points
        # A growing track is looked at with each point until it is told of, and once more at its end.
        if not track.ended and seen.status == "alarm":
            return
        found = self._fit(points)
        if found is None:
            return
        weighed = self._candidate(seen, found, points, now, repeat)
        decision = decide(weighed, self.settings)
        stronger = _RANK[decision.status] > _RANK[seen.status]
        if decision.status == "alarm" and stronger and not track.ended:
            # Two looks must agree, so that a curve that fits for a moment does not ring.
            seen.passed += 1
            if seen.passed < 2:
                return
        elif decision.status != "alarm":
            seen.passed = 0
        if decision.status == "suspected" and not track.ended:
            return  # the quiet list can wait for the whole path
        again = decision.status == seen.status == "alarm"
        if stronger or again or track.ended:
            if stronger:
                seen.status = decision.status
            if stronger or again or decision.status == "rejected":
                yield weighed

    def _thing(self, track: Track) -> _Seen:
        """The thing this track shows: one seen before (grown, gone on behind a balcony, reflected), or a new one.

        A reflection or a second hypothesis takes over only while nothing was told of the first.
        """
        points = track.points
        for seen in self._seen:
            if seen.track == track.number:
                seen.points = _joined(seen.before, points)
                return seen
            if _follows(seen.points, points, self._size[1]):
                seen.track, seen.before, seen.points = track.number, seen.points, _joined(seen.points, points)
                return seen
            if _beside(seen.points, points, self._size[1]):
                if seen.status != "alarm" and len(points) > len(seen.points):
                    seen.track, seen.before, seen.points = track.number, None, points
                return seen
        seen = _Seen(began=float(points[0, AT]), track=track.number, points=points)
        self._seen.append(seen)
        return seen

    def _fit(self, points: NDArray[np.float64]) -> tuple[Fall, float] | None:
        """The track as a fall, and its leaning in the worst case that perspective allows."""
        step = max(self._response.step, 1e-3)
        height, width = self._size
        if self.geometry.vanishing_row is not None:
            found = fall(points, Lens(width, height, self.geometry.vanishing_row), step)
            return None if found is None else (found, abs(found.leaning))
        rows = [guess if guess == LEVEL else guess * height for guess in GUESSES]
        fits = [f for row in rows if (f := fall(points, Lens(width, height, row), step)) is not None]
        if not fits:
            return None
        plausible = [f for f in fits if GUESSED_SHARE[0] < f.share < GUESSED_SHARE[1]]
        return min(plausible or fits, key=lambda f: f.residual), max(abs(f.leaning) for f in fits)

    def _candidate(
        self, seen: _Seen, found: tuple[Fall, float], points: NDArray[np.float64], now: float, repeat: bool
    ) -> Candidate:
        fit, leaning = found
        seconds = fit.ended - fit.began
        # Gravity's own yardstick: a fall that takes T seconds with acceleration share A went down g T^2 / A metres.
        metres = GRAVITY * seconds**2 / fit.share if fit.share > 0.01 else 1e3
        entry = GRAVITY * seconds * (1 / fit.share - 0.5) if fit.share > 0.01 else 1e3
        features = {
            "points": float(fit.points),
            "seconds": seconds,
            "span": fit.span,
            "span_share": fit.span / self._size[0],
            "residual": fit.residual,
            "sideways": fit.sideways,
            "share": fit.share,
            "leaning": leaning,
            "wall": min(fit.wall, 1e6),
            "entry_speed": entry,
            "kept": fit.kept,
            "fill": fit.fill,
            "steady": fit.monotone,
            "end_speed_px": fit.end_speed,
            "area": fit.area,
            "area_spread": fit.area_spread,
            "strength": fit.strength,
            "activity": fit.duty,
            "high": fit.high,
            "age": fit.began - self._first,
            "company": float(self._company(seen)),
            "inside": self._inside(points),
            "floors_down": min(metres / (self.geometry.floor_height or FLOOR), 1e3),
            "calibrated": float(self.geometry.vanishing_row is not None),
            "repeat": float(repeat),
        }
        scale = floors(self.geometry, float(points[0, X]))
        if scale is not None:
            came = origin(fit, scale, self.geometry.floor_height)
            features |= {
                "scaled": 1.0,
                "floors_down": max(came.drop, 0.0),
                "gravity": came.gravity,
                "end_speed": came.end_speed,
                "origin_floor": came.floor,
                "origin_low": came.low,
                "origin_high": came.high,
            }
        claim = Claim(
            kind=NAME,
            subject=self.camera,
            place=self.place,
            start=utc(seen.began),
            end=utc(fit.ended),
            features=features,
            path=tuple(Point(*(round(float(p[c]), 3) for c in (AT, X, Y, AREA))) for p in points),
            words={CONDITION: derived("fall", self.camera, f"{seen.began:.3f}", self._purpose)},
        )
        return candidate(Origin(NAME, self._site, self.revision, self._purpose), claim, utc(now))

    def _company(self, seen: _Seen) -> int:
        """Other things that went down near there lately: where things go down all day, one more is no throw."""
        x, at = float(seen.points[-1, X]), float(seen.points[-1, AT])
        near = 0.15 * self._size[1]
        return sum(
            1
            for other in self._seen
            if other is not seen and at - other.points[-1, AT] < MEMORY and abs(other.points[-1, X] - x) < near
        )

    def _inside(self, points: NDArray[np.float64]) -> float:
        if len(self.geometry.facade) < 3:
            return 1.0
        outline = np.array(self.geometry.facade, np.float32)
        inside = [
            cv2.pointPolygonTest(outline, (float(p[X]), float(p[Y])), True) > -0.02 * self._size[1] for p in points
        ]
        return float(np.mean(inside))


_RANK: Final = {"rejected": 0, "clear": 0, "suspected": 1, "alarm": 2}


def _beside(one: NDArray[np.float64], two: NDArray[np.float64], width: int) -> bool:
    """Whether two paths are one fall: they pass the same rows at nearly the same time, not far apart."""
    low, high = max(one[0, Y], two[0, Y]), min(one[-1, Y], two[-1, Y])
    if high <= low:
        return False
    rows = np.linspace(low, high, 5)
    late = np.interp(rows, one[:, Y], one[:, AT]) - np.interp(rows, two[:, Y], two[:, AT])
    apart = np.interp(rows, one[:, Y], one[:, X]) - np.interp(rows, two[:, Y], two[:, X])
    return bool(np.median(np.abs(late)) < SAME_SECONDS and np.median(np.abs(apart)) < SAME_COLUMNS * width)


def _follows(one: NDArray[np.float64], two: NDArray[np.float64], width: int) -> bool:
    """Whether the second path is the first one gone on, after a balcony or a few pictures without it."""
    pause, down = two[0, AT] - one[-1, AT], two[0, Y] - one[-1, Y]
    return bool(0 < pause < HIDDEN and down > 0 and abs(two[0, X] - one[-1, X]) < 0.3 * down + 0.02 * width)


def _joined(before: NDArray[np.float64] | None, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points if before is None else np.concatenate([before, points])


def _day(at: float) -> date:
    return utc(at).date()
