"""A recording on disk, picture by picture, with the cost of decoding kept apart from what is done with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import msgspec
from av.video.frame import VideoFrame

from hub.errors import MessageError
from hub.model import REPLAY
from hub.picture import Picture
from hub.video.decode import luma


class Frame:
    """One frame as PyAV handed it over, not yet looked at. `at` is seconds from the file's beginning."""

    def __init__(self, frame: VideoFrame, at: float) -> None:
        self._frame = frame
        self.at = at

    def picture(self, camera: str, site: str, begin: float = 0.0) -> Picture:
        """Its brightness, as a view into PyAV's memory. `begin` is added to the time."""
        frame = self._frame
        return Picture(
            camera=camera,
            site=site,
            at=begin + self.at,
            pts=frame.pts or 0,
            width=frame.width,
            height=frame.height,
            luma=luma(frame),
            session=camera,
            key=bool(frame.key_frame),
            purpose=REPLAY,
        )


class Decoding(msgspec.Struct, frozen=True):
    """What a bare decoding loop cost: pictures and seconds of CPU on one thread."""

    pictures: int
    cpu_seconds: float


def frames(path: Path) -> Iterator[Frame]:
    """Every picture of a recording in the order shown, decoded on the caller's thread. Raises MessageError."""
    for frame, at in _decoded(path):
        yield Frame(frame, at)


def bare_decoding(path: Path) -> Decoding:
    """Decode the whole file and do nothing else: the reference that detection is compared with."""
    begin = time.thread_time()
    count = sum(1 for _ in _decoded(path))
    return Decoding(count, time.thread_time() - begin)


def _decoded(path: Path) -> Iterator[tuple[VideoFrame, float]]:
    last: float | None = None
    step = 0.04
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MessageError("no_video", f"{path.name} holds no video")
            stream = container.streams.video[0]
            # One thread, the caller's own: else the cost would be somewhere else, and not be counted.
            stream.codec_context.thread_count = 1
            stream.thread_type = "NONE"
            if stream.average_rate:
                step = float(1 / stream.average_rate)
            for frame in container.decode(stream):
                following = 0.0 if last is None else last + step
                last = float(frame.time) if frame.pts is not None else following
                yield frame, last
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MessageError("unreadable", f"{path.name}: {error}") from error
