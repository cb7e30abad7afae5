"""The sentence that says why: what a detector's rule and numbers mean, in the language of the people who read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from alerts.sentences import SENTENCES
from hub.model import Alert, Detection

DETECTOR_SAYS: Final = "detector_says"
"""The word of an alert that keeps the detector's own sentence, for whoever asks what exactly was decided."""
HIGHEST: Final = 300
"""A floor above it, or as far below the ground, is no floor but a number gone wrong."""
FLOOR: Final = 3.0
"""Metres of a floor where a camera has no floor lines; see detectors/falling/verdict.py."""
FARTHEST: Final = 200.0
"""Metres of a fall above which the number says only that gravity's yardstick does not fit."""
UNIT_DEEP: Final = 3
"""site/building/unit: what a place of a fall is told to."""

Texts = Mapping[str, str]


def worded(detection: Detection, language: str) -> Detection:
    """The detection with its reason in `language`, and its own sentence in words["detector_says"].

    Where no text is known for its rule, the detector's sentence stays.
    """
    if detection.kind == "falling_object" and detection.level != "fault":
        # Where it came from is an interval of floors. A flat is never named, whatever the camera's place says.
        place = "/".join(detection.place.split("/")[:UNIT_DEEP])
        detection = msgspec.structs.replace(detection, place=place)
    said = sentence(detection, language)
    if said is None:
        return detection
    words = {**detection.words, DETECTOR_SAYS: detection.reason}
    return msgspec.structs.replace(detection, reason=said, words=words)


def sentence(detection: Detection, language: str) -> str | None:
    """Why, in one sentence without a full stop; None where no text is known."""
    composer = _COMPOSERS.get(detection.detector)
    try:
        return composer(detection, language) if composer is not None else None
    except KeyError:
        return None  # a number or text that its sentence needs is not there: the detector's own words stand


def floors(alert: Alert | Detection) -> tuple[int, int] | None:
    """The lowest and highest floor that a fall may have begun at (90 %); None where the camera can't tell.

    The numbers count floor lines: 11.8 is near the ceiling of floor 11.
    """
    low, high = alert.numbers.get("origin_low"), alert.numbers.get("origin_high")
    if alert.kind != "falling_object" or low is None or high is None:
        return None
    if not (-HIGHEST < low <= high < HIGHEST):
        return None
    return max(1, math.floor(low)), max(1, math.floor(high))  # nothing falls out of the ground


def floors_named(range_: tuple[int, int], language: str) -> str:
    """A range of floors as people say it: "8–9 层", or "8 层" where both ends are the same."""
    low, high = range_
    texts = SENTENCES[language]
    return texts["floor"].format(n=low) if low == high else texts["floors"].format(low=low, high=high)


def elsewhere(before: Alert, after: Alert) -> bool:
    """Whether a better look puts a fall's beginning where the first one had excluded it."""
    was, now = floors(before), floors(after)
    if was is None or now is None:
        return now is not None
    return now[1] < was[0] or was[1] < now[0]


def _fall(detection: Detection, language: str) -> str:
    texts = SENTENCES[language]
    n = detection.numbers
    if detection.rule == "fall":
        said = texts["fall"].format(way=_way(n, texts), seconds=n["seconds"])
    elif detection.rule.startswith("nearly:"):
        limit = texts["nearly:" + detection.rule.removeprefix("nearly:")]
        said = texts["nearly"].format(way=_way(n, texts), but=limit)
    else:
        raise KeyError(detection.rule)
    range_ = floors(detection)
    if range_ is not None:
        return said + texts["origin"].format(floors=floors_named(range_, language))
    return said + texts["no_floor" if n.get("calibrated") else "not_calibrated"]


def _way(n: Mapping[str, float], texts: Texts) -> str:
    if "origin_floor" in n:
        return texts["way_floors"].format(floors=n["floors_down"])
    metres = n["floors_down"] * FLOOR
    return texts["way_metres"].format(metres=metres) if metres < FARTHEST else texts["way_unknown"]


def _thermal(detection: Detection, language: str) -> str:
    texts = SENTENCES[language]
    n = detection.numbers
    known = {
        **n,
        "limit": texts["saturated"] if n.get("saturated") else "",
        "with_smoke": texts["with_smoke"] if n.get("smoke") else "",
    }
    return texts["thermal:" + detection.rule].format_map(known)


def _sensor(detection: Detection, language: str) -> str:
    texts = SENTENCES[language]
    n, words = detection.numbers, detection.words
    if detection.rule in ("unplaced_device", "selftest"):
        return texts[detection.rule].format(subject=detection.subject)
    unit, metric = words.get("unit", ""), words["metric"]
    name, value = texts.get("metric:" + metric, metric), _amount(n["value"], unit)
    said = [
        texts[limit].format(value=value, limit=_amount(n[limit], unit), name=name)
        for limit in ("above", "below")
        if limit in n
    ]
    if "rising" in n:
        said.append(texts["rising"].format(value=value, rate=_amount(round(n["rate"], 1), unit), name=name))
    if "state" in n:
        on = f"state:{metric}:{n['state']:.0f}"
        said.append(texts[on] if on in texts else texts[f"state:{n['state']:.0f}"].format(name=name))
    if not said:
        raise KeyError("limit")
    held = texts["held"].format(seconds=n["held"]) if n["held"] >= 1 else ""
    return texts["and"].join(said) + held


def _silence(detection: Detection, language: str) -> str:
    texts = SENTENCES[language]
    never = "" if detection.numbers["heard"] else texts["never_heard"]
    return texts["silent"].format(quiet=detection.numbers["quiet"]) + never


def _plain(detection: Detection, language: str) -> str:
    return SENTENCES[language]["rule:" + detection.rule].format_map(detection.numbers)


def _amount(value: float, unit: str) -> str:
    return f"{value:g} {unit}".rstrip()


_COMPOSERS: Final[Mapping[str, Callable[[Detection, str], str]]] = {
    "falling_object": _fall,
    "thermal_fire": _thermal,
    "sensor_limit": _sensor,
    "silence": _silence,
    "coverage": _plain,
}
"""By the detector's name."""
