"""Where a point of a facade lies in the picture of a fixed camera that looks up at it.

World axes: x to the right along a facade that is seen head on, height upwards from the ground, z away from the
camera. A vertical line of the world keeps its vanishing point whatever its distance, so every facade that one
camera sees shares one `vanishing_row`, and a row is a projective function of height:
row = (a*h + b) / (c*h + 1).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Rows x columns x 3 (blue, green, red), 0..255; or rows x columns for one plane."""


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """A place in the picture: column and row in pixels, the centre of the first pixel being 0, 0."""

    x: float
    y: float


class Pinhole(msgspec.Struct, frozen=True, kw_only=True):
    """A camera without lens distortion, at `height` m over the ground, looking up by `tilt` degrees (> 0).

    `focal` is in pixels: 760 at 1280 columns is a lens with 80 degrees of view, as installers use on towers.
    """

    columns: int = 1280
    rows: int = 720
    focal: float = 760.0
    tilt: float = 33.0
    height: float = 2.2

    @property
    def vanishing_row(self) -> float:
        """The image row where vertical lines meet; negative is above the picture."""
        return (self.rows - 1) / 2 - self.focal / math.tan(math.radians(self.tilt))

    def depth(self, h: float, z: float) -> float:
        """Distance in m along the optical axis: one metre across it is `focal / depth` pixels."""
        tilt = math.radians(self.tilt)
        return z * math.cos(tilt) + (h - self.height) * math.sin(tilt)

    def spot(self, x: float, h: float, z: float) -> Spot:
        """Where the point x m right of the camera, h m over the ground, z m ahead is seen."""
        tilt = math.radians(self.tilt)
        up = (h - self.height) * math.cos(tilt) - z * math.sin(tilt)
        scale = self.focal / self.depth(h, z)
        return Spot((self.columns - 1) / 2 + x * scale, (self.rows - 1) / 2 - up * scale)


class Wall(msgspec.Struct, frozen=True, kw_only=True):
    """An upright plane: its middle `distance` m ahead and `aside` m to the right, turned by `yaw` degrees.

    Points on it are (s, h, out): s m to the right of its middle, h m over the ground, out m in front of it.
    """

    distance: float = 20.0
    aside: float = 0.0
    yaw: float = 0.0

    def spot(self, camera: Pinhole, s: float, h: float, out: float = 0.0) -> Spot:
        """Where a point of, or in front of, this wall is seen."""
        cos, sin = math.cos(math.radians(self.yaw)), math.sin(math.radians(self.yaw))
        return camera.spot(self.aside + s * cos + out * sin, h, self.distance + s * sin - out * cos)

    def scale(self, camera: Pinhole, s: float, h: float, out: float = 0.0) -> float:
        """Pixels that one metre across the view takes up at this point."""
        cos, sin = math.cos(math.radians(self.yaw)), math.sin(math.radians(self.yaw))
        return camera.focal / camera.depth(h, self.distance + s * sin - out * cos)
