"""What was found, what was missed, what was false: reports matched to truths, and how sure that makes us."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from app.evaluation.labels import Label, Truth

EARLY: Final = 1.0
"""Seconds that a report may start before its truth, and end after it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector claimed about a clip, one for each condition, in seconds of the clip.

    `told` is when it was first claimed at its highest status; the rest is filled as the detector has it.
    """

    start: float
    end: float
    told: float
    status: str
    confidence: float
    level: str = ""
    rule: str = ""
    reason: str = ""
    origin_floor: float | None = None
    max_c: float | None = None
    device: str = ""
    value: float | None = None


class Score(msgspec.Struct, frozen=True):
    """One clip's account. `delays` are seconds from first visibility to the claim, of the truths found."""

    truths: int
    found: int
    false_alarms: int
    suspected: int
    delays: tuple[float, ...]


def score(reports: Sequence[Report], label: Label, *, until_end: bool, one_fire: bool = False) -> Score:
    """Match reports to truths as the labels' header says. A truth is found by its first match alone.

    `until_end` asks that a report ends within a second of its truth (falls). With `one_fire`, later alarms of a
    fire already found are neither found nor false (sensors).
    """
    open_truths = list(label.truth)
    delays: list[float] = []
    false = suspected = 0
    for report in sorted(reports, key=lambda r: (r.status != "alarm", r.told)):
        match = next((truth for truth in open_truths if _matches(report, truth, until_end)), None)
        if match is not None:
            open_truths.remove(match)
            delays.append(report.told - match.start)
        elif report.status == "suspected":
            suspected += 1
        elif report.level in label.tolerate or (one_fire and _any(report, label.truth, until_end)):
            continue
        else:
            false += 1
    return Score(len(label.truth), len(label.truth) - len(open_truths), false, suspected, tuple(delays))


def _any(report: Report, truths: Sequence[Truth], until_end: bool) -> bool:
    return any(_matches(report, truth, until_end) for truth in truths)


def _matches(report: Report, truth: Truth, until_end: bool) -> bool:
    if report.status == "suspected" and truth.found_by != "suspected":
        return False
    if truth.level is not None and report.level != truth.level:
        return False
    if report.start < truth.start - EARLY:
        return False
    return not (until_end and truth.end is not None and report.end > truth.end + EARLY)


def poisson_upper(count: int, confidence: float = 0.95) -> float:
    """The largest mean of a Poisson count that leaves `count` or fewer a chance of 1 - confidence (exact, one-sided).

    Garwood 1936. For 0 it is -ln(0.05) = 3.0, the rule of three. Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError("a count is not negative")
    low, high = 0.0, 10.0 + 4.0 * count
    for _ in range(200):
        middle = (low + high) / 2
        if _at_most(count, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of them lie, between neighbours by proportion. None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
