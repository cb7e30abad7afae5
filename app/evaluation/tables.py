"""Tables of sensor values through the sensor detector, row by row."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from app.evaluation.claims import Claims
from app.evaluation.films import ZERO
from app.evaluation.labels import Clip
from app.evaluation.report import ClipResult
from app.evaluation.score import score
from detectors import sensor_limit
from detectors.sensor_limit import SensorLimit, SensorSettings
from hub.errors import MessageError
from hub.identity import derived
from hub.model import REPLAY, Reading, utc

KINDS: Final = {"temperature": "heat", "smoke_density": "smoke", "carbon_monoxide": "co", "gas": "gas"}
"""The kind of device that measures a quantity, where a label names the quantity alone."""
PER_CENT: Final = 10_000.0
"""ppm in one per cent by volume."""


class Cell(msgspec.Struct, frozen=True):
    """One value of a table: seconds in the table's own time."""

    t: float
    device: str
    metric: str
    unit: str
    value: float


def watch(clip: Clip, settings: SensorSettings) -> ClipResult:
    """Feed a table to the detector in its own time, the seconds between rows included. Raises MessageError."""
    detector = SensorLimit(lambda _: settings)
    claims = Claims(ZERO)
    first = last = None
    for cell in cells(clip):
        if last is not None and cell.t > last:
            for candidate in detector.advance(ZERO + cell.t):
                claims.take(candidate, sensor_limit.decide(candidate, settings))
        first = cell.t if first is None else first
        last = cell.t
        for candidate in detector.observe(reading(cell)):
            claims.take(candidate, sensor_limit.decide(candidate, settings))
    reports = claims.reports()
    return ClipResult(
        file=clip.name,
        score=score(reports, clip.label, until_end=False, one_fire=True),
        reports=reports,
        seconds=(last or 0.0) - (first or 0.0),
        uncovered=0.0,
    )


def cells(clip: Clip) -> Iterator[Cell]:
    """The named channels of a table, in the order of its rows. Raises MessageError for a table without them."""
    label = clip.label
    header, rows = _table(clip.files[0])
    if label.time_column not in header:
        raise MessageError("no_column", f"{clip.name} has no column {label.time_column}")
    when = header.index(label.time_column)
    missing = [name for name in label.channels if name not in header]
    if missing:
        raise MessageError("no_column", f"{clip.name} has no column {', '.join(missing)}")
    chosen = [(header.index(name), channel) for name, channel in label.channels.items()]
    for row in rows:
        t = _number(row[when]) if len(row) > when else None
        if t is None:
            continue
        for column, channel in chosen:
            value = _number(row[column]) if len(row) > column else None
            if value is None:
                continue
            unit = channel.unit
            if channel.metric == "carbon_monoxide" and unit == "%":
                value, unit = value * PER_CENT, "ppm"
            yield Cell(t, channel.device, channel.metric, unit, value)


def reading(cell: Cell) -> Reading:
    """The reading that a device would have sent."""
    at = utc(ZERO + cell.t)
    return Reading(
        id=derived("reading", cell.device, cell.metric, cell.t),
        site="evaluation",
        device=cell.device,
        kind=KINDS.get(cell.metric, cell.metric),
        metric=cell.metric,
        value=cell.value,
        unit=cell.unit,
        at=at,
        clock="device",
        arrived_at=at,
        purpose=REPLAY,
    )


def header_of(file: Path) -> list[str]:
    """The names of a table's columns. Raises MessageError."""
    return _table(file)[0]


def _table(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise MessageError("unreadable", f"{file.name}: {error}") from error
    quote = "'" if text.lstrip().startswith("'") else '"'
    rows = list(csv.reader(text.splitlines(), quotechar=quote, skipinitialspace=True))
    if not rows:
        raise MessageError("unreadable", f"{file.name} is empty")
    return [name.strip() for name in rows[0]], rows[1:]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
