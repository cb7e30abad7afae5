"""What one fixed camera films: a facade, a swaying tree, drifting light, and perhaps one fall.

Everything but noise repeats after `period` seconds, so a film of whole periods can follow itself without a jump.
"""

from __future__ import annotations

import math

import msgspec

from simulator.facade import View
from simulator.falling import Fall, Flight, smear
from simulator.masonry import Facade
from simulator.optics import Pinhole, Spot, Wall
from simulator.tree import Tree


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A film before it is drawn. The same values give the same frames, bit by bit.

    `noise` is the sensor's standard deviation in grey levels, put in before encoding; `drift` the share by which
    the light rises and falls in one period; `title` is burnt into the corner, as cameras do (ASCII).
    """

    view: View = View(camera=Pinhole(), wall=Wall(), facade=Facade())
    tree: Tree | None = Tree()
    fall: Fall | None = None
    fps: int = 25
    period: float = 6.0
    noise: float = 1.7
    drift: float = 0.006
    title: str = ""
    seed: int = 1


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """The object in one frame: frame number, seconds (the frame's pts), centroid, covered area in pixels."""

    frame: int
    t: float
    x: float
    y: float
    area: float


class Truth(msgspec.Struct, frozen=True):
    """What really happened. `start` and `end` are the pts of the first and last frame that show the object."""

    start: float
    end: float
    floor: int
    origin_height: float
    origin: Spot
    path: tuple[Seen, ...]


class FloorLine(msgspec.Struct, frozen=True):
    """Where the slab under a floor is seen, from left to right.

    Floor 1 stands on the ground; the number after the last floor is the roof's slab.
    """

    floor: int
    points: tuple[Spot, ...]


class Calibration(msgspec.Struct, frozen=True):
    """What commissioning would measure for this camera, in pixels of the decoded frame."""

    vanishing_row: float
    floor_height: float
    floor_lines: tuple[FloorLine, ...]
    facade: tuple[Spot, ...]


def calibration(view: View) -> Calibration:
    """Floor lines at both sides of the wall and its outline, cut to the picture."""
    camera, wall, building = view.camera, view.wall, view.facade
    half = building.width / 2
    lines = []
    for floor in range(1, building.storeys + 2):
        height = (floor - 1) * building.storey
        seen = [wall.spot(camera, share * half, height) for share in (-0.9, 0.0, 0.9)]
        shown = [spot for spot in seen if _inside(camera, spot)]
        if len(shown) > 1:
            lines.append(FloorLine(floor, tuple(map(_rounded, shown))))
    corners = []
    for s, height in ((-half, building.top), (half, building.top), (half, 0.0), (-half, 0.0)):
        # Along the wall's upright edge to where it leaves the picture.
        lowest, highest = _seen_at(view, s, camera.rows - 1), _seen_at(view, s, 0)
        spot = wall.spot(camera, s, min(max(height, lowest), highest))
        within = Spot(min(max(spot.x, 0), camera.columns - 1), min(max(spot.y, 0), camera.rows - 1))
        corners.append(_rounded(within))
    return Calibration(round(camera.vanishing_row, 1), building.storey, tuple(lines), tuple(corners))


def _inside(camera: Pinhole, spot: Spot) -> bool:
    return 0 <= spot.x <= camera.columns - 1 and 0 <= spot.y <= camera.rows - 1


def _rounded(spot: Spot) -> Spot:
    """To a tenth of a pixel: better than anybody clicks."""
    return Spot(round(spot.x, 1), round(spot.y, 1))


def truth(scene: Scene) -> Truth | None:
    """When, from where and along which pixels the object falls; None without a fall."""
    if scene.fall is None:
        return None
    view = scene.view
    flight = Flight(scene.fall, view.facade.storey)
    path = []
    first = math.ceil((scene.fall.at - scene.fall.exposure) * scene.fps)
    for frame in range(first, math.ceil((scene.fall.at + flight.seconds + 0.1) * scene.fps)):
        seen = smear(view.camera, view.wall, flight, frame / scene.fps - scene.fall.at)
        if seen is not None:
            path.append(Seen(frame, frame / scene.fps, seen.middle.x, seen.middle.y, seen.area))
    origin = view.wall.spot(view.camera, scene.fall.s, flight.origin_height, 0.25)
    return Truth(path[0].t, path[-1].t, scene.fall.floor, flight.origin_height, origin, tuple(path))


def _seen_at(view: View, s: float, row: float) -> float:
    """The height in m on the wall's upright at s that is seen in this row."""
    low, high = -20.0, 400.0
    for _ in range(60):
        middle = (low + high) / 2
        if view.wall.spot(view.camera, s, middle).y > row:
            low = middle
        else:
            high = middle
    return high
