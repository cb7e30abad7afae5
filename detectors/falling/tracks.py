"""Which blobs of successive pictures belong together: many hypotheses at once, decided only when long enough.

A track begins with three blobs that go down and agree with one another, and is continued by what its own last
points predict. Nothing is decided here; see trajectory.py. All arrays hold float64, one row for each track.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.falling.response import Blobs

Table = NDArray[np.float64]

AT, X, Y, AREA, STRENGTH, DUTY, HIGH = range(7)
"""Columns of a track's points: seconds, pixels, pixels, pixels squared, grey levels, share, pixels."""
COLUMNS: Final = 7
MOST_TRACKS: Final = 400
LONGEST: Final = 160
"""Points kept of one track: over five seconds at 30 fps, more than any fall in view takes."""
GAP: Final = 0.20
"""Seconds a track may go unseen before it ends."""
CROWDED: Final = 150
"""Blobs in the last pictures above which no picture may be left out where a track begins."""
BUSY: Final = 0.25
"""Share of active time above which no track begins: leaves. One may pass through."""
SLOWEST: Final = 20.0
"""Pixels per second with which a track begins at least."""
FASTEST: Final = 3.0
"""Picture heights per second with which one begins at most."""
RECENT: Final = 6
"""Points that a prediction is made from."""


class Track(msgspec.Struct, frozen=True, eq=False):
    """One hypothesis: `points` is n x COLUMNS, oldest first; `ended` once nothing continues it."""

    number: int
    points: Table
    ended: bool


