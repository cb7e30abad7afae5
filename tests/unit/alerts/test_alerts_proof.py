"""Which clips and pictures are kept for which alarm."""

from __future__ import annotations

from datetime import timedelta

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.condition import begin
from alerts.picture import false_colour, false_colours, trajectory
from alerts.policy import AlertSettings
from alerts.proof import Cover, Piece, over, pieces, uncovered
from hub.errors import MessageError
from hub.model import Detection, Point, ThermalFrame
from tests.small_estate import START, estate, fall, seen

SETTINGS = AlertSettings()


def kept(detection: Detection) -> list[tuple[str, str]]:
    return [(piece.what, piece.camera) for piece in pieces(begin(detection), estate(), SETTINGS)]


def test_what_is_kept() -> None:
    assert kept(fall(0)) == [("clip", "cuihu/cam-b3"), ("trajectory", "cuihu/cam-b3")]
    assert kept(seen("smoke")) == [
        ("clip", "cuihu/cam-b3"),
        ("clip", "cuihu/therm-b3"),
        ("thermal", "cuihu/therm-b3"),
    ]
    assert kept(seen("thermal_fire", place="cuihu/b3")) == [
        ("clip", "cuihu/therm-b3"),
        ("thermal", "cuihu/therm-b3"),
        ("clip", "cuihu/cam-b3"),
    ]
    assert kept(seen("smoke", place="cuihu/b1/u1/2")) == []
    assert kept(seen("smoke", place="")) == []


def test_a_camera_that_nobody_registered_keeps_its_own_clip() -> None:
    assert kept(fall(0, camera="cuihu/cam-new"))[:2] == [("clip", "cuihu/cam-new"), ("trajectory", "cuihu/cam-new")]
    unknown = pieces(begin(seen("thermal_fire", subject="cuihu/therm-new", place="")), estate(), SETTINGS)
    assert [(piece.what, piece.thermal) for piece in unknown] == [("clip", True), ("thermal", True)]


def test_from_ten_seconds_before_to_five_after() -> None:
    clip = pieces(begin(fall(0)), estate(), SETTINGS)[0]
    assert (START - clip.begin, clip.end - START) == (timedelta(seconds=10), timedelta(seconds=6))


def seconds_left(*covers: tuple[float, float]) -> tuple[float, float] | None:
    """What remains of a clip from 0 s to 15 s whose moment is at 10 s."""
    piece = Piece(
        id="p", alert="a", what="clip", camera="c",
        begin=START, moment=START + timedelta(seconds=10), end=START + timedelta(seconds=15),
    )  # fmt: skip
    known = [Cover(START + timedelta(seconds=begin), START + timedelta(seconds=end)) for begin, end in covers]
    left = uncovered(piece, known)
    return None if left is None else ((left.begin - START).total_seconds(), (left.end - START).total_seconds())


@pytest.mark.parametrize(
    ("covers", "left"),
    [
        ((), (0, 15)),
        (((0, 15),), None),
        (((-2, 14.5),), None),
        (((-20, -1), (15, 30)), (0, 15)),
        (((-10, 5),), (5, 15)),
        (((-4, 11),), (11, 15)),
        (((12, 27),), (0, 12)),
        (((-10, 5), (12, 27)), (5, 12)),
        (((-10, 5), (5, 20)), None),
    ],
)
def test_no_two_clips_of_an_incident_show_the_same(
    covers: tuple[tuple[float, float], ...], left: tuple[float, float] | None
) -> None:
    assert seconds_left(*covers) == left


@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(0.1, 30)), max_size=4))
def test_what_is_left_overlaps_nothing_and_lies_within(spans: list[tuple[float, float]]) -> None:
    covers = [(begin, begin + length) for begin, length in spans]
    left = seconds_left(*covers)
    if left is None:
        assert covers
        return
    assert 0 <= left[0] < left[1] <= 15
    assert all(end <= left[0] + 1e-5 or begin >= left[1] - 1e-5 for begin, end in covers)


def test_a_fall_ends_when_it_has_fallen_and_a_fire_when_it_was_seen() -> None:
    fire = msgspec.structs.replace(begin(seen("smoke")), ended_at=START + timedelta(hours=1))
    assert over(fire) == START
    assert over(begin(fall(0))) == START + timedelta(seconds=1)


def thermal(width: int, height: int, *, radiometric: bool = True) -> ThermalFrame:
    raw = np.full((height, width), 29315, "<u2")
    raw[height // 2, width // 2] = 36815
    return ThermalFrame(
        camera="c", site="s", at=START, clock="hub", arrived_at=START, width=width, height=height, scale=0.01,
        offset=-273.15, range_low=-20, range_high=150, radiometric=radiometric, raw=raw.tobytes(),
    )  # fmt: skip


def pixels(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8)


@pytest.mark.parametrize("size", [(32, 24), (384, 288), (1, 1)])
def test_a_thermal_picture_is_large_enough_and_brightest_where_it_is_hot(size: tuple[int, int]) -> None:
    outline = (Point(0, 1, 1, 1), Point(0, 5, 1, 1), Point(0, 5, 5, 1))
    for path in ((), outline):
        assert pixels(false_colour(thermal(*size), path)).shape[1] >= 640
    plain = pixels(false_colour(thermal(*size, radiometric=False), ()))
    marked = pixels(false_colour(thermal(*size), ()))
    assert (plain != marked).any(), "the temperature is only written where there is one"


def test_a_flat_thermal_picture_is_no_division_by_zero() -> None:
    frame = thermal(8, 8)
    flat = np.full((8, 8), 29315, "<u2").tobytes()
    assert false_colour(ThermalFrame(**{**{n: getattr(frame, n) for n in frame.__struct_fields__}, "raw": flat}), ())


def test_a_trajectory_is_drawn_and_shown_larger() -> None:
    ok, jpeg = cv2.imencode(".jpg", np.full((720, 1280, 3), 120, np.uint8))
    assert ok
    path = tuple(Point(i / 10, 1000.0, 200.0 + 10 * i, 9.0) for i in range(10))
    drawn = pixels(trajectory(bytes(jpeg), path))
    red = (drawn[..., 2] > 150) & (drawn[..., 0] < 90)
    assert red[195:300, 980:1020].any()
    assert red[:280, :600].any(), "the inset stands in the other half"
    assert trajectory(bytes(jpeg), ())
    with pytest.raises(MessageError):
        trajectory(b"no picture", path)


def test_a_film_keeps_one_scale_of_colours_and_writes_each_pictures_highest_temperature() -> None:
    cold = thermal(64, 48)
    raw = np.frombuffer(cold.raw, "<u2").copy()
    raw[0] = 60000
    hot = msgspec.structs.replace(cold, at=START + timedelta(seconds=1), raw=raw.tobytes())
    first, second = false_colours([cold, hot], ())
    assert (first.at, second.at) == (cold.at, hot.at)
    assert first.pixels.shape == second.pixels.shape == (480, 640, 3)
    unmarked = (slice(300, 400), slice(100, 200))
    assert (first.pixels[unmarked] == second.pixels[unmarked]).all(), "the cold part looks the same in both"
    assert (first.pixels[440:] != second.pixels[440:]).any(), "the number differs"
