"""Small films encoded on the spot: a bright square on grey, moving; some frames' worth of anything we need."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import av
import msgspec
import numpy as np
from av.video.stream import VideoStream

RATE: Final = 25


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What a film is like. `gop` frames from key frame to key frame."""

    codec: str = "h264"
    width: int = 320
    height: int = 240
    frames: int = 75
    gop: int = 25
    b_frames: int = 0


def film(recipe: Recipe, path: Path) -> Path:
    """Encode it to `path`; the frame's number is told by the square's place and by the grey behind it."""
    encoder = {"h264": "libx264", "hevc": "libx265", "mpeg4": "mpeg4"}[recipe.codec]
    quiet = {"x265-params": f"log-level=none:keyint={recipe.gop}:bframes={recipe.b_frames}"}
    options = {"preset": "ultrafast", "g": str(recipe.gop), "bf": str(recipe.b_frames)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE, options=options | (quiet if encoder == "libx265" else {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        for i in range(recipe.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_drawn(recipe, i), "yuv420p")))
        container.mux(stream.encode(None))
    return path


def grey_of(frame: int) -> int:
    """The brightness behind the square in this frame."""
    return 40 + (frame * 7) % 150


def pictures(data: bytes) -> Sequence[tuple[float, int, int]]:
    """Every decoded picture of a film in memory: its time in seconds, width, height."""
    with av.open(io.BytesIO(data), "r") as container:
        return [(float(f.time or 0), f.width, f.height) for f in container.decode(video=0)]


def codec_of(data: bytes) -> tuple[str, str]:
    """Codec and tag of a film in memory, such as ("hevc", "hvc1")."""
    with av.open(io.BytesIO(data), "r") as container:
        context = container.streams.video[0].codec_context
        return context.name, context.codec_tag


def _drawn(recipe: Recipe, i: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    planes = np.full((recipe.height * 3 // 2, recipe.width), 128, np.uint8)
    planes[: recipe.height] = grey_of(i)
    left = (i * 4) % (recipe.width - 40)
    planes[20:60, left : left + 40] = 235
    return planes
