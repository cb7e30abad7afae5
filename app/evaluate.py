"""Run the detectors over labelled recordings and say what was found, what was false, how fast, and at what cost.

The same code and settings as the detect role: one pass, cold start, nothing learned from a clip's future.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
from rich.console import Console
from rich.progress import Progress

from app.evaluation import films, heat, tables
from app.evaluation.labels import SECTIONS, Clip, Only, read_labels
from app.evaluation.report import ClipResult, DetectorResult, EvaluationReport
from app.evaluation.score import score
from detectors.falling_object import FallingSettings
from detectors.sensor_limit import SensorSettings
from detectors.thermal_fire import ThermalSettings
from hub.errors import ConfigError, MessageError

_WATCH: Final[dict[Only, Callable[[Clip], ClipResult]]] = {
    "falling_object": lambda clip: films.watch(clip, FallingSettings()),
    "thermal_fire": lambda clip: heat.watch(clip, ThermalSettings()),
    "sensors": lambda clip: tables.watch(clip, SensorSettings()),
}


def evaluate(
    directory: Path, labels: Path | None = None, only: str | None = None, *, progress: bool = False
) -> EvaluationReport:
    """Evaluate the recordings under `directory`. Raises ConfigError for bad labels.

    A recording that can't be read counts with its truths as missed, and says so.

    `labels` is DIRECTORY/labels.yaml by default; paths in it are relative to `directory`. `progress` draws a bar.
    """
    chosen = [section for section in SECTIONS if only in (None, section)]
    if not chosen:
        raise ConfigError(f"'{only}' is no detector that can be evaluated; use one of: {', '.join(SECTIONS)}")
    cv2.setNumThreads(1)
    clips = read_labels(labels or directory / "labels.yaml", directory, chosen)
    results = []
    with Progress(console=Console(stderr=True), disable=not progress) as bar:
        for section in chosen:
            task = bar.add_task(section, total=len(clips[section]))
            done = []
            for clip in clips[section]:
                done.append(_watched(section, clip))
                bar.advance(task)
            results.append(DetectorResult(section, tuple(done)))
    return EvaluationReport(tuple(results))


def _watched(section: Only, clip: Clip) -> ClipResult:
    try:
        return _WATCH[section](clip)
    except MessageError as error:
        nothing = score((), clip.label, until_end=False)
        return ClipResult(clip.name, nothing, (), 0.0, 0.0, unreadable=str(error))
