"""The account of an evaluation: what each detector found and missed, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from app.evaluation.score import Report, Score, percentile, poisson_upper


class Cost(msgspec.Struct, frozen=True):
    """CPU seconds on one thread. `decoding` is a bare loop over the same pictures, `detecting` all the rest."""

    pictures: int = 0
    decoding: float = 0.0
    detecting: float = 0.0


class ClipResult(msgspec.Struct, frozen=True):
    """One recording. `seconds` were watched, of which `uncovered` without full judgement."""

    file: str
    score: Score
    reports: tuple[Report, ...]
    seconds: float
    uncovered: float
    cost: Cost = Cost()
    unreadable: str = ""


class DetectorResult(msgspec.Struct, frozen=True):
    """All recordings of one detector."""

    name: str
    clips: tuple[ClipResult, ...]

    @property
    def seconds(self) -> float:
        """Watched, uncovered ones included."""
        return sum(clip.seconds for clip in self.clips)

    def total(self, field: str) -> int:
        """The sum of a score's field over all recordings."""
        return sum(int(getattr(clip.score, field)) for clip in self.clips)

    def per_hour(self) -> tuple[float, float] | None:
        """False alarms per hour and their exact one-sided 95 % Poisson bound; None where nothing was watched."""
        hours = self.seconds / 3600
        if hours <= 0:
            return None
        count = self.total("false_alarms")
        return count / hours, poisson_upper(count) / hours

    def delay(self, share: float) -> float | None:
        """Seconds from first visibility to the claim, over the truths found."""
        return percentile([delay for clip in self.clips for delay in clip.score.delays], share)

    def milliseconds(self) -> tuple[float, float] | None:
        """Decode and detect, per picture."""
        pictures = sum(clip.cost.pictures for clip in self.clips)
        if not pictures:
            return None
        decoding = sum(clip.cost.decoding for clip in self.clips)
        detecting = sum(clip.cost.detecting for clip in self.clips)
        return 1000 * decoding / pictures, 1000 * detecting / pictures


class EvaluationReport(msgspec.Struct, frozen=True):
    """What `evaluate` measured."""

    detectors: tuple[DetectorResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object by detector; see issue 3 item 3 for its keys."""
        return {result.name: _result(result) for result in self.detectors}

    def to_json(self) -> str:
        """As text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def to_text(self) -> str:
        """For a terminal: a table for each detector, then every recording with its reports."""
        return "\n\n".join(_text(result) for result in self.detectors)


def _result(result: DetectorResult) -> dict[str, Any]:
    rate = result.per_hour()
    told: dict[str, Any] = {
        "truths": result.total("truths"),
        "found": result.total("found"),
        "false_alarms": result.total("false_alarms"),
        "suspected": result.total("suspected"),
        "seconds": round(result.seconds, 3),
        "uncovered_seconds": round(sum(clip.uncovered for clip in result.clips), 3),
        "false_alarms_per_hour": {
            "rate": None if rate is None else round(rate[0], 3),
            "upper_95": None if rate is None else round(rate[1], 3),
        },
        "time_to_alert_s": {"p50": _rounded(result.delay(0.5)), "p95": _rounded(result.delay(0.95))},
    }
    if result.name != "sensors":
        cost = result.milliseconds()
        told["decode_ms_per_frame"] = None if cost is None else round(cost[0], 3)
        told["detect_ms_per_frame"] = None if cost is None else round(cost[1], 3)
    told["clips"] = [clip_dict(result.name, clip) for clip in result.clips]
    return told


def clip_dict(detector: str, clip: ClipResult) -> dict[str, Any]:
    """One recording with its reports, as JSON has it."""
    return {
        **({"unreadable": clip.unreadable} if clip.unreadable else {}),
        "file": clip.file,
        "truths": clip.score.truths,
        "found": clip.score.found,
        "false_alarms": clip.score.false_alarms,
        "suspected": clip.score.suspected,
        "seconds": round(clip.seconds, 3),
        "uncovered_seconds": round(clip.uncovered, 3),
        "reports": [_report(detector, report) for report in clip.reports],
    }


def _report(detector: str, report: Report) -> dict[str, Any]:
    told: dict[str, Any] = {
        "start": round(report.start, 3),
        "end": round(report.end, 3),
        "told": round(report.told, 3),
        "status": report.status,
        "confidence": round(report.confidence, 3),
    }
    if detector == "falling_object":
        told["origin_floor"] = _rounded(report.origin_floor)
    elif detector == "thermal_fire":
        told |= {"level": report.level, "max_c": _rounded(report.max_c)}
    else:
        told |= {"device": report.device, "value": _rounded(report.value)}
    return told | {"rule": report.rule, "reason": report.reason}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _text(result: DetectorResult) -> str:
    rate, cost = result.per_hour(), result.milliseconds()
    lines = [
        f"{result.name}: {result.total('found')} of {result.total('truths')} found, "
        f"{result.total('false_alarms')} false alarms, {result.total('suspected')} suspected, "
        f"in {result.seconds:.1f} s ({sum(clip.uncovered for clip in result.clips):.1f} s uncovered)",
    ]
    if rate is not None:
        lines.append(f"  false alarms per hour: {rate[0]:.2f}, at most {rate[1]:.2f} (95 %, exact Poisson)")
    half, most = result.delay(0.5), result.delay(0.95)
    if half is not None and most is not None:
        lines.append(f"  time to alert: p50 {half:.2f} s, p95 {most:.2f} s from first visibility")
    if cost is not None and result.name != "sensors":
        lines.append(f"  CPU per picture, one thread: decode {cost[0]:.2f} ms, detect {cost[1]:.2f} ms")
    for clip in result.clips:
        score = clip.score
        lines.append(f"  {clip.file}: {score.found}/{score.truths} found, {score.false_alarms} false{_trouble(clip)}")
        lines += [f"      {line_of(report)}" for report in _shown(clip.reports)]
    return "\n".join(lines)


def _trouble(clip: ClipResult) -> str:
    return f"; could not be read: {clip.unreadable}" if clip.unreadable else ""


def _shown(reports: Sequence[Report], most: int = 8) -> Sequence[Report]:
    return reports[:most]


def line_of(report: Report) -> str:
    """A report on one line."""
    what = " ".join(part for part in (report.status, report.level, report.device, report.rule) if part)
    return f"{report.start:.2f}-{report.end:.2f} s  {what}  {report.confidence:.2f}  {report.reason}"
