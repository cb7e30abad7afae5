"""Does a track move as something that falls in front of a wall? Its numbers, from geometry and gravity alone.

For a camera that looks up, a plumb line's picture row is a projective function of height with its pole at the
vanishing row y_v. So u = 1/(y - y_v) is linear in height, gravity is an exact parabola u(t) = c0 + c1 t + c2 t^2,
and the sideways place w = (x - x_v)/(y - y_v) of something in a plane parallel to the picture is linear in time.
With focal length f, tilt theta (tan theta = f/(y_c - y_v)) and distance Z of the wall: u = const + h sin^2(theta)/(f Z)
and w = s sin(theta)/Z for height h and sideways place s in metres. All from the pinhole equations; see ADR.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.falling.tracks import AREA, AT, DUTY, HIGH, STRENGTH, X, Y

GRAVITY: Final = 9.81
FOCAL: Final = 1.0
"""Focal length in picture widths where none is known: a 53 degree view, between 4 and 6 mm on 1/2.8 inch."""
LEVEL: Final = -1e5
"""The vanishing row that stands for a camera looking level: plumb lines do not meet."""

Table = NDArray[np.float64]


class Lens(msgspec.Struct, frozen=True):
    """What the numbers need of a camera: picture size in pixels, vanishing row in pixels (negative: above)."""

    width: int
    height: int
    vanishing_row: float


class Fall(msgspec.Struct, frozen=True):
    """The numbers of one track under one vanishing row. Times in s, lengths in px unless said otherwise.

    `share`: A = a T^2 / drop in u: 2 for a fall from rest, 0 for constant speed. `residual`: weighted RMS of rows;
    `sideways`: RMS of columns. `leaning`: sideways metres per metre down. `wall`: distance Z in metres if the
    acceleration is gravity's (infinite where there is none). `kept`: share of points that the fit kept.
    """

    points: int
    began: float
    ended: float
    span: float
    residual: float
    sideways: float
    share: float
    leaning: float
    wall: float
    kept: float
    fill: float
    monotone: float
    end_speed: float
    area: float
    area_spread: float
    strength: float
    duty: float
    high: float
    curve: tuple[float, float, float]
    """c0, c1, c2 of u(t) with t in seconds from `began`."""


def fall(points: Table, lens: Lens, step: float) -> Fall | None:
    """Fit a track of n x COLUMNS points; `step` is the usual time between pictures. None when it cannot be one."""
    t = points[:, AT] - points[0, AT]
    y, x = points[:, Y], points[:, X]
    depth = y - lens.vanishing_row
    if t[-1] <= 0 or np.any(depth <= 1):
        return None
    u = 1 / depth
    scale = depth**2
    keep = np.ones(len(t), bool)
    curve = np.zeros(3)
    for _ in range(3):
        curve = np.polyfit(t[keep], u[keep], 2, w=scale[keep])
        miss = np.abs(np.polyval(curve, t) - u) * scale
        limit = max(2.5, 3.0 * float(np.median(miss)))
        closer = miss <= limit
        if closer.sum() < 0.7 * len(t):
            break
        if (closer == keep).all():
            break
        keep = closer
    miss = (np.polyval(curve, t) - u) * scale
    residual = float(np.sqrt(np.mean(miss[keep] ** 2)))
    c2, c1, c0 = (float(c) for c in curve)
    first, last = (float(np.polyval(curve, moment)) for moment in (t[0], t[-1]))
    drop = first - last
    if drop <= 0:
        return None
    # Heights fall while u falls, hence the signs.
    share = -2 * c2 * t[-1] ** 2 / drop
    w = (x - lens.width / 2) / depth
    line = np.polyfit(t[keep], w[keep], 2 if keep.sum() >= 8 else 1, w=depth[keep])
    sideways = float(np.sqrt(np.mean((((np.polyval(line, t) - w) * depth)[keep]) ** 2)))
    focal = FOCAL * lens.width
    centre = lens.height / 2 - lens.vanishing_row
    sine = math.sin(math.atan2(focal, centre)) if centre > 0 else 1.0
    across = float(np.polyval(line, t[-1]) - np.polyval(line, t[0]))
    leaning = across * sine / (focal * drop)
    acceleration = -2 * c2
    wall = GRAVITY * sine**2 / (focal * acceleration) if acceleration > 0 else math.inf
    end_speed = -(2 * c2 * t[-1] + c1) * float(scale[-1])
    moves = np.diff(y)
    areas = points[:, AREA]
    return Fall(
        points=len(t),
        began=float(points[0, AT]),
        ended=float(points[-1, AT]),
        span=float(y[-1] - y[0]),
        residual=residual,
        sideways=sideways,
        share=float(share),
        leaning=float(leaning),
        wall=float(wall),
        kept=float(keep.mean()),
        fill=min(1.0, (len(t) - 1) * step / float(t[-1])),
        monotone=float(np.mean(moves > -0.5)),
        end_speed=float(end_speed),
        area=float(np.median(areas)),
        area_spread=float(np.std(np.log(np.maximum(areas, 1)))),
        strength=float(np.median(points[:, STRENGTH])),
        duty=float(np.median(points[:, DUTY])),
        high=float(np.median(points[:, HIGH])),
        curve=(c0, c1, c2),
    )
