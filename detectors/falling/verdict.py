"""Is it a fall? The decision over a candidate's numbers alone, with its reason in plain words."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from detectors.decision import Decision
from detectors.falling.settings import FallingSettings
from hub.model import Candidate

FLOOR: Final = 3.0
"""Metres of one floor where floor lines are not known."""
STRICTER: Final = 0.5
"""Share of the allowed leaning that an uncalibrated camera gets: perspective and a slanted path look alike."""
COLD: Final = 1.5
"""So many times the points are asked for while a camera's leaves are still being learned."""
GRAVITY: Final = 9.81


class _Limit(msgspec.Struct, frozen=True):
    """One rule: `value` misses its limit `missed` times over (at most 1: kept). `text` says so in words."""

    name: str
    missed: float
    text: str


def decide(candidate: Candidate, settings: FallingSettings) -> Decision:
    """Alarm when every rule is kept, suspected when none is missed by more than `doubt`, else rejected.

    Reads the claim's features alone. Confidence is a score of how far inside its limits the track is, no probability.
    """
    f = candidate.claim.features
    numbers = {name: f[name] for name in _TOLD if name in f}
    if f.get("repeat"):
        return Decision(
            status="rejected",
            level="notice",
            rule="same_fall",
            reason="the same fall seen twice, as in a reflection",
            confidence=0.0,
            numbers=numbers,
        )
    limits = _limits(f, settings)
    worst = max(limits, key=lambda limit: limit.missed)
    calibrated = bool(f.get("calibrated"))
    soft = sum(max(0.0, 1.0 - limit.missed) for limit in limits) / len(limits)
    confidence = min(0.99, (0.55 + 0.6 * soft) if worst.missed <= 1 else 0.5 / worst.missed)
    if not calibrated:
        confidence = min(confidence, 0.75)
    note = "" if calibrated else "; the camera is not calibrated, so perspective was guessed"
    if worst.missed <= 1:
        return Decision(
            status="alarm",
            level="alarm",
            rule="fall",
            reason=f"something fell {_way(f)} in {f['seconds']:.1f} s with gravity's curve{note}",
            confidence=round(confidence, 3),
            numbers=numbers,
        )
    if worst.missed <= settings.doubt:
        return Decision(
            status="suspected",
            level="notice",
            rule=f"nearly:{worst.name}",
            reason=f"like a fall {_way(f)}, but {worst.text}{note}",
            confidence=round(confidence, 3),
            numbers=numbers,
        )
    return Decision(
        status="rejected",
        level="notice",
        rule=worst.name,
        reason=worst.text,
        confidence=round(confidence, 3),
        numbers=numbers,
    )


def _limits(f: dict[str, float], s: FallingSettings) -> list[_Limit]:
    calibrated = bool(f.get("calibrated"))
    points = s.points * (COLD if f["age"] < s.cold_start else 1.0)
    leaning = s.leaning * (1.0 if calibrated else STRICTER)
    residual = max(s.residual_floor, s.residual * f["span"])
    sideways = max(s.residual_floor, s.sideways * f["span"])
    span = s.span * (1.0 if calibrated else 1.25)
    share = f["share"]
    fallen = f["floors_down"]
    steady, fill = f["steady"], f["fill"]
    return [
        _Limit("points", points / f["points"], f"it was seen in {f['points']:.0f} pictures only"),
        _Limit("duration", s.duration / f["seconds"], f"it was seen for {f['seconds']:.2f} s only"),
        _Limit("span", span / f["span_share"], f"it went down {f['span_share']:.0%} of the picture only"),
        _Limit("drop", s.drop / max(fallen, 1e-3), f"it went down {fallen:.1f} floors only"),
        _Limit("residual", f["residual"] / residual, f"its path is {f['residual']:.1f} px off a fall's curve"),
        _Limit("sideways", f["sideways"] / sideways, f"its path swerves by {f['sideways']:.1f} px"),
        _Limit("acceleration", _low(share, s.acceleration_low), f"it hardly accelerates (share {share:.2f})"),
        _Limit("acceleration", share / s.acceleration_high, f"it turns rather than falls (share {share:.2f})"),
        _Limit("leaning", f["leaning"] / leaning, f"it moves {f['leaning']:.0%} sideways of its way down"),
        _Limit("wall_near", s.wall_near / max(f["wall"], 1e-3), f"gravity would put it {f['wall']:.1f} m away"),
        _Limit("wall_far", f["wall"] / s.wall_far, f"gravity would put it {f['wall']:.0f} m away: too slow"),
        _Limit(
            "entry", f["entry_speed"] / s.entry_speed, f"it came with {f['entry_speed']:.0f} m/s: no fall began so high"
        ),
        _Limit("fill", s.fill / max(fill, 1e-3), f"it was seen in {fill:.0%} of the pictures"),
        _Limit("steady", (1 - steady) / (1 - s.steady) if s.steady < 1 else 1.0, "it does not go down steadily"),
        _Limit("activity", f["activity"] / s.activity, f"something moves there {f['activity']:.0%} of the time"),
        _Limit("company", f["company"] / s.company, f"{f['company']:.0f} other things went down near there"),
        _Limit("inside", s.inside / max(f["inside"], 1e-3) if s.inside else 0.0, "its path is outside the facade"),
    ]


def _low(share: float, limit: float) -> float:
    """How far an acceleration share is below its limit; a negative one is out of all proportion."""
    if share <= 0:
        return 1e3 if limit > 0 else 0.0
    return limit / share


def _way(f: dict[str, float]) -> str:
    metres = f["floors_down"] * FLOOR
    if f.get("scaled"):
        return f"{f['floors_down']:.1f} floors"
    return f"some {metres:.0f} m" if math.isfinite(metres) and metres < 200 else f"{f['span_share']:.0%} of the picture"


_TOLD: Final[tuple[str, ...]] = (
    "points",
    "seconds",
    "span_share",
    "floors_down",
    "share",
    "residual",
    "leaning",
    "wall",
    "end_speed",
    "area",
    "strength",
    "activity",
    "company",
    "gravity",
    "origin_floor",
    "origin_low",
    "origin_high",
    "calibrated",
)
