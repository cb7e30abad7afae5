"""What an operator can tune of the thermal fire detector."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from hub.settings.quantity import Celsius, Kelvin, KelvinPerMinute, Ratio, Seconds

EXACT: Final[JsonDict] = {"replay": "exact"}
NONE: Final[JsonDict] = {"replay": "none"}
"""Thermal frames are kept for half an hour and no longer: what is read from them can't be tried on the past."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FlameRule(_Rule):
    """Flames: far hotter than anything that belongs on a facade."""

    at: Celsius = Field(
        default=150.0,
        ge=90.0,
        le=600.0,
        description="Temperature of a pixel that counts as flame; a pixel at the sensor's limit counts too.",
        json_schema_extra=NONE,
    )
    pixels: int = Field(default=4, ge=1, le=400, description="Pixels that hot.", json_schema_extra=EXACT)
    hold: Seconds = Field(
        default=3.0, ge=0.5, le=60.0, description="How long they must be there.", json_schema_extra=EXACT
    )
    share: Ratio = Field(
        default=0.6, ge=0.3, le=1.0, description="Share of the pictures of that time.", json_schema_extra=EXACT
    )
    moving_at: Celsius = Field(
        default=200.0,
        ge=100.0,
        le=800.0,
        description="Temperature that something moving must have instead.",
        json_schema_extra=EXACT,
    )
    moving_hold: Seconds = Field(
        default=5.0, ge=1.0, le=60.0, description="How long something moving must be there.", json_schema_extra=EXACT
    )


class RiseRule(_Rule):
    """A hot spot that warms up steadily, long before it burns (EN 54-5, suffix R)."""

    start: Celsius = Field(
        default=60.0, ge=40.0, le=120.0, description="Temperature from which a rise counts.", json_schema_extra=EXACT
    )
    slope: KelvinPerMinute = Field(
        default=8.3, ge=1.0, le=60.0, description="Rise over a minute for an early warning.", json_schema_extra=EXACT
    )
    rise: Kelvin = Field(
        default=10.0, ge=3.0, le=60.0, description="What it must have risen altogether.", json_schema_extra=EXACT
    )
    pixels: int = Field(default=9, ge=4, le=400, description="Pixels of the hot spot.", json_schema_extra=EXACT)
    urgent_slope: KelvinPerMinute = Field(
        default=30.0, ge=8.0, le=600.0, description="Rise over 20 seconds that means fire.", json_schema_extra=EXACT
    )
    urgent_at: Celsius = Field(
        default=100.0, ge=60.0, le=300.0, description="Temperature at which a rise means fire.", json_schema_extra=EXACT
    )


class FixedRule(_Rule):
    """A hot spot that stays over a fixed temperature."""

    at: Celsius = Field(
        default=80.0, ge=45.0, le=300.0, description="Temperature of the hot spot.", json_schema_extra=NONE
    )
    hold: Seconds = Field(
        default=20.0,
        ge=1.0,
        le=600.0,
        description="How long it must stay; sun reflections go away in 20 s.",
        json_schema_extra=EXACT,
    )
    hold_with_smoke: Seconds = Field(
        default=5.0,
        ge=1.0,
        le=600.0,
        description="How long it must stay when smoke or CO was reported there in the last two minutes.",
        json_schema_extra=EXACT,
    )
    pixels: int = Field(default=9, ge=4, le=400, description="Pixels of the hot spot.", json_schema_extra=EXACT)
    cooling: KelvinPerMinute = Field(
        default=2.0,
        ge=0.5,
        le=60.0,
        description="Something that cools faster than this, such as a parked car, does not count.",
        json_schema_extra=EXACT,
    )


class GrowthRule(_Rule):
    """Growth makes an early warning a fire. It is never required: real flames also shrink."""

    share: Ratio = Field(
        default=0.5, ge=0.1, le=5.0, description="How much larger it got in half a minute.", json_schema_extra=EXACT
    )
    pixels: int = Field(default=9, ge=4, le=1000, description="Pixels it must have grown by.", json_schema_extra=EXACT)


class ThermalRules(_Rule):
    """The rules, by name."""

    flame: FlameRule = Field(default=FlameRule(), description="Flames.", json_schema_extra=EXACT)
    rise: RiseRule = Field(default=RiseRule(), description="A steady rise.", json_schema_extra=EXACT)
    fixed: FixedRule = Field(default=FixedRule(), description="A fixed temperature.", json_schema_extra=EXACT)
    growth: GrowthRule = Field(default=GrowthRule(), description="Growth.", json_schema_extra=EXACT)


class Zone(_Rule):
    """A part of the picture that is judged by itself, such as a flue or a row of condensers."""

    polygon: tuple[tuple[float, float], ...] = Field(
        min_length=3, description="Corners as [column, row] in pixels.", json_schema_extra=NONE
    )
    limit: Celsius | None = Field(
        default=None, ge=60.0, le=800.0, description="Below this nothing counts in the zone.", json_schema_extra=NONE
    )
    until: date | None = Field(default=None, description="Last day on which the limit holds.", json_schema_extra=NONE)
    why: str = Field(default="", description="Why; shown on the page.", json_schema_extra=NONE)


class ThermalSettings(_Rule):
    """Fire in thermal pictures (热成像). Section `thermal` of the tuning files."""

    enabled: bool = Field(default=True, description="Whether this camera is watched for fire.", json_schema_extra=NONE)
    rules: ThermalRules = Field(default=ThermalRules(), description="The rules, by name.", json_schema_extra=EXACT)
    zones: dict[str, Zone] = Field(
        default_factory=dict, description="Parts judged by themselves, by name.", json_schema_extra=NONE
    )
    above_ambient: Kelvin = Field(
        default=20.0,
        ge=5.0,
        le=60.0,
        description="A hot spot must be so much warmer than the scene's median.",
        json_schema_extra=NONE,
    )
    hysteresis: Kelvin = Field(
        default=3.0, ge=0.5, le=20.0, description="How far it must cool below a limit to end.", json_schema_extra=NONE
    )
    silent_after: Seconds = Field(
        default=30.0,
        ge=5.0,
        le=3600.0,
        description="A camera that sends nothing for so long is told to be silent.",
        json_schema_extra=EXACT,
    )
    release: Seconds = Field(
        default=10.0, ge=1.0, le=600.0, description="How long it must be over to end.", json_schema_extra=EXACT
    )
