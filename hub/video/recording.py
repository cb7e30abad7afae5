"""A film in a file as pictures, whatever it is coded in: for trying a detector on a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error

from hub.errors import MessageError
from hub.identity import derived
from hub.picture import Picture
from hub.redact import redact
from hub.video.decode import luma


def pictures(path: Path, camera: str, site: str, begin: float) -> Iterator[Picture]:
    """Its pictures in the order they are shown, the first one at `begin` (seconds since 1970), one thread.

    `pts` counts in milliseconds. What comes behind damage is shown as FFmpeg shows it. Raises
    MessageError("no_video") when there is nothing to decode.
    """
    session = derived("session", camera, path.name, begin)
    first: float | None = None
    try:
        with av.open(str(path), "r") as container:
            container.streams.video[0].thread_type = "NONE"
            for frame in container.decode(video=0):
                if frame.pts is None:
                    continue
                first = frame.time if first is None else first
                offset = float(frame.time - first)
                yield Picture(
                    camera=camera,
                    site=site,
                    at=begin + offset,
                    pts=round(offset * 1000),
                    width=frame.width,
                    height=frame.height,
                    luma=luma(frame),
                    session=session,
                    key=bool(frame.key_frame),
                )
    except (av.error.FFmpegError, OSError, IndexError) as error:
        if first is None:
            raise MessageError("no_video", redact(f"{path.name}: {error}")) from None
