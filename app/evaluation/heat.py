"""Thermal pictures and films through the thermal fire detector."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import flyr
import msgspec
import numpy as np
import tifffile
from numpy.typing import NDArray

from app.evaluation.claims import Claims
from app.evaluation.films import ZERO
from app.evaluation.labels import Clip
from app.evaluation.report import ClipResult, Cost
from app.evaluation.score import score
from detectors import thermal_fire
from detectors.thermal_fire import ThermalFire, ThermalSettings
from hub.errors import MessageError
from hub.model import REPLAY, ThermalFrame, utc
from hub.video import measured

RATE: Final = 9.0
"""Pictures a second of a still: the most that thermal cameras may send across borders."""
SCALE: Final = 0.04
OFFSET: Final = -273.15
"""°C = raw * SCALE + OFFSET: 16 bits hold up to 2,348 °C in steps finer than any sensor's noise."""
VIDEOS: Final = frozenset({".mp4", ".avi", ".mkv", ".mov"})
SEQUENCE_END: Final = 1.0


class _Fed(msgspec.Struct, frozen=True):
    """A frame, how long decoding took (CPU seconds), and from when on it cost the detector."""

    frame: ThermalFrame
    decoding: float
    preparing: float


def watch(clip: Clip, settings: ThermalSettings) -> ClipResult:
    """Show a clip to the detector at its own pace. Raises MessageError for a file that is none."""
    detector = ThermalFire(clip.name, "evaluation", settings)
    claims = Claims(ZERO)
    count, decoding, detecting, last = 0, 0.0, 0.0, 0.0
    for fed in _frames(clip):
        began = time.thread_time()
        found = list(detector.observe(fed.frame))
        detecting += time.thread_time() - began + fed.preparing
        decoding += fed.decoding
        count += 1
        last = fed.frame.at.timestamp() - ZERO
        for candidate in found:
            claims.take(candidate, thermal_fire.decide(candidate, settings))
    reports = claims.reports()
    return ClipResult(
        file=clip.name,
        score=score(reports, clip.label, until_end=False),
        reports=reports,
        seconds=clip.label.still or last,
        uncovered=0.0,
        cost=Cost(count, decoding, detecting),
    )


def _frames(clip: Clip) -> Iterator[_Fed]:
    label = clip.label
    if clip.files[0].suffix.lower() in VIDEOS:
        yield from _film(clip.files[0], clip.name)
    elif label.sequence:
        for index, file in enumerate(clip.files):
            began = time.thread_time()
            celsius = picture(file)
            yield _Fed(_radiometric(celsius, clip.name, index * label.seconds_between), time.thread_time() - began, 0.0)
    else:
        began = time.thread_time()
        celsius = picture(clip.files[0])
        spent = time.thread_time() - began
        frame = _radiometric(celsius, clip.name, 0.0)
        for index in range(round((label.still or 10.0) * RATE)):
            yield _Fed(msgspec.structs.replace(frame, at=utc(ZERO + index / RATE)), spent if index == 0 else 0.0, 0.0)


def picture(file: Path) -> NDArray[np.float32]:
    """Rows x columns in °C from a radiometric TIFF (float32 °C) or FLIR JPEG. Raises MessageError."""
    try:
        if file.suffix.lower() in (".tif", ".tiff"):
            celsius = np.asarray(tifffile.imread(file), np.float32)
        else:
            celsius = np.asarray(flyr.unpack(str(file)).celsius, np.float32)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise MessageError("unreadable", f"{file.name}: {error}") from error
    if celsius.ndim != 2 or not np.isfinite(celsius).all():
        raise MessageError("unreadable", f"{file.name} is no picture of temperatures")
    return celsius


def _radiometric(celsius: NDArray[np.float32], name: str, at: float) -> ThermalFrame:
    raw = np.clip(np.round((celsius - OFFSET) / SCALE), 0, 65535).astype("<u2")
    highest = float(celsius.max())
    return ThermalFrame(
        camera=name,
        site="evaluation",
        at=utc(ZERO + at),
        clock="device",
        arrived_at=utc(ZERO + at),
        width=celsius.shape[1],
        height=celsius.shape[0],
        scale=SCALE,
        offset=OFFSET,
        range_low=float(celsius.min()),
        # The file doesn't say where the sensor's range ends. Where many pixels share the highest value, it is there.
        range_high=highest if np.count_nonzero(celsius >= highest - 0.01) >= 4 and highest > 120 else 2000.0,
        purpose=REPLAY,
        raw=raw.tobytes(),
    )


def _film(file: Path, name: str) -> Iterator[_Fed]:
    """8-bit video: the picture's brightness has no temperature in it, so it is fed as not radiometric."""
    bare = measured.bare_decoding(file)
    each = bare.cpu_seconds / max(bare.pictures, 1)
    for frame in measured.frames(file):
        began = time.thread_time()
        shown = frame.picture(name, "evaluation", ZERO)
        fed = ThermalFrame(
            camera=name,
            site="evaluation",
            at=utc(shown.at),
            clock="device",
            arrived_at=utc(shown.at),
            width=shown.width,
            height=shown.height,
            scale=1.0,
            offset=0.0,
            range_low=0.0,
            range_high=255.0,
            radiometric=False,
            purpose=REPLAY,
            raw=np.ascontiguousarray(shown.luma).astype("<u2").tobytes(),
        )
        yield _Fed(fed, each, time.thread_time() - began)
