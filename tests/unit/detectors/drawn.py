"""A facade drawn with a few lines of geometry, before which things fall, glide and sway."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.falling.origin import FloorLine, Geometry
from hub.picture import Picture

HEIGHT, WIDTH, RATE = 360, 640, 25
TILT, WALL, EYE, FOCAL = math.radians(33.0), 16.0, 2.0, 380.0
"""The camera looks up by 33 degrees from 2 m, 16 m before the wall; focal length in pixels."""
START: Final = 1_700_000_000.0
FLOOR: Final = 3.0

Mover = Callable[[float], tuple[float, float] | None]
"""Where something is at a second: column and row, or nowhere."""


def row(height: float) -> float:
    """The picture row of a height on the wall, in metres over the ground."""
    depth = WALL * math.cos(TILT) + (height - EYE) * math.sin(TILT)
    up = (height - EYE) * math.cos(TILT) - WALL * math.sin(TILT)
    return HEIGHT / 2 - FOCAL * up / depth


def column(side: float, height: float) -> float:
    """The picture column of a place on the wall, `side` metres from its middle."""
    depth = WALL * math.cos(TILT) + (height - EYE) * math.sin(TILT)
    return WIDTH / 2 + FOCAL * side / depth


VANISHING: Final = HEIGHT / 2 - FOCAL / math.tan(TILT)
GEOMETRY: Final = Geometry(
    vanishing_row=VANISHING,
    floor_lines=tuple(
        FloorLine(floor, ((0.0, row((floor - 1) * FLOOR)), (WIDTH - 1.0, row((floor - 1) * FLOOR))))
        for floor in range(2, 11)
    ),
    floor_height=FLOOR,
)


def falling(at: float, height: float, side: float = 1.0, along: float = 0.2, gravity: float = 9.0) -> Mover:
    """Something let go `height` metres up at second `at`."""

    def where(t: float) -> tuple[float, float] | None:
        since = t - at
        h = height - gravity * since**2 / 2
        if since < 0 or h < 0:
            return None
        return column(side + along * since, h), row(h)

    return where


def gliding(at: float, seconds: float, begin: tuple[float, float], end: tuple[float, float]) -> Mover:
    """Something that crosses the picture evenly, as birds do."""

    def where(t: float) -> tuple[float, float] | None:
        share = (t - at) / seconds
        if not 0 <= share <= 1:
            return None
        return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share

    return where


def film(
    movers: Sequence[Mover], seconds: float, *, sway: bool = False, session: str = "one", begin: float = 0.0
) -> Iterator[Picture]:
    """Pictures at 25 a second: a textured wall with noise, and dark squares where the movers are."""
    rng = np.random.default_rng(5)
    wall = np.kron(rng.integers(90, 150, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8))).astype(np.float32)
    leaves = rng.integers(40, 200, (100, 140)).astype(np.float32)
    noise = rng.normal(0, 1.2, (7, HEIGHT, WIDTH)).astype(np.float32)
    for index in range(round(seconds * RATE)):
        t = begin + index / RATE
        picture = wall.copy()
        if sway:
            shift = round(6 + 5 * math.sin(t * 4.0)), round(6 + 4 * math.sin(t * 3.1 + 1))
            picture[20 + shift[0] : 120 + shift[0], 20 + shift[1] : 160 + shift[1]] = leaves
        for mover in movers:
            spot = mover(t)
            if spot is not None:
                _square(picture, *spot)
        picture += noise[index % len(noise)]
        yield shown(np.clip(picture, 0, 255).astype(np.uint8), t, session)


def shown(luma: NDArray[np.uint8], t: float, session: str = "one") -> Picture:
    """A picture at t seconds of the film."""
    rows, columns = luma.shape
    return Picture(
        camera="cuihu/cam",
        site="cuihu",
        at=START + t,
        pts=round(t * 90000),
        width=columns,
        height=rows,
        luma=luma,
        session=session,
    )


def _square(picture: NDArray[np.float32], x: float, y: float, size: int = 6) -> None:
    left, top = round(x - size / 2), round(y - size / 2)
    picture[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 15.0
