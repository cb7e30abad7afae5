"""The rendered facade: its geometry is a camera's, its fall obeys gravity, and its truth is what the pixels show."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.demo_world import FALL_FLOOR, demo_world
from simulator.facade import View
from simulator.falling import Fall, Flight, smear
from simulator.film import without_fall
from simulator.masonry import Facade
from simulator.optics import Pinhole, Wall
from simulator.scene import Scene, calibration, truth
from simulator.stage import Stage

SMALL = View(
    camera=Pinhole(columns=480, rows=270, focal=285, tilt=34.5), wall=Wall(distance=22), facade=Facade(storeys=12)
)
FALLING = Scene(view=SMALL, fall=Fall(at=0.4, floor=8, width=0.5, height=0.4), period=2)


@given(
    tilt=st.floats(15, 55),
    yaw=st.floats(-25, 25),
    s=st.floats(-10, 10),
    out=st.floats(0, 3),
    heights=st.lists(st.floats(3, 50), min_size=4, max_size=8, unique_by=round),
)
def test_every_plumb_line_is_projective_with_the_same_vanishing_row(
    tilt: float, yaw: float, s: float, out: float, heights: list[float]
) -> None:
    """1 / (row - vanishing_row) is linear in height, wherever the line stands: the detectors' whole geometry."""
    camera, wall = Pinhole(tilt=tilt), Wall(distance=20, yaw=yaw)
    h = np.array(sorted(heights))
    rows = np.array([wall.spot(camera, s, height, out).y for height in h])
    u = 1 / (rows - camera.vanishing_row)
    assert np.allclose(np.interp(h, h[[0, -1]], u[[0, -1]]), u, rtol=1e-9)


def test_calibration_has_the_floors_in_order_and_the_facade_inside_the_picture() -> None:
    for camera in demo_world().cameras:
        measured = calibration(camera.scene.view)
        middle_rows = {line.floor: line.points[len(line.points) // 2].y for line in measured.floor_lines}
        assert len(middle_rows) >= 4
        assert list(middle_rows) == sorted(middle_rows)
        assert sorted(middle_rows.values(), reverse=True) == list(middle_rows.values())
        for spot in measured.facade:
            assert 0 <= spot.x <= 1279
            assert 0 <= spot.y <= 719


def test_the_fall_begins_between_the_lines_of_its_floor() -> None:
    scene = demo_world().cameras[0].scene
    seen, rows = truth(scene), {line.floor: line.points[-1].y for line in calibration(scene.view).floor_lines}
    assert seen is not None
    assert seen.floor == FALL_FLOOR
    # Lower in the picture than floor 9's line at the right edge's height, higher than floor 8's at the middle.
    assert rows[FALL_FLOOR + 1] - 40 < seen.path[0].y < rows[FALL_FLOOR] + 10


def test_gravity_shows_in_the_path() -> None:
    """Along the truth's path 1 / (row - vanishing_row) bends as a body of 9.8 m/s² less drag does."""
    camera, wall = SMALL.camera, SMALL.wall
    seen = truth(FALLING)
    assert seen is not None
    heights = np.array([wall.spot(camera, 3.9, h, 0.4).y for h in (5.0, 20.0)])
    u_of_h = np.polyfit([5.0, 20.0], 1 / (heights - camera.vanishing_row), 1)
    t = np.array([point.t for point in seen.path[2:-3]])
    u = 1 / (np.array([point.y for point in seen.path[2:-3]]) - camera.vanishing_row)
    gravity = -2 * np.polyfit(t, u, 2)[0] / u_of_h[0]
    assert 6 < gravity < 10


def test_paper_falls_slower_than_a_bottle() -> None:
    paper, bottle = Flight(Fall(at=0, floor=8, terminal=4), 2.9), Flight(Fall(at=0, floor=8, terminal=60), 2.9)
    assert bottle.seconds < 2.3 < 4 < paper.seconds


def test_the_difference_of_the_two_films_is_the_fall_and_nothing_else() -> None:
    seen = truth(FALLING)
    assert seen is not None
    with_fall, without = Stage(FALLING), Stage(without_fall(FALLING))
    shown = {point.frame: point for point in seen.path}
    rows = SMALL.camera.rows
    for number in range(0, 75, 3):
        one, other = with_fall.frame(number)[:rows].astype(int), without.frame(number)[:rows].astype(int)
        change = np.abs(one - other)
        point = shown.get(number)
        if point is None:
            assert not change.any(), f"frame {number} differs though nothing falls in it"
            continue
        down, across = np.nonzero(change > 6)
        if point.area > 8 and change.max() > 25:
            assert abs(across.mean() - point.x) < 1.5
            assert abs(down.mean() - point.y) < 2.5
        near = np.zeros_like(change, bool)
        near[max(int(point.y) - 14, 0) : int(point.y) + 15, max(int(point.x) - 14, 0) : int(point.x) + 15] = True
        assert not change[~near].any()


def test_what_has_left_the_picture_is_not_seen() -> None:
    """Below the lower edge, and beside the picture, nothing is left of the object, not even its centroid."""
    seen = truth(FALLING)
    assert seen is not None
    assert all(0 <= point.x <= 479 and 0 <= point.y <= 269 for point in seen.path)
    flight = Flight(replace(FALLING.fall, s=60.0) if FALLING.fall else Fall(at=0, floor=8), 2.9)
    assert smear(SMALL.camera, SMALL.wall, flight, 0.5) is None


def test_truth_spans_first_to_last_frame_that_shows_it() -> None:
    seen = truth(FALLING)
    assert seen is not None
    assert (seen.start, seen.end) == (seen.path[0].t, seen.path[-1].t)
    assert seen.start == 0.4
    assert [point.frame for point in seen.path] == list(range(seen.path[0].frame, seen.path[-1].frame + 1))


def test_a_small_object_covers_its_share_of_pixels() -> None:
    """Coverage adds up to the object's true area however small it is: nothing is rounded to whole pixels."""
    for size in (0.05, 0.1, 0.4):
        still = Fall(at=0, floor=9, width=size, height=size, spin=0, exposure=0, up=0)
        seen = truth(Scene(view=SMALL, fall=still))
        assert seen is not None
        scale = SMALL.wall.scale(SMALL.camera, still.s, 24.4, 0.3)
        assert abs(seen.path[1].area / (size * scale) ** 2 - 1) < 0.12


def test_same_seed_same_frames_other_seed_other_noise() -> None:
    first = Stage(FALLING).frame(20)
    assert (Stage(FALLING).frame(20) == first).all()
    assert (Stage(replace(FALLING, seed=2)).frame(20) != first).any()


def test_without_noise_the_film_repeats_exactly_after_its_period() -> None:
    stage = Stage(replace(without_fall(FALLING), noise=0))
    assert (stage.frame(7) == stage.frame(57)).all()
    assert (stage.frame(7) != stage.frame(20)).any(), "the tree should have moved"


def test_noise_has_the_strength_that_was_asked_for() -> None:
    calm = replace(without_fall(FALLING), tree=None, drift=0, noise=2.0)
    stage = Stage(calm)
    sky = np.stack([stage.frame(number)[40:80, 350:470].astype(float) for number in range(6)])
    assert 1.7 < sky.std(axis=0).mean() < 2.3
