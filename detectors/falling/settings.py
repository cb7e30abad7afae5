"""What an operator can tune of the falling-object detector."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from hub.settings.quantity import FloorCount, GreyLevels, Metres, MetresPerSecond, Pixels, Ratio, Seconds

EXACT: Final[JsonDict] = {"replay": "exact"}
CLIPS: Final[JsonDict] = {"replay": "clips"}


class Mask(BaseModel):
    """A part of the picture in which nothing is looked for, such as a road, a tree or a fountain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    polygon: tuple[tuple[float, float], ...] = Field(
        min_length=3, description="Corners as [column, row] in pixels of the full picture.", json_schema_extra=CLIPS
    )
    until: date | None = Field(
        default=None,
        description="Last day on which the mask holds. Required for cameras that look at homes.",
        json_schema_extra=CLIPS,
    )
    why: str = Field(description="Why this part is masked; shown on the page.", json_schema_extra=CLIPS)


class FallingSettings(BaseModel):
    """Falling objects (高空抛物). Section `falling` of the tuning files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        default=True, description="Whether this camera is watched for falling objects.", json_schema_extra=CLIPS
    )
    contrast: GreyLevels = Field(
        default=8.0,
        ge=3.0,
        le=60.0,
        description="Brightness change of a pixel that counts as movement, in grey levels of 256.",
        json_schema_extra=CLIPS,
    )
    masks: dict[str, Mask] = Field(
        default_factory=dict, description="Parts of the picture that are not watched, by name.", json_schema_extra=CLIPS
    )
    silent_after: Seconds = Field(
        default=30.0,
        ge=5.0,
        le=3600.0,
        description="A camera that sends nothing for so long is told to be silent.",
        json_schema_extra=EXACT,
    )
    cold_start: Seconds = Field(
        default=2.5,
        ge=1.0,
        le=3.0,
        description="After a camera's start, so long a fall needs half as many points again: leaves are still learned.",
        json_schema_extra=EXACT,
    )
    points: int = Field(
        default=10, ge=8, le=60, description="Pictures in which the object must be seen.", json_schema_extra=EXACT
    )
    duration: Seconds = Field(
        default=0.35, ge=0.2, le=3.0, description="Shortest time it must be seen to fall.", json_schema_extra=EXACT
    )
    span: Ratio = Field(
        default=0.12,
        ge=0.05,
        le=0.8,
        description="Shortest way down, as a share of the picture's height.",
        json_schema_extra=EXACT,
    )
    drop: FloorCount = Field(
        default=1.5,
        ge=0.5,
        le=20.0,
        description="Least number of floors to fall: by floor lines, or by gravity's own yardstick without them.",
        json_schema_extra=EXACT,
    )
    residual: Ratio = Field(
        default=0.009,
        ge=0.002,
        le=0.05,
        description="Largest deviation from a fall's curve, as a share of the way (RMS).",
        json_schema_extra=EXACT,
    )
    residual_floor: Pixels = Field(
        default=1.6,
        ge=0.5,
        le=10.0,
        description="Deviation that is always allowed, for short ways (RMS).",
        json_schema_extra=EXACT,
    )
    sideways: Ratio = Field(
        default=0.013,
        ge=0.002,
        le=0.05,
        description="Largest sideways deviation from a smooth path, as a share of the way (RMS).",
        json_schema_extra=EXACT,
    )
    acceleration_low: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Least acceleration share a T²/drop: 0 is constant speed, 2 a fall from rest. No unit.",
        json_schema_extra=EXACT,
    )
    acceleration_high: float = Field(
        default=2.6,
        ge=1.5,
        le=4.0,
        description="Largest acceleration share a T²/drop; things that turn have more. No unit.",
        json_schema_extra=EXACT,
    )
    leaning: Ratio = Field(
        default=0.45,
        ge=0.1,
        le=1.5,
        description="Most it may move sideways for its way down; half of that where the camera is not calibrated.",
        json_schema_extra=EXACT,
    )
    wall_near: Metres = Field(
        default=2.5,
        ge=0.5,
        le=20.0,
        description="Nearest distance that gravity may give for the wall: nearer things are insects and rain.",
        json_schema_extra=EXACT,
    )
    wall_far: Metres = Field(
        default=120.0,
        ge=20.0,
        le=1000.0,
        description="Farthest distance that gravity may give for the wall: slower things glide or drive.",
        json_schema_extra=EXACT,
    )
    entry_speed: MetresPerSecond = Field(
        default=25.0,
        ge=5.0,
        le=60.0,
        description="Highest speed it may have had when first seen, by gravity's yardstick: gliding birds have more.",
        json_schema_extra=EXACT,
    )
    fill: Ratio = Field(
        default=0.6, ge=0.3, le=1.0, description="Share of the pictures in which it is seen.", json_schema_extra=EXACT
    )
    steady: Ratio = Field(
        default=0.92, ge=0.5, le=1.0, description="Share of steps that lead down.", json_schema_extra=EXACT
    )
    activity: Ratio = Field(
        default=0.2,
        ge=0.01,
        le=1.0,
        description="Largest share of time in which something moves there anyway, such as leaves or traffic.",
        json_schema_extra=EXACT,
    )
    company: int = Field(
        default=3,
        ge=1,
        le=50,
        description="Most other things that went down near there within a minute (traffic, dripping) for an alarm.",
        json_schema_extra=EXACT,
    )
    inside: Ratio = Field(
        default=0.6,
        ge=0.0,
        le=1.0,
        description="Share of the path inside the facade, where its outline is known.",
        json_schema_extra=EXACT,
    )
    doubt: float = Field(
        default=1.6,
        ge=1.0,
        le=3.0,
        description="How many times a limit may be missed for a fall to be still listed as suspected. No unit.",
        json_schema_extra=EXACT,
    )
