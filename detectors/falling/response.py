"""What moved in a picture for a moment only: small things that were not there before and are not there after.

A falling object covers a pixel for a frame or two. The symmetric difference min(|I(t)-I(t-K)|, |I(t)-I(t+K)|)
shows it where it was at t, without a ghost, at the price of K frames of delay (some 70 ms). Leaves, water and
noise answer too; each 8 px tile therefore learns what it usually answers and only more than that counts.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

TILE = 8
"""Edge of the learning tiles, in pixels of the working picture."""
WORKING_ROWS = 1200
"""Pictures with more rows are halved first (4K costs half, and its objects are larger)."""
DELAY = 0.070
"""Seconds between the pictures compared: two frames at 25 and 30 fps."""
DUPLICATE = 0.05
"""Mean absolute difference in grey levels below which a picture repeats the last one (re-timed streams)."""
QUIET = 3.0
"""Seconds of a cold start in which tiles learn quickly."""
RESTART_GAP = 0.7
"""Seconds without a picture after which nothing may be compared across the gap."""
MOST_BLOBS = 220
"""Blobs in one picture beyond which only the strongest are followed: a bound on cost."""


class Blobs(msgspec.Struct, frozen=True, eq=False):
    """What moved at the instant `at` (seconds since 1970). Arrays of one length n, float32.

    `x`, `y`: centre in pixels of the full picture; `area`: pixels above threshold; `strength`: mean response in
    grey levels; `duty`: share of time in which something moves around here anyway, 0..1; `wide`, `high`: extent.
    `calm` is false while the whole picture changes (exposure, a pan): nothing may be followed then.
    """

    at: float
    x: Floats
    y: Floats
    area: Floats
    strength: Floats
    duty: Floats
    wide: Floats
    high: Floats
    calm: bool


class Response:
    """The learning front of the detector: pictures in, blobs out, `DELAY` late. State is per camera."""

    def __init__(self, threshold: float, night_margin: float = 1.3) -> None:
        self.threshold = threshold
        self.margin = night_margin
        self.began: float | None = None
        self.repeats = 0
        self.pictures = 0
        self._shape = (0, 0)
        self._scale = 1.0
        self._usual: Floats | None = None
        self._duty: Floats | None = None
        self._earlier = 0.0
        self._forget()

    def _forget(self) -> None:
        self._lumas: deque[Grey] = deque()
        self._times: deque[float] = deque()
        self._differences: deque[tuple[float, Grey]] = deque()
        self._step = 0.0
        self._answered = -math.inf

    def restart(self) -> None:
        """Compare nothing with what was before: a new session, a gap, another size. What was learned stays."""
        self._forget()

    @property
    def step(self) -> float:
        """Usual seconds between pictures that differ; 0 before the second."""
        return self._step

    def busy_share(self, activity: float) -> float:
        """Share of the picture in which something moves for more than this share of the time."""
        return 0.0 if self._duty is None else float(np.mean(self._duty > activity))

    def learned(self) -> tuple[Floats | None, Floats | None, float]:
        """Each tile's usual answer in grey levels, its share of active time, and for how long it was learned."""
        age = 0.0 if self.began is None or not self._times else self._times[-1] - self.began
        return self._usual, self._duty, age + self._earlier

    def learn_from(self, shape: tuple[int, int], usual: Floats, duty: Floats, age: float) -> None:
        """Go on from what was learned of pictures of `shape` (rows, columns)."""
        self._shape = shape
        self._scale = 0.5 if shape[0] > WORKING_ROWS else 1.0
        self._usual, self._duty, self._earlier = usual.copy(), duty.copy(), age
        self.began = None

    def push(self, luma: Grey, at: float) -> Blobs | None:
        """One picture (rows x columns, uint8) taken at `at` seconds. The blobs of the picture K before it."""
        if luma.shape != self._shape:
            self._begin(luma)
        if self._times and not 0 < at - self._times[-1] < RESTART_GAP:
            self._forget()
        if self.began is None:
            self.began = at
        if self._scale != 1.0:
            luma = _grey(cv2.resize(luma, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA))
        self.pictures += 1
        if self._times:
            if self._repeats(luma):
                self.repeats += 1
                return None
            step = at - self._times[-1]
            self._step = step if self._step == 0 else 0.9 * self._step + 0.1 * step
        self._lumas.append(np.array(luma) if self._scale == 1.0 else luma)
        self._times.append(at)
        back = max(1, round(DELAY / self._step)) if self._step else 1
        return self._answer(back)

    def _begin(self, luma: Grey) -> None:
        self._shape = (luma.shape[0], luma.shape[1])
        self._scale = 0.5 if luma.shape[0] > WORKING_ROWS else 1.0
        self._usual = self._duty = None
        self.began = None
        self._earlier = 0.0
        self._forget()

    def _repeats(self, luma: Grey) -> bool:
        """Whether this picture is the last one again. Looks at every eighth row: cheap, and enough."""
        last = self._lumas[-1][::8]
        return bool(cv2.norm(luma[::8], last, cv2.NORM_L1) < DUPLICATE * last.size)

    def _answer(self, back: int) -> Blobs | None:
        while len(self._lumas) > back + 1:
            self._lumas.popleft()
            self._times.popleft()
        if len(self._lumas) <= back:
            return None
        difference = _grey(cv2.absdiff(self._lumas[-1], self._lumas[0]))
        self._differences.append((self._times[0], difference))
        # The difference that ended at the middle picture stands `back` before the one just made.
        while len(self._differences) > back + 1:
            self._differences.popleft()
        if len(self._differences) <= back:
            return None
        if self._times[0] <= self._answered:
            return None  # the number of pictures between has just changed with the rate
        self._answered = self._times[0]
        before = self._differences[0][1]
        response = _grey(cv2.min(before, difference))
        return self._blobs(response, self._times[0])

    def _blobs(self, response: Grey, at: float) -> Blobs:
        pooled: Grey = np.ascontiguousarray(cv2.dilate(response, _THREE)[1::2, 1::2])
        tiles = np.ascontiguousarray(cv2.dilate(pooled, _FIVE)[2::4, 2::4]).astype(np.float32)
        if self._usual is None or self._usual.shape != tiles.shape:
            self._usual = np.full(tiles.shape, 2.0, np.float32)
            self._duty = np.zeros(tiles.shape, np.float32)
        assert self._duty is not None
        limits: Floats = np.maximum(np.float32(self.threshold), self.margin * cv2.dilate(self._usual, _THREE))
        active = tiles > limits
        share = float(np.count_nonzero(active)) / active.size
        self._learn(tiles, active, at)
        calm = share < 0.3
        if not calm or not active.any():
            return _none(at, calm)
        rows, columns = pooled.shape
        raised = cv2.resize(limits, (columns, rows), interpolation=cv2.INTER_LINEAR)
        mask = (pooled > raised).view(np.uint8)
        return self._gather(response, mask, limits, at)

    def _learn(self, tiles: Floats, active: NDArray[np.bool_], at: float) -> None:
        """Follow each tile's 98th percentile in steps of its logarithm, and its share of active time."""
        assert self._usual is not None
        assert self._duty is not None
        assert self.began is not None
        age = at - self.began + self._earlier
        up = 0.25 if age < QUIET else 0.15
        step = max(self._step, 0.01) * 30.0
        above = tiles > self._usual
        self._usual *= np.where(above, np.float32(math.exp(up * min(step, 2.0))), np.float32(math.exp(-up * step / 49)))
        np.clip(self._usual, 1.0, 200.0, out=self._usual)
        memory = min(max(age, 1.0), 20.0)
        self._duty += np.float32(min(1.0, self._step / memory)) * (active - self._duty)

    def _gather(self, response: Grey, mask: Grey, limits: Floats, at: float) -> Blobs:
        if not mask.any():
            return _none(at, calm=True)
        spots = cv2.findNonZero(mask)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
        if count - 1 > MOST_BLOBS:
            strongest = np.argsort(stats[1:, cv2.CC_STAT_AREA])[::-1][:MOST_BLOBS] + 1
        else:
            strongest = np.arange(1, count)
        columns, rows = spots.reshape(-1, 2).T
        label = labels[rows, columns]
        full = (rows[:, None] * 2 + _DY, columns[:, None] * 2 + _DX)
        values = response[np.minimum(full[0], response.shape[0] - 1), np.minimum(full[1], response.shape[1] - 1)]
        floor = limits[np.minimum(rows // 4, limits.shape[0] - 1), np.minimum(columns // 4, limits.shape[1] - 1)]
        above = values > floor[:, None] * 0.5
        weights = np.where(above, values, 0).astype(np.float32)
        total = np.bincount(label, weights.sum(1), count)[strongest]
        size = np.bincount(label, above.sum(1), count)[strongest]
        along = np.bincount(label, (weights * full[1]).sum(1), count)[strongest]
        down = np.bincount(label, (weights * full[0]).sum(1), count)[strongest]
        keep = (total > 0) & (size >= 2)
        chosen = strongest[keep]
        total, size = total[keep], size[keep]
        x, y = along[keep] / total, down[keep] / total
        assert self._duty is not None
        duty_map = cv2.dilate(self._duty, _THREE)
        tile_row = np.minimum((y / TILE).astype(int), self._duty.shape[0] - 1)
        tile_column = np.minimum((x / TILE).astype(int), self._duty.shape[1] - 1)
        grow = np.float32(1 / self._scale)
        return Blobs(
            at,
            (x * grow).astype(np.float32),
            (y * grow).astype(np.float32),
            (size * grow * grow).astype(np.float32),
            (total / size).astype(np.float32),
            np.asarray(duty_map)[tile_row, tile_column].astype(np.float32),
            (stats[chosen, cv2.CC_STAT_WIDTH] * 2 * grow).astype(np.float32),
            (stats[chosen, cv2.CC_STAT_HEIGHT] * 2 * grow).astype(np.float32),
            calm=True,
        )


def _grey(array: NDArray[Any]) -> Grey:
    return array  # OpenCV's stubs forget that 8 bits in are 8 bits out


def _none(at: float, calm: bool) -> Blobs:
    nothing = np.empty(0, np.float32)
    return Blobs(at, nothing, nothing, nothing, nothing, nothing, nothing, nothing, calm)


_THREE = np.ones((3, 3), np.uint8)
_FIVE = np.ones((5, 5), np.uint8)
_DX = np.array([0, 1, 0, 1])
_DY = np.array([0, 0, 1, 1])
