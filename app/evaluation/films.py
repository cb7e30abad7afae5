"""Films through the falling-object detector, as the detect role would: one pass, from a cold start."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from app.evaluation.claims import Claims
from app.evaluation.labels import Clip
from app.evaluation.report import ClipResult, Cost
from app.evaluation.score import score
from detectors import falling_object
from detectors.falling.origin import FloorLine, Geometry
from detectors.falling_object import FallingObject, FallingSettings
from hub.picture import Picture
from hub.video import measured

ZERO: Final = 1_700_000_000.0
"""When recordings begin, in seconds since 1970: any instant will do, and it is always the same."""
_LINES: Final = re.compile(r"floor_lines_y_at_x(\d+)$")


def watch(clip: Clip, settings: FallingSettings) -> ClipResult:
    """Decode a film twice: bare, for the reference, and for the detector. Raises MessageError."""
    file = clip.files[0]
    bare = measured.bare_decoding(file)
    detector = FallingObject(clip.name, "evaluation", settings, geometry(clip))
    claims = Claims(ZERO)
    spent, last = 0.0, 0.0
    for frame in measured.frames(file):
        began = time.thread_time()
        picture: Picture = frame.picture(clip.name, "evaluation", ZERO)
        found = list(detector.observe(picture))
        spent += time.thread_time() - began
        for candidate in found:
            claims.take(candidate, falling_object.decide(candidate, settings))
        last = frame.at
    for candidate in detector.advance(ZERO + last + 5):
        claims.take(candidate, falling_object.decide(candidate, settings))
    reports = claims.reports()
    coverage = detector.coverage
    return ClipResult(
        file=clip.name,
        score=score(reports, clip.label, until_end=True),
        reports=reports,
        seconds=coverage.seconds,
        uncovered=coverage.uncovered,
        cost=Cost(bare.pictures, bare.cpu_seconds, spent),
    )


def geometry(clip: Clip) -> Geometry:
    """What the label says of the camera: its vanishing row, and floor lines where somebody noted them."""
    told = clip.label.calibration
    if told is None:
        return Geometry()
    lines: tuple[FloorLine, ...] = ()
    for name, rows in _notes(clip).items():
        match = _LINES.match(name)
        if match and isinstance(rows, list):
            column = float(match.group(1))
            lines = tuple(FloorLine(floor, ((column, float(row)),)) for floor, row in enumerate(rows))
    return Geometry(vanishing_row=told.vanishing_row, floor_lines=lines)


def _notes(clip: Clip) -> dict[str, Any]:
    return clip.label.model_extra or {}
