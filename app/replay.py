"""One recording through its detector: what it would have said, a line for each detection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from app.evaluation import films, heat, tables
from app.evaluation.labels import Channel, Clip, Label, Only
from app.evaluation.report import ClipResult, clip_dict, line_of
from app.evaluation.tables import header_of
from detectors.falling_object import FallingSettings
from detectors.sensor_limit import SensorSettings
from detectors.thermal_fire import ThermalSettings
from hub.errors import MessageError

STILL: Final = 60.0
"""Seconds for which a thermal picture is shown."""
_PICTURES: Final = frozenset({".tif", ".tiff", ".jpg", ".jpeg"})


def replay(file: Path, *, as_json: bool = False) -> Iterator[str]:
    """The detections of a recording as lines of text, or one JSON object. Raises MessageError.

    Video goes through the falling-object detector, a radiometric picture through the thermal one, and a table of
    temperatures through the rules of heat detectors, each column a device.
    """
    if not file.is_file():
        raise MessageError("unreadable", f"{file} is no file")
    name, result = _watched(file)
    if as_json:
        yield json.dumps({"detector": name, **clip_dict(name, result)}, ensure_ascii=False, indent=2)
        return
    yield f"{file.name}: {name}, {result.seconds:.1f} s, {len(result.reports)} detections"
    for report in result.reports:
        yield line_of(report)


def _watched(file: Path) -> tuple[Only, ClipResult]:
    suffix = file.suffix.lower()
    if suffix in _PICTURES:
        return "thermal_fire", heat.watch(_clip(file, {"still": STILL}), ThermalSettings())
    if suffix == ".csv":
        header = header_of(file)
        when = next((name for name in header if name.lower() in ("t", "time", "seconds")), None)
        if when is None:
            raise MessageError("no_column", f"{file.name} has no column of times (t, time or seconds)")
        channels = {
            name: Channel(device=name, metric="temperature", unit="°C") for name in header if _is_temperature(name)
        }
        return "sensors", tables.watch(_clip(file, {"time_column": when, "channels": channels}), SensorSettings())
    return "falling_object", films.watch(_clip(file, {}), FallingSettings())


def _is_temperature(column: str) -> bool:
    return "temperature" in column.lower() or column.upper().startswith("TC")


def _clip(file: Path, more: dict[str, Any]) -> Clip:
    return Clip(name=file.name, files=(file,), label=Label.model_validate({"file": file.name, **more}))
