"""A film made of drawn pictures, for cameras whose log holds no video: a thermal camera's false colours."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

import av
import av.error
import msgspec
import numpy as np
from av.video.frame import VideoFrame

from hub.errors import MessageError
from hub.picture import Luma
from hub.video.clip import CLOCK, Clip, writing
from hub.video.preview import RATE, h264_options


class Drawn(msgspec.Struct, frozen=True):
    """One picture to be shown at an instant: height x width x 3 (blue, green, red) uint8."""

    at: datetime
    pixels: Luma


def filmed(pictures: Iterable[Drawn], clock: str = "hub") -> Clip:
    """Pictures in order as H.264 in fragmented MP4, each shown until the next; odd sizes lose a row or column.

    A picture no later than the one before it, or of another size than the first, is left out. `clock` says whose
    time the instants are. Raises MessageError("no_video") for fewer than two pictures, or when FFmpeg refuses them.
    """
    out = io.BytesIO()
    first: datetime | None = None
    last, count, width, height = -1, 0, 0, 0
    end = None
    try:
        with writing(out) as container:
            stream = container.add_stream("libx264", rate=RATE, options=h264_options())
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK)
            for picture in pictures:
                rows, columns = picture.pixels.shape[0] // 2 * 2, picture.pixels.shape[1] // 2 * 2
                if first is None:
                    first, width, height = picture.at, columns, rows
                    stream.width, stream.height = width, height
                ticks = round((picture.at - first).total_seconds() * CLOCK)
                if ticks <= last or (columns, rows) != (width, height):
                    continue
                frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels[:rows, :columns]), format="bgr24")
                frame.pts, frame.time_base = ticks, Fraction(1, CLOCK)
                container.mux(stream.encode(frame))
                last, count, end = ticks, count + 1, picture.at
            if count:
                container.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise MessageError("no_video", f"no film: {error}") from None
    if first is None or end is None or count < 2:
        raise MessageError("no_video", f"{count} pictures are no film")
    return Clip(
        data=out.getvalue(),
        begin=first,
        end=end,
        codec="h264",
        width=width,
        height=height,
        pictures=count,
        whole=True,
        clock=clock,
    )