class Tracks:
    """All hypotheses of one camera. `step(blobs)` takes the next picture and says which tracks grew or ended."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._next = 1
        self._points = np.zeros((0, LONGEST, COLUMNS))
        self._counts = np.zeros(0, np.int64)
        self._numbers = np.zeros(0, np.int64)
        self._recent: list[Table] = []

    def clear(self) -> None:
        """Forget every hypothesis: nothing may be followed across a gap."""
        self._keep(np.zeros(len(self._counts), bool))
        self._recent.clear()

    def step(self, blobs: Blobs, at_least: int) -> list[Track]:
        """Continue, begin and end tracks. Returns those with `at_least` points that grew or ended just now."""
        table = _table(blobs)
        grew, used = self._extend(table, blobs.at)
        last = self._points[np.arange(len(self._counts)), self._counts - 1, AT] if len(self._counts) else np.zeros(0)
        ended = blobs.at - last > GAP
        full = self._counts >= LONGEST
        report = (grew | ended) & (self._counts >= at_least)
        found = [
            Track(int(self._numbers[i]), self._points[i, : self._counts[i]].copy(), bool(ended[i]))
            for i in np.flatnonzero(report)
        ]
        self._keep(~ended & ~full & ~self._doubles())
        self._begin(table, used)
        if len(table):
            self._recent.append(table)
        self._recent = [past for past in self._recent if blobs.at - past[0, AT] < GAP][-3:]
        return found

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        if not keep.all():
            self._points, self._counts, self._numbers = self._points[keep], self._counts[keep], self._numbers[keep]

    def _extend(self, table: Table, at: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Give each track its best blob, if any lies where the track leads. Blobs may serve several tracks."""
        tracks, n = len(self._counts), len(table)
        if not tracks or not n:
            return np.zeros(tracks, bool), np.zeros(n, bool)
        x, y, gate_x, gate_y, area = self._predict(at)
        dx, dy = table[None, :, X] - x[:, None], table[None, :, Y] - y[:, None]
        ratio = np.abs(np.log(table[None, :, AREA] / area[:, None]))
        cost = (dx / gate_x[:, None]) ** 2 + (dy / gate_y[:, None]) ** 2 + 0.1 * ratio
        cost[(np.abs(dx) > gate_x[:, None]) | (np.abs(dy) > gate_y[:, None]) | (ratio > 2.1)] = np.inf
        best = cost.argmin(1)
        grew = np.isfinite(cost[np.arange(tracks), best]) & (self._counts < LONGEST)
        rows = np.flatnonzero(grew)
        self._points[rows, self._counts[rows]] = table[best[rows]]
        self._counts[rows] += 1
        used = np.zeros(n, bool)
        used[best[rows[self._counts[rows] >= 5]]] = True
        return grew, used

    def _predict(self, at: float) -> tuple[Table, Table, Table, Table, Table]:
        """Where each track should be at `at` and how far off it may be, in pixels, with its usual area."""
        back = np.arange(RECENT)
        index = self._counts[:, None] - 1 - back
        valid = index >= 0
        recent = np.take_along_axis(self._points, np.maximum(index, 0)[:, :, None], 1)
        dt = np.where(valid, recent[:, :, AT] - at, 0.0)
        weight = valid * 0.8**back
        # Weighted least squares: row by a parabola from five points on, column by a line. dt = 0 is "now".
        curve = np.where(valid.sum(1) >= 5, 1.0, 0.0)
        design = np.stack([np.ones_like(dt), dt, dt**2 * curve[:, None]], 2)
        normal = np.einsum("mpi,mp,mpj->mij", design, weight, design)
        normal[:, 2, 2] += 1e-9 + (1 - curve)
        normal[:, [0, 1], [0, 1]] += 1e-12
        right = np.einsum("mpi,mp,mp->mi", design, weight, recent[:, :, Y])
        fit_y = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
        line = normal[:, :2, :2]
        right = np.einsum("mpi,mp,mp->mi", design[:, :, :2], weight, recent[:, :, X])
        fit_x = np.linalg.solve(line, right[:, :, None])[:, :, 0]
        wait = at - recent[:, 0, AT]
        step = np.abs(fit_y[:, 1]) * wait
        young = np.where(self._counts < 5, 1.5, 1.0)
        gate_y = (4.0 * young + 0.35 * step) * (self.height / 720) ** 0.5
        gate_x = (3.0 * young + 0.25 * step) * (self.height / 720) ** 0.5
        logs = np.where(valid, np.log(np.maximum(recent[:, :, AREA], 1)), 0).sum(1) / valid.sum(1)
        return fit_x[:, 0], fit_y[:, 0], gate_x, gate_y, np.exp(logs)

    def _doubles(self) -> NDArray[np.bool_]:
        """Tracks whose last two points another, longer one has too."""
        tracks = len(self._counts)
        if tracks < 2:
            return np.zeros(tracks, bool)
        rows = np.arange(tracks)
        ends = np.concatenate(
            [self._points[rows, self._counts - 1][:, :3], self._points[rows, self._counts - 2][:, :3]], 1
        )
        order = np.argsort(-self._counts, kind="stable")
        _, first = np.unique(ends[order], axis=0, return_index=True)
        double = np.ones(tracks, bool)
        double[order[first]] = False
        return double

    def _begin(self, table: Table, used: NDArray[np.bool_]) -> None:
        """New tracks from three blobs, of this and two earlier pictures, that go down evenly.

        A picture in between may have missed the object, unless there is so much about that chance would link it.
        """
        if len(self._recent) < 2 or not len(table):
            return
        crowded = sum(map(len, self._recent)) > CROWDED
        past = np.concatenate(self._recent[-2:] if crowded else self._recent)
        third = table[~used & (table[:, DUTY] < BUSY)]
        if not len(past) or not len(third):
            return
        wait = third[None, :, AT] - past[:, None, AT]
        dy, dx = third[None, :, Y] - past[:, None, Y], third[None, :, X] - past[:, None, X]
        ratio = np.abs(np.log(third[None, :, AREA] / past[:, None, AREA]))
        fits = (dy >= SLOWEST * wait) & (dy <= FASTEST * self.height * wait)
        fits &= (np.abs(dx) <= 0.8 * dy + 2) & (ratio <= 1.8)
        pairs = np.argwhere(fits)
        if not len(pairs):
            return
        if len(pairs) > MOST_TRACKS:
            one, other = pairs[:, 0], pairs[:, 1]
            slant = np.abs(dx[one, other]) / (dy[one, other] + 2)
            pairs = pairs[np.argsort(slant)[:MOST_TRACKS]]
        middle, now = past[pairs[:, 0]], third[pairs[:, 1]]
        pause = now[:, AT] - middle[:, AT]
        earlier = middle[:, AT, None] - past[None, :, AT]
        back = earlier / pause[:, None]
        off_y = past[None, :, Y] - (middle[:, Y, None] - (now[:, Y] - middle[:, Y])[:, None] * back)
        off_x = past[None, :, X] - (middle[:, X, None] - (now[:, X] - middle[:, X])[:, None] * back)
        step = (now[:, Y] - middle[:, Y])[:, None] * np.maximum(back, 1)
        ratio = np.abs(np.log(past[None, :, AREA] / middle[:, AREA, None]))
        cost = np.abs(off_y) + np.abs(off_x) + ratio + 3 * back
        wrong = (np.abs(off_y) > 2.5 + 0.4 * step) | (np.abs(off_x) > 2.5 + 0.25 * step) | (ratio > 1.8)
        cost[wrong | (earlier <= 0) | (past[None, :, Y] >= middle[:, Y, None])] = np.inf
        best = cost.argmin(1)
        found = np.flatnonzero(np.isfinite(cost[np.arange(len(pairs)), best]))
        found = found[np.argsort(cost[found, best[found]])]
        # One beginning for each blob of this picture: the most even.
        _, first = np.unique(pairs[found, 1], return_index=True)
        chosen = found[np.sort(first)][: max(MOST_TRACKS - len(self._counts), 0)]
        if not len(chosen):
            return
        points = np.zeros((len(chosen), LONGEST, COLUMNS))
        points[:, 0], points[:, 1], points[:, 2] = past[best[chosen]], middle[chosen], now[chosen]
        self._points = np.concatenate([self._points, points])
        self._counts = np.concatenate([self._counts, np.full(len(chosen), 3)])
        self._numbers = np.concatenate([self._numbers, np.arange(self._next, self._next + len(chosen))])
        self._next += len(chosen)


def _table(blobs: Blobs) -> Table:
    at = np.full(len(blobs.x), blobs.at)
    return np.stack([at, blobs.x, blobs.y, blobs.area, blobs.strength, blobs.duty, blobs.high], 1).astype(np.float64)
