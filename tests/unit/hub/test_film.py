"""Drawn pictures become a film that browsers play."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import av
import numpy as np
import pytest

from hub.errors import MessageError
from hub.video.film import Drawn, filmed
from hub.video.preview import frames_in

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def drawn(at: float, level: int = 0, size: tuple[int, int] = (120, 160)) -> Drawn:
    return Drawn(START + timedelta(seconds=at), np.full((*size, 3), level, np.uint8))


def test_each_picture_is_shown_at_its_instant() -> None:
    instants = [0.0, 0.11, 0.5, 2.0, 2.2]
    made = filmed(drawn(at, round(at * 100)) for at in instants)
    assert (made.pictures, made.codec, made.width, made.height) == (5, "h264", 160, 120)
    assert (made.begin, made.end) == (START, START + timedelta(seconds=2.2))
    with av.open(io.BytesIO(made.data), "r") as film:
        frames = list(film.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(instants)
    brightness = [float(frame.to_ndarray(format="gray").mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert made.data[4:8] == b"ftyp"
    assert b"moof" in made.data, "fragmented: a player need not have all of it"


def test_odd_sizes_other_sizes_and_repeats() -> None:
    pictures = [drawn(0, size=(121, 161)), drawn(1, size=(121, 161)), drawn(1), drawn(0.5), drawn(2, size=(60, 80))]
    made = filmed(pictures)
    assert (made.width, made.height, made.pictures, frames_in(made.data)) == (160, 120, 2, 2)


@pytest.mark.parametrize("pictures", [[], [drawn(0)], [drawn(0), drawn(0)]])
def test_fewer_than_two_pictures_are_no_film(pictures: list[Drawn]) -> None:
    with pytest.raises(MessageError, match="no film"):
        filmed(pictures)
