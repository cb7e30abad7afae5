"""Which clips and pictures are kept for which alarm."""

from __future__ import annotations

from datetime import timedelta

import cv2
import numpy as np
import pytest

from alerts.condition import begin
from alerts.picture import false_colour, trajectory
from alerts.policy import AlertSettings
from alerts.proof import pieces
from hub.errors import MessageError
from hub.model import Detection, Point, ThermalFrame
from tests.small_estate import START, estate, fall, seen

SETTINGS = AlertSettings()


def kept(detection: Detection) -> list[tuple[str, str]]:
    return [(piece.what, piece.camera) for piece in pieces(begin(detection), estate(), SETTINGS)]


def test_what_is_kept() -> None:
    assert kept(fall(0)) == [("clip", "cuihu/cam-b3"), ("trajectory", "cuihu/cam-b3")]
    assert kept(seen("smoke")) == [("clip", "cuihu/cam-b3"), ("thermal", "cuihu/therm-b3")]
    assert kept(seen("thermal_fire", place="cuihu/b3")) == [("thermal", "cuihu/therm-b3"), ("clip", "cuihu/cam-b3")]
    assert kept(seen("smoke", place="cuihu/b1/u1/2")) == []
    assert kept(seen("smoke", place="")) == []


def test_a_camera_that_nobody_registered_keeps_its_own_clip() -> None:
    assert kept(fall(0, camera="cuihu/cam-new"))[:2] == [("clip", "cuihu/cam-new"), ("trajectory", "cuihu/cam-new")]


def test_from_ten_seconds_before_to_five_after() -> None:
    clip = pieces(begin(fall(0)), estate(), SETTINGS)[0]
    assert (START - clip.begin, clip.end - START) == (timedelta(seconds=10), timedelta(seconds=6))


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
