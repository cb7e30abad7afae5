"""Small films and single pictures for browsers that can't play what the camera sends."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import av
import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame

from hub.errors import MessageError
from hub.model import VideoChunk
from hub.picture import Luma, Picture
from hub.video.clip import CLOCK, writing
from hub.video.decode import key_pictures

WIDTH: Final = 640
RATE: Final = 10
BITS_PER_SECOND: Final = 600_000
QUALITY: Final = 85


def frames_in(film: bytes) -> int:
    """How many pictures of a clip can be decoded; 0 when it is no film."""
    try:
        with av.open(io.BytesIO(film), "r") as source:
            return sum(not frame.is_corrupt for frame in source.decode(video=0))
    except (av.error.FFmpegError, ValueError, IndexError):
        return 0


def preview(film: bytes) -> bytes:
    """A clip (`Clip.data`) as H.264 at most 640 pixels wide, 10 pictures a second, 600 kbit/s, in fragmented MP4.

    Raises MessageError("no_video") when nothing in it can be decoded.
    """
    out = io.BytesIO()
    try:
        with av.open(io.BytesIO(film), "r") as source, writing(out) as container:
            shown = None
            stream = None
            for frame in source.decode(video=0):
                if frame.is_corrupt or frame.pts is None:
                    continue
                if stream is None:
                    width = min(WIDTH, frame.width) // 2 * 2
                    height = max(2, round(frame.height * width / frame.width) // 2 * 2)
                    stream = container.add_stream("libx264", rate=RATE, options=h264_options())
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                    stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK)
                slot = int(frame.time * RATE)
                if slot == shown:
                    continue
                shown = slot
                small = frame.reformat(stream.width, stream.height, "yuv420p")
                small.pts, small.time_base = round(frame.time * CLOCK), Fraction(1, CLOCK)
                container.mux(stream.encode(small))
            if stream is None:
                raise MessageError("no_video", "no picture in it can be decoded")
            container.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise MessageError("no_video", f"no preview: {error}") from None
    return out.getvalue()


def still(chunks: Iterable[VideoChunk]) -> bytes:
    """The newest key frame of one camera's chunks as a JPEG in colour.

    Raises MessageError("no_video") when there is none that can be decoded.
    """
    found: VideoFrame | None = None
    for _, frame in key_pictures(chunks):
        found = frame
    if found is None:
        raise MessageError("no_video", "no key frame that can be decoded")
    return jpeg(found.to_ndarray(format="bgr24").astype(np.uint8, copy=False))


def still_of(picture: Picture) -> bytes:
    """A decoded picture as a grey JPEG."""
    return jpeg(np.ascontiguousarray(picture.luma))


def jpeg(pixels: Luma) -> bytes:
    """Height x width (grey) or height x width x 3 (blue, green, red) uint8 as JPEG."""
    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise MessageError("no_video", "a picture that can't be written as JPEG")
    return bytes(data)


def h264_options() -> dict[str, str]:
    """What libx264 is told for a small film: one thread, a key frame every other second."""
    rate = str(BITS_PER_SECOND)
    # No B-frames: with them the film would begin a few frames' time after its zero.
    return {
        "preset": "veryfast",
        "crf": "28",
        "maxrate": rate,
        "bufsize": rate,
        "g": str(2 * RATE),
        "bf": "0",
        "threads": "1",
    }
