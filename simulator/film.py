"""Video files as a camera would record them: a scene encoded as H.264 or H.265 in MP4, kept between runs.

A reel is two files: `once` is shown first and holds the fall, `loop` follows it for ever and holds none. Both
begin and end on whole periods of the scene, so no seam shows.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import av
import av.video.stream
import msgspec

from simulator.falling import Flight
from simulator.scene import Scene, Truth, truth
from simulator.stage import Stage

LOOK: Final = 2
"""Grows when the same scene is drawn or encoded differently, so that files of an older look are not used."""

Progress = Callable[[float], None]
"""Told the share that is done, 0..1, now and then, on the encoding thread."""


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """How the camera compresses. `gop` frames from key frame to key frame; `b_frames` between references."""

    codec: Literal["h264", "hevc"] = "h264"
    bit_rate: int = 2_000_000
    gop: int = 50
    b_frames: int = 0


class Reel(msgspec.Struct, frozen=True):
    """What a camera shows: files once, one after the other, then files over and over. Either may be empty."""

    once: tuple[Path, ...] = ()
    loop: tuple[Path, ...] = ()


class Shot(msgspec.Struct, frozen=True):
    """A finished reel with what is really to be seen in it; truth in seconds since the reel began."""

    reel: Reel
    truth: Truth | None


def without_fall(scene: Scene) -> Scene:
    """The same scene, the same light, leaves and noise, but nothing falls ("edited out")."""
    return msgspec.structs.replace(scene, fall=None)


def shoot(
    scene: Scene,
    folder: Path,
    encoding: Encoding | None = None,
    *,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Shot:
    """Render and encode a reel into `folder`, or find it there from an earlier run. Takes seconds; blocks.

    `seconds` is the least length of the part shown once (rounded up to whole periods); by default it just holds
    the fall, and a scene without a fall has none. Safe against a kill at any moment and against a second process.
    """
    encoding = encoding or Encoding()
    needed = _length(scene) if seconds is None else seconds
    opening = math.ceil(needed / scene.period - 1e-9) * round(scene.period * scene.fps)
    turn = round(scene.period * scene.fps)
    name = _name(scene, encoding, opening)
    folder.mkdir(parents=True, exist_ok=True)
    once, loop = folder / f"{name}-once.mp4", folder / f"{name}-loop.mp4"
    wanted = [(path, first, count) for path, first, count in ((once, 0, opening), (loop, opening, turn)) if count]
    missing = [part for part in wanted if not part[0].exists()]
    if missing:
        stage, total, done = Stage(scene), sum(count for _, _, count in missing), 0
        for path, first, count in missing:
            _encode(stage, scene, encoding, path, (first, count), _part(progress, done / total, count / total))
            done += count
    if progress is not None:
        progress(1.0)
    return Shot(Reel((once,) if opening else (), (loop,)), truth(scene))


def record(scene: Scene, path: Path, seconds: float, encoding: Encoding | None = None) -> Truth | None:
    """Render and encode one plain file of this length, for tests and measurements. Returns what is in it."""
    _encode(Stage(scene), scene, encoding or Encoding(), path, (0, round(seconds * scene.fps)), None)
    return truth(scene)


def _length(scene: Scene) -> float:
    if scene.fall is None:
        return 0.0
    return scene.fall.at + Flight(scene.fall, scene.view.facade.storey).seconds + 0.5


def _name(scene: Scene, encoding: Encoding, opening: int) -> str:
    parameters = msgspec.json.encode((LOOK, scene, encoding, opening))
    return f"{encoding.codec}-{hashlib.blake2b(parameters, digest_size=10).hexdigest()}"


def _part(progress: Progress | None, start: float, share: float) -> Progress | None:
    return None if progress is None else lambda done: progress(start + share * done)


def _encode(
    stage: Stage,
    scene: Scene,
    encoding: Encoding,
    path: Path,
    span: tuple[int, int],
    progress: Progress | None,
) -> None:
    """Write frames `span` (first, count) with timestamps from 0; the file appears whole or not at all."""
    first, count = span
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = _stream(container, scene, encoding)
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(stage.frame(first + index), format="yuv420p")
            picture.pts = index
            container.mux(stream.encode(picture))
            if progress is not None and index % 25 == 0:
                progress(index / count)
        container.mux(stream.encode(None))
    unfinished.replace(path)


def _stream(container: av.container.OutputContainer, scene: Scene, encoding: Encoding) -> av.video.stream.VideoStream:
    gop, b_frames = encoding.gop, encoding.b_frames
    if encoding.codec == "h264":
        options = {
            "preset": "veryfast",
            "sc_threshold": "0",
            "keyint_min": str(gop),
            "maxrate": str(encoding.bit_rate * 3 // 2),
            "bufsize": str(encoding.bit_rate),
        }
        stream = container.add_stream("libx264", rate=scene.fps, options=options)
    else:
        wishes = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes={b_frames}:log-level=none"
        stream = container.add_stream("libx265", rate=scene.fps, options={"preset": "ultrafast", "x265-params": wishes})
        stream.codec_context.codec_tag = "hvc1"
    stream.width, stream.height = scene.view.camera.columns, scene.view.camera.rows
    stream.pix_fmt = "yuv420p"
    stream.bit_rate = encoding.bit_rate
    stream.gop_size = gop
    stream.max_b_frames = b_frames
    return stream
