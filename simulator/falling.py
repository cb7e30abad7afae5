"""Something that falls past a facade: its flight through the air and its smear in one exposure."""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.masonry import Colour
from simulator.optics import Picture, Pinhole, Spot, Wall

GRAVITY = 9.81
STEP = 0.001
SUBSAMPLES = 8
"""Instants of one exposure that are drawn and averaged; six are the least that do not show as separate copies."""
FINE = 4
"""Sub-pixels along each axis, so that an object smaller than a pixel covers just its share of it."""


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """What is thrown, from where, when.

    `at` seconds after the film begins; `floor` of origin; `s` m from the middle of the wall; leaves the window
    at `above_floor` m over its floor with `up` and `away` m/s; `terminal` m/s is the speed at which drag equals
    weight (4 paper, 25 a full carton, 60 a bottle); `spin` turns per second.
    """

    at: float
    floor: int
    s: float = 3.9
    width: float = 0.34
    height: float = 0.26
    above_floor: float = 1.3
    up: float = 0.4
    away: float = 0.5
    along: float = 0.15
    terminal: float = 26.0
    spin: float = 1.1
    colour: Colour = (34, 40, 52)
    exposure: float = 0.008


class Instant(msgspec.Struct, frozen=True):
    """Where the object is on the wall's axes, in m, and how far it has turned, in radians."""

    s: float
    h: float
    out: float
    angle: float


class Flight:
    """The object's way from the window to the ground, in steps of a millisecond."""

    def __init__(self, fall: Fall, storey: float) -> None:
        self.fall = fall
        self.origin_height = (fall.floor - 1) * storey + fall.above_floor
        velocity = np.array([fall.along, fall.up, fall.away])
        place = np.array([fall.s, self.origin_height, 0.25])
        places = [place]
        while place[1] > 0:
            speed = float(np.linalg.norm(velocity))
            drag = -GRAVITY * velocity * speed / fall.terminal**2
            velocity = velocity + (drag + np.array([0, -GRAVITY, 0])) * STEP
            place = place + velocity * STEP
            places.append(place)
        self._places: NDArray[np.float64] = np.array(places)

    @property
    def seconds(self) -> float:
        """From the window to the ground."""
        return (len(self._places) - 1) * STEP

    def instant(self, since: float) -> Instant | None:
        """Where it is `since` seconds after it left the window; None before, and on the ground."""
        index = since / STEP
        if not 0 <= index <= len(self._places) - 1:
            return None
        low = int(index)
        high = min(low + 1, len(self._places) - 1)
        s, h, out = self._places[low] + (index - low) * (self._places[high] - self._places[low])
        return Instant(float(s), float(h), float(out), 2 * math.pi * self.fall.spin * since)


class Smear(msgspec.Struct, frozen=True):
    """The object in one frame: the patch of the picture it touches, how much of each pixel it covers (0..1)."""

    left: int
    top: int
    cover: NDArray[np.float32]
    middle: Spot
    area: float
    light: float

    def over(self, background: Picture, colour: Colour) -> None:
        """Draw it into the picture; what lies outside the picture is cut off."""
        rows, columns = self.cover.shape
        part = background[self.top : self.top + rows, self.left : self.left + columns]
        share = self.cover[: part.shape[0], : part.shape[1], None]
        part[:] = np.round(part * (1 - share) + np.array(colour, np.float32) * self.light * share)


def smear(camera: Pinhole, wall: Wall, flight: Flight, since: float) -> Smear | None:
    """What the exposure centred at `since` shows; None while nothing of the object is in the picture.

    `middle` is the centroid of the covered area in pixels, `area` the sum of covered shares in pixels.
    """
    shapes: list[NDArray[np.float32]] = []
    lights: list[float] = []
    for step in range(SUBSAMPLES):
        moment = since + flight.fall.exposure * ((step + 0.5) / SUBSAMPLES - 0.5)
        instant = flight.instant(moment)
        if instant is not None:
            shapes.append(_outline(camera, wall, flight.fall, instant))
            lights.append(1 + 0.35 * math.cos(1.7 * instant.angle))
    if not shapes:
        return None
    left, top, cover = _covered(shapes)
    # What lies outside the picture is cut off.
    rows, columns = max(camera.rows - top, 0), max(camera.columns - left, 0)
    seen = cover[max(-top, 0) : rows, max(-left, 0) : columns]
    left, top, cover = max(left, 0), max(top, 0), seen
    area = float(cover.sum())
    if area < 0.05:
        return None
    across = float((cover.sum(axis=0) * np.arange(cover.shape[1])).sum()) / area
    down = float((cover.sum(axis=1) * np.arange(cover.shape[0])).sum()) / area
    return Smear(left, top, cover, Spot(left + across, top + down), area, sum(lights) / len(lights))


def _covered(shapes: list[NDArray[np.float32]]) -> tuple[int, int, NDArray[np.float32]]:
    """Column and row of a patch, and the mean share (0..1) of each of its pixels that the shapes cover."""
    every = np.concatenate(shapes)
    left, top = math.floor(every[:, 0].min()) - 1, math.floor(every[:, 1].min()) - 1
    size = (math.ceil(every[:, 0].max()) + 2 - left, math.ceil(every[:, 1].max()) + 2 - top)
    total = np.zeros((size[1] * FINE, size[0] * FINE), np.float32)
    for shape in shapes:
        mask = np.zeros(total.shape, np.uint8)
        fine = (shape - np.array([left, top], np.float32) + 0.5) * FINE - 0.5
        cv2.fillConvexPoly(mask, np.round(fine * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        # Drawing fills every sub-pixel that the edge touches; what is too much is taken off evenly.
        true_area = cv2.contourArea(shape) * FINE**2
        total += mask * np.float32(true_area / max(float(mask.sum()), 1))
    share = cv2.resize(total / SUBSAMPLES, size, interpolation=cv2.INTER_AREA)
    return left, top, np.asarray(share, np.float32)


def _outline(camera: Pinhole, wall: Wall, fall: Fall, instant: Instant) -> NDArray[np.float32]:
    """4 x 2: the corners of the tumbling box. Turning away from us makes it narrower, never a line."""
    middle = wall.spot(camera, instant.s, instant.h, instant.out)
    scale = wall.scale(camera, instant.s, instant.h, instant.out)
    wide = fall.width * scale * (0.6 + 0.4 * abs(math.cos(0.7 * instant.angle)))
    high = fall.height * scale
    cos, sin = math.cos(instant.angle), math.sin(instant.angle)
    box = np.array([(-wide, -high), (wide, -high), (wide, high), (-wide, high)]) / 2
    turned = box @ np.array([[cos, sin], [-sin, cos]])
    return np.asarray(turned + np.array([middle.x, middle.y]), np.float32)
