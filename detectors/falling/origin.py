"""From which floor did it come? Floor lines of the facade, and the fall followed back to where it began.

Floors are linear in u = 1/(y - y_v), so the fall's own parabola u(t) is a parabola in floors.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from detectors.falling.trajectory import GRAVITY, Fall

FARTHEST_BACK: Final = 0.8
"""Seconds that a fall is followed back before it was first seen; balconies hide no more than that."""
PARALLAX: Final = 0.5
"""Floors of doubt because things fall in front of the wall, not on it: 1 m out at 20 m and 50 m up is nearly one."""
SPREAD: Final = 1.64
"""Standard deviations of a 90 % interval."""


class FloorLine(msgspec.Struct, frozen=True):
    """Where the slab under `floor` is seen: (column, row) points in pixels, from left to right."""

    floor: int
    points: tuple[tuple[float, float], ...]


class Geometry(msgspec.Struct, frozen=True):
    """What commissioning found out about a camera. All in pixels of the full picture, heights in metres.

    `vanishing_row`: where plumb lines meet (negative: above the picture); None where nobody measured it.
    `facade`: polygon in which falls are looked for; empty means everywhere.
    """

    vanishing_row: float | None = None
    floor_lines: tuple[FloorLine, ...] = ()
    facade: tuple[tuple[float, float], ...] = ()
    floor_height: float = 3.0


class Floors(msgspec.Struct, frozen=True):
    """floor = level + slope * u at one column. `doubt` is the fit's RMS in floors."""

    level: float
    slope: float
    doubt: float
    lowest: float
    highest: float

    def at(self, u: float) -> float:
        return self.level + self.slope * u


class Origin(msgspec.Struct, frozen=True):
    """Where a fall began, in floor lines (11.8: near the ceiling of floor 11), with its 90 % interval.

    `gravity` is the acceleration that the floor lines make of the path, m/s^2: 9.8 less drag for a true clock.
    `drop` is how far it was seen to fall, in floors; `end_speed` the last speed in m/s.
    """

    floor: float
    low: float
    high: float
    gravity: float
    drop: float
    end_speed: float


def floors(geometry: Geometry, column: float) -> Floors | None:
    """The floor scale at a picture column. None without a vanishing row or with fewer than two lines."""
    if geometry.vanishing_row is None or len(geometry.floor_lines) < 2:
        return None
    numbers, inverse = [], []
    for line in geometry.floor_lines:
        columns = [x for x, _ in line.points]
        rows = [y for _, y in line.points]
        depth = float(np.interp(column, columns, rows)) - geometry.vanishing_row
        if depth > 1:
            numbers.append(float(line.floor))
            inverse.append(1 / depth)
    if len(numbers) < 2 or max(inverse) - min(inverse) < 1e-9:
        return None
    slope, level = (float(v) for v in np.polyfit(inverse, numbers, 1))
    miss = np.polyval([slope, level], inverse) - np.array(numbers)
    return Floors(level, slope, float(np.sqrt(np.mean(miss**2))), min(numbers), max(numbers))


def origin(fall: Fall, scale: Floors, floor_height: float) -> Origin:
    """Follow a fall back to its beginning. See the module for the geometry; the interval is 1.64 sigma + parallax."""
    c0, c1, c2 = fall.curve
    duration = fall.ended - fall.began
    seen_first = scale.at(c0)
    seen_last = scale.at(c0 + c1 * duration + c2 * duration**2)
    acceleration = -2 * c2 * scale.slope * floor_height
    apex = -c1 / (2 * c2) if c2 < 0 else -math.inf
    began = max(apex, -FARTHEST_BACK) if apex < 0.3 * duration else 0.0
    floor = scale.at(c0 + c1 * began + c2 * began**2)
    floor = min(floor, scale.highest + 1.0)
    # One pixel at the first point, in floors, shrinks with the points; reaching back costs as much again per second.
    depth = 1 / c0 if c0 > 0 else 1.0
    pixel = abs(scale.slope) / depth**2
    sigma = pixel * max(fall.residual, 1.0) * (3 / math.sqrt(fall.points)) + scale.doubt + abs(floor - seen_first) * 0.2
    margin = SPREAD * sigma + PARALLAX
    speed = -(c1 + 2 * c2 * duration) * scale.slope * floor_height
    return Origin(
        floor=floor,
        low=max(floor - margin, scale.lowest - 1),
        high=min(max(floor, seen_first) + margin, scale.highest + 1.5),
        gravity=acceleration if math.isfinite(acceleration) else GRAVITY,
        drop=seen_first - seen_last,
        end_speed=speed,
    )
