"""Hot spots of a thermal picture, followed from picture to picture: where they stand, how hot, rising or growing."""

from __future__ import annotations

from collections import deque
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

Celsius = NDArray[np.float32]

REMEMBERED: Final = 62.0
"""Seconds of a hot spot's history."""
OFTEN: Final = 0.45
"""Seconds between two entries of the history that slopes are taken from."""
WAIT: Final = 5.0
"""Seconds without a picture, or a hot spot unseen, after which it is forgotten: slow cameras send every 3 s."""
MOST: Final = 24
"""Hot spots followed at once: the hottest ones."""
STILL_OVER: Final = 10.0
"""Seconds over which a hot spot's base must stay where it is."""


class Limits(msgspec.Struct, frozen=True):
    """Temperatures in °C from which a pixel belongs to a hot spot (`warm`) and counts as flame (`flame`).

    `slack` is the hysteresis: how far below `warm` a pixel still keeps its spot alive, without making it larger.
    """

    warm: float
    flame: float
    slack: float = 0.0


class Moment(msgspec.Struct, frozen=True):
    """A hot spot in one picture. `t95` and `highest` in °C, `area` and `flames` in pixels, base in pixels."""

    t: float
    t95: float
    highest: float
    area: int
    flames: int
    x: float
    y: float


