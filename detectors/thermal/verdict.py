"""Is it a fire? The rules over a hot spot's numbers alone, with the reason in plain words."""

from __future__ import annotations

from typing import Final

from detectors.decision import Decision
from detectors.thermal.settings import ThermalSettings
from hub.model import Candidate

RANK: Final = {"": 0, "notice": 1, "pre_alarm": 2, "fire": 3}


def decide(candidate: Candidate, settings: ThermalSettings) -> Decision:
    """What a thermal candidate means. Reads the claim's features and words alone.

    The claim's word `about` says what it is: a hot spot, its end ("over"), a doubtful scale ("scale", "scale_over")
    or a spot of a picture without temperatures ("visual").
    """
    f = candidate.claim.features
    about = candidate.claim.words.get("about", "hot_spot")
    if about == "over":
        if f["quiet"] >= settings.release:
            return _said("clear", "notice", "release", f"nothing hot for {f['quiet']:.0f} s", 1.0, f)
        return _said("rejected", "notice", "release", "it may come back", 1.0, f)
    if about == "scale":
        reason = f"the scene's median is {f['ambient']:.0f} °C: the scale of this camera is doubtful"
        return _said("suspected", "notice", "scale_doubtful", reason, 0.5, f)
    if about == "scale_over":
        return _said("clear", "notice", "scale_doubtful", "the scale is plausible again", 1.0, f)
    if about == "visual":
        reason = "something bright grows and flickers; there is no temperature in this picture: look at it"
        return _said("suspected", "notice", "visual_check", reason, 0.3, f)
    return _hot_spot(f, settings)


def _hot_spot(f: dict[str, float], s: ThermalSettings) -> Decision:
    flame, rise, fixed, growth = s.rules.flame, s.rules.rise, s.rules.fixed, s.rules.growth
    hot = f"{f['max_c']:.0f} °C" + (" (the sensor's limit)" if f["saturated"] else "")
    moving = bool(f["moving"])
    if f["flame_pixels"] >= flame.pixels and f["flame_share"] >= flame.share:
        if not moving and f["flame_seconds"] >= flame.hold:
            reason = f"{f['flame_pixels']:.0f} pixels of up to {hot} for {f['flame_seconds']:.0f} s in one place"
            return _said("alarm", "fire", "flame", reason, 0.95, f)
        if moving and f["max_c"] >= flame.moving_at and f["flame_seconds"] >= flame.moving_hold:
            return _said("alarm", "fire", "moving_flame", f"something moving of {hot}: check it", 0.8, f)
    if moving:
        return _said("rejected", "notice", "moving", f"it moves and has {hot}", 0.2, f)
    grows = f["growth"] >= growth.share and f["growth_pixels"] >= growth.pixels
    early = ""
    if f["area"] >= rise.pixels and f["t95"] >= rise.start and f["rise"] >= rise.rise:
        if f["slope20"] >= rise.urgent_slope and f["t95"] >= rise.start:
            reason = f"rises by {f['slope20']:.0f} K/min and has {f['t95']:.0f} °C"
            return _said("alarm", "fire", "rapid_rise", reason, 0.85, f)
        if f["slope60"] >= rise.slope:
            early = f"rises by {f['slope60']:.0f} K/min and has {f['t95']:.0f} °C"
            if f["t95"] >= rise.urgent_at or grows:
                return _said("alarm", "fire", "rise_and_growth" if grows else "rise", early, 0.85, f)
    if early:
        return _said("alarm", "pre_alarm", "rise", early, 0.7, f)
    wait = fixed.hold_with_smoke if f["smoke"] else fixed.hold
    if f["area"] >= fixed.pixels and f["t95"] >= fixed.at and f["warm_seconds"] >= wait:
        if f["slope60"] <= -fixed.cooling and f["t95"] < rise.urgent_at:
            return _said("rejected", "notice", "cooling", f"{hot}, but it cools", 0.3, f)
        smoke = " with smoke reported there" if f["smoke"] else ""
        reason = f"{f['t95']:.0f} °C for {f['warm_seconds']:.0f} s{smoke}"
        if grows:
            return _said("alarm", "fire", "fixed_and_growth", reason + ", and it grows", 0.8, f)
        return _said("alarm", "pre_alarm", "fixed", reason, 0.6, f)
    return _said("rejected", "notice", "below", f"{hot} in {f['area']:.0f} pixels is no fire yet", 0.1, f)


def _said(status: str, level: str, rule: str, reason: str, confidence: float, f: dict[str, float]) -> Decision:
    return Decision(status=status, level=level, rule=rule, reason=reason, confidence=confidence, numbers=dict(f))  # type: ignore[arg-type]  # the callers above write only literal statuses
