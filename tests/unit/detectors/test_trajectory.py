"""The geometry of a fall: what is put in comes out again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.falling.origin import Floors, Geometry, floors, origin
from detectors.falling.tracks import AREA, AT, COLUMNS, X, Y
from detectors.falling.trajectory import Lens, fall
from tests.unit.detectors.drawn import FLOOR, FOCAL, GEOMETRY, HEIGHT, VANISHING, WIDTH, column, falling, row


def points(height: float, gravity: float, noise: float, seed: int, side: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mover = falling(0.0, height, side, 0.3, gravity)
    table = []
    for index in range(60):
        spot = mover(index / 25)
        if spot is None or spot[1] > HEIGHT:
            break
        line = np.zeros(COLUMNS)
        line[AT], line[AREA] = index / 25, 30.0
        line[X], line[Y] = spot[0] + rng.normal(0, noise), spot[1] + rng.normal(0, noise)
        table.append(line)
    return np.array(table)


@settings(max_examples=40, deadline=None)
@given(
    height=st.floats(12.0, 26.0), gravity=st.floats(6.0, 10.0), side=st.floats(-3.0, 3.0), seed=st.integers(0, 10_000)
)
def test_a_fall_from_rest_has_share_two_and_its_floor(height: float, gravity: float, side: float, seed: int) -> None:
    track = points(height, gravity, 0.3, seed, side)
    fit = fall(track, Lens(WIDTH, HEIGHT, VANISHING), 0.04)
    assert fit is not None
    assert fit.share == pytest.approx(2.0, abs=0.25)
    assert fit.residual < 1.0
    assert abs(fit.leaning) < 0.3
    # Distances are measured with a guessed focal length of one picture width; the true one is 380 of 640 pixels.
    assert 2.0 < fit.wall * FOCAL / WIDTH < 40.0
    scale = floors(GEOMETRY, float(track[0, X]))
    assert scale is not None
    came = origin(fit, scale, FLOOR)
    assert came.floor == pytest.approx(height / FLOOR + 1, abs=0.5)
    assert came.low <= came.floor <= came.high
    assert came.gravity == pytest.approx(gravity, rel=0.15)


def test_what_rises_is_no_fall() -> None:
    track = points(20.0, 9.0, 0.1, 1)
    track[:, Y] = track[::-1, Y]
    assert fall(track, Lens(WIDTH, HEIGHT, VANISHING), 0.04) is None


def test_above_the_vanishing_row_there_is_nothing() -> None:
    assert fall(points(20.0, 9.0, 0.1, 1), Lens(WIDTH, HEIGHT, 400.0), 0.04) is None


def test_floors_need_two_lines_and_a_vanishing_row() -> None:
    assert floors(Geometry(), 100.0) is None
    assert floors(Geometry(vanishing_row=VANISHING, floor_lines=GEOMETRY.floor_lines[:1]), 100.0) is None
    assert floors(Geometry(floor_lines=GEOMETRY.floor_lines), 100.0) is None


def test_the_floor_scale_is_linear_in_the_inverse_depth() -> None:
    scale = floors(GEOMETRY, column(0.0, 10.0))
    assert isinstance(scale, Floors)
    for floor in range(2, 11):
        assert scale.at(1 / (row((floor - 1) * FLOOR) - VANISHING)) == pytest.approx(floor, abs=0.01)
    assert scale.doubt < 0.01