class HotSpot:
    """One hot spot through time."""

    def __init__(self, number: int, first: Moment, box: tuple[int, int, int, int]) -> None:
        self.number = number
        self.began = first.t
        self.box = box
        self.now = first
        self.history: deque[Moment] = deque([first])
        self.recent: deque[Moment] = deque([first])

    def grow(self, moment: Moment, box: tuple[int, int, int, int]) -> None:
        """The same spot in the next picture."""
        self.now, self.box = moment, box
        self.recent.append(moment)
        while moment.t - self.recent[0].t > STILL_OVER:
            self.recent.popleft()
        if moment.t - self.history[-1].t >= OFTEN:
            self.history.append(moment)
        while moment.t - self.history[0].t > REMEMBERED:
            self.history.popleft()

    @property
    def drift(self) -> float:
        """How far its base moved in the last ten seconds, in pixels."""
        xs, ys = [m.x for m in self.recent], [m.y for m in self.recent]
        return max(max(xs) - min(xs), max(ys) - min(ys))

    @property
    def moving(self) -> bool:
        """Flames move at the top and wander along their base; what moves as a whole by more than its size drives."""
        size = max(4.0, 1.0 * self.now.area**0.5)
        return bool(self.drift > size)

    def burning(self, seconds: float) -> tuple[float, float]:
        """Share of the last so many seconds' pictures with flames, and for how long flames were in at least half."""
        window = [m for m in self.recent if m.t >= self.now.t - seconds - 1e-6]
        lasted, burned = 0.0, 0
        for count, moment in enumerate(reversed(self.recent), 1):
            burned += bool(moment.flames)
            if moment.flames and burned >= 0.5 * count:
                lasted = self.now.t - moment.t
        return sum(1 for m in window if m.flames) / max(len(window), 1), lasted

    def slope(self, seconds: float) -> float | None:
        """Median slope (Theil-Sen) of its temperature in K/min over the last so many seconds; None when too short."""
        since = self.now.t - seconds
        window = [m for m in self.history if m.t >= since]
        if len(window) < 5 or window[-1].t - window[0].t < 0.7 * seconds:
            return None
        t = np.array([m.t for m in window])
        v = np.array([m.t95 for m in window])
        first, second = np.triu_indices(len(t), 1)
        return float(np.median((v[second] - v[first]) / (t[second] - t[first]))) * 60.0

    def rise(self) -> float:
        """Kelvin it is above the lowest of the last minute."""
        return self.now.t95 - min(m.t95 for m in self.history)

    def growth(self, seconds: float = 30.0) -> tuple[float, int]:
        """How much larger it is than half a minute ago: as a share, and in pixels."""
        since = self.now.t - seconds
        window = [m for m in self.history if m.t >= since]
        before = float(np.median([m.area for m in window[: max(1, len(window) // 4)]]))
        return self.now.area / max(before, 1.0) - 1.0, int(self.now.area - before)


class HotSpots:
    """All hot spots of one camera."""

    def __init__(self) -> None:
        self.spots: list[HotSpot] = []
        self._labels: NDArray[np.int32] | None = None
        self._next = 1
        self._last = -np.inf

    def see(self, celsius: Celsius, limits: Limits, t: float) -> list[HotSpot]:
        """One picture (rows x columns, °C) at t seconds. The spots that are in it now."""
        if t - self._last > WAIT or (self._labels is not None and self._labels.shape != celsius.shape):
            self.spots, self._labels = [], None
        self._last = t
        warm = (celsius >= limits.warm - limits.slack).astype(np.uint8)
        if not warm.any():
            self._labels = None
            self.spots = [spot for spot in self.spots if t - spot.now.t < WAIT]
            return []
        # Flames are torn: what is two pixels apart is one spot.
        joined = cv2.dilate(warm, np.ones((3, 3), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8, ltype=cv2.CV_32S)
        found = []
        for label in range(1, count):
            left, top, wide, high = (int(stats[label, k]) for k in range(4))
            window = (slice(top, top + high), slice(left, left + wide))
            inside = (labels[window] == label) & (warm[window] > 0)
            values = celsius[window][inside]
            found.append((float(values.max()), label, (left, top, wide, high), inside, values))
        found.sort(key=lambda one: -one[0])
        seen: list[HotSpot] = []
        taken: set[int] = set()
        marked = np.zeros(celsius.shape, np.int32)
        for highest, _, box, inside, values in found[:MOST]:
            moment = _moment(t, highest, box, inside, values, limits)
            spot = self._known(box, inside, moment, taken)
            if spot is None:
                spot = HotSpot(self._next, moment, box)
                self._next += 1
                self.spots.append(spot)
            else:
                spot.grow(moment, box)
            taken.add(spot.number)
            left, top, wide, high = box
            marked[top : top + high, left : left + wide][inside] = spot.number
            seen.append(spot)
        self._labels = marked
        self.spots = [spot for spot in self.spots if t - spot.now.t < WAIT]
        return seen

    def _known(
        self, box: tuple[int, int, int, int], inside: NDArray[np.bool_], moment: Moment, taken: set[int]
    ) -> HotSpot | None:
        """The spot that was here before: the one it overlaps most, else the nearest within its own size."""
        alive = {spot.number: spot for spot in self.spots if spot.number not in taken}
        if self._labels is not None:
            left, top, wide, high = box
            under = self._labels[top : top + high, left : left + wide][inside]
            under = under[under > 0]
            for number in np.argsort(-np.bincount(under)) if len(under) else ():
                if int(number) in alive:
                    return alive[int(number)]
        near = 4.0 + moment.area**0.5
        best = min(alive.values(), key=lambda s: abs(s.now.x - moment.x) + abs(s.now.y - moment.y), default=None)
        if best is not None and abs(best.now.x - moment.x) + abs(best.now.y - moment.y) <= near:
            return best
        return None


def _moment(
    t: float, highest: float, box: tuple[int, int, int, int], inside: NDArray[np.bool_], values: Celsius, limits: Limits
) -> Moment:
    rows, columns = np.nonzero(inside)
    base = rows >= rows.max() - max(1, int(0.2 * (rows.max() - rows.min() + 1)))
    return Moment(
        t=t,
        t95=float(np.percentile(values, 95)),
        highest=highest,
        area=int(np.count_nonzero(values >= limits.warm)),
        flames=int(np.count_nonzero(values >= limits.flame)),
        x=float(columns[base].mean()) + box[0],
        y=float(rows.max()) + box[1],
    )
