"""Pictures that prove: the way an object fell, and where in a thermal picture it is hot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from hub.errors import MessageError
from hub.model import Point, ThermalFrame
from hub.video.film import Drawn

MEDIA_TYPE: Final = "image/jpeg"
WIDTH: Final = 640
"""A thermal picture is enlarged to at least so many pixels."""
INSET: Final = 0.38
"""The share of the picture's height that the enlarged part of a trajectory takes."""
_MARK: Final = (0, 94, 213)  # vermilion (D55E00), as blue, green, red
_LIGHT: Final = (255, 255, 255)
Pixels = npt.NDArray[np.uint8]


def trajectory(jpeg: bytes, path: Sequence[Point]) -> bytes:
    """A picture (JPEG) with the way that an object took drawn in, and that part once more, larger, in a corner.

    `path` is in pixels of this picture. Raises MessageError when the picture can't be read.
    """
    plain = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if plain is None:
        raise MessageError("no_video", "the picture behind the trajectory can't be read")
    drawn = plain.copy()
    _draw(drawn, [(point.x, point.y) for point in path], 1.0)
    height, width = plain.shape[:2]
    box = _around(path, width, height)
    if box is not None:
        left, top, right, bottom = box
        scale = min(INSET * height / (bottom - top), 0.45 * width / (right - left))
        if scale > 1.0:
            part = plain[top:bottom, left:right]
            large = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
            _draw(large, [((p.x - left) * scale, (p.y - top) * scale) for p in path], scale)
            _place(drawn, large, at_right=(left + right) / 2 < width / 2)
    return _jpeg(drawn)


def false_colour(frame: ThermalFrame, outline: Sequence[Point]) -> bytes:
    """A thermal picture (JPEG) in colours from cold to hot, the hot spot outlined, its highest temperature written in.

    `outline` is in pixels of the frame; without one the hottest pixel is marked.
    """
    celsius = _celsius(frame)
    return _jpeg(_coloured(frame, celsius, outline, (_cold(celsius), float(celsius.max()))))


def false_colours(frames: Sequence[ThermalFrame], outline: Sequence[Point]) -> Iterator[Drawn]:
    """The same for a film: one scale of colours for all its pictures, so that only what changes changes."""
    scale = (min(_cold(_celsius(frame)) for frame in frames), max(float(_celsius(frame).max()) for frame in frames))
    for frame in frames:
        yield Drawn(frame.at, _coloured(frame, _celsius(frame), outline, scale))


def _celsius(frame: ThermalFrame) -> npt.NDArray[np.float32]:
    raw = np.frombuffer(frame.raw, "<u2").reshape(frame.height, frame.width)
    return raw.astype(np.float32) * np.float32(frame.scale) + np.float32(frame.offset)


def _cold(celsius: npt.NDArray[np.float32]) -> float:
    return float(np.percentile(celsius, 1))


def _coloured(
    frame: ThermalFrame, celsius: npt.NDArray[np.float32], outline: Sequence[Point], colours: tuple[float, float]
) -> Pixels:
    low, high = colours
    # The root gives the cold part most of the colours: beside a flame a facade would else be black, and nobody could
    # say which window it is.
    share = np.sqrt(np.clip((celsius - low) / max(high - low, 1.0), 0, 1))
    grey = (share * 255).astype(np.uint8)
    scale = max(1, -(-WIDTH // frame.width))
    large = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    coloured = cv2.applyColorMap(large, cv2.COLORMAP_INFERNO)
    row, column = np.unravel_index(int(celsius.argmax()), celsius.shape)
    points = [(p.x, p.y) for p in outline] if len(outline) >= 3 else _square(int(column), int(row))
    corners = np.array([[(x + 0.5) * scale, (y + 0.5) * scale] for x, y in points], np.int32)
    cv2.polylines(coloured, [corners], isClosed=True, color=_LIGHT, thickness=2, lineType=cv2.LINE_AA)
    if frame.radiometric:
        _write(coloured, f"max {float(celsius.max()):.1f} C", (8, coloured.shape[0] - 12))
    drawn: Pixels = coloured.astype(np.uint8, copy=False)
    return drawn


def _draw(picture: Any, points: Sequence[tuple[float, float]], scale: float) -> None:
    line = np.array([[round(x), round(y)] for x, y in points], np.int32)
    thick = max(1, round(picture.shape[0] / 540))
    cv2.polylines(picture, [line], isClosed=False, color=_MARK, thickness=thick, lineType=cv2.LINE_AA)
    for x, y in line[:: max(1, len(line) // 12)]:
        cv2.circle(picture, (int(x), int(y)), max(3, round(3 * scale)), _MARK, thick, cv2.LINE_AA)


def _around(path: Sequence[Point], width: int, height: int) -> tuple[int, int, int, int] | None:
    if len(path) < 2:
        return None
    margin = 24.0
    left, right = min(p.x for p in path) - margin, max(p.x for p in path) + margin
    top, bottom = min(p.y for p in path) - margin, max(p.y for p in path) + margin
    box = (max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom)))
    return box if box[2] - box[0] > 8 and box[3] - box[1] > 8 else None


def _place(picture: Any, inset: Any, *, at_right: bool) -> None:
    height, width = inset.shape[:2]
    left = picture.shape[1] - width - 8 if at_right else 8
    picture[8 : 8 + height, left : left + width] = inset
    cv2.rectangle(picture, (left - 1, 7), (left + width, 8 + height), _LIGHT, 2)


def _square(column: int, row: int) -> list[tuple[float, float]]:
    return [(column - 2, row - 2), (column + 2, row - 2), (column + 2, row + 2), (column - 2, row + 2)]


def _write(picture: Any, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, _LIGHT, 2, cv2.LINE_AA)


def _jpeg(picture: Any) -> bytes:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise MessageError("no_video", "the picture can't be written")
    return bytes(data)
