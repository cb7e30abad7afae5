"""What an operator can tune of the sensors: rules by name, each for some kinds of device."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic.config import JsonDict

from hub.settings.quantity import Seconds

EXACT: Final[JsonDict] = {"replay": "exact"}

_UNITS: Final = ("°C", "K", "%LEL", "ppm", "kPa", "1/m", "mA", "°", "m/s", "%", "V", "A", "mm", "lx", "dB")
_TEXT: Final = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)\s*(\S+)\s*$")


def _amount(value: Any) -> float:
    match = _TEXT.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"'{value}' needs the unit that the device measures in, such as '57 °C' or '25 %LEL'")
    if match.group(2) not in _UNITS:
        raise ValueError(f"'{match.group(2)}' is no unit that sensors use here; use one of: {', '.join(_UNITS)}")
    number = float(match.group(1))
    if not math.isfinite(number):
        raise ValueError(f"'{value}' is too large")
    return number


_SCHEMA: Final = WithJsonSchema(
    {
        "type": "string",
        "pattern": r"^\s*[+-]?\d+(\.\d+)?\s*(" + "|".join(re.escape(unit) for unit in _UNITS) + r")\s*$",
        "patternErrorMessage": "a number with the unit that the device measures in, such as '57 °C'",
        "examples": ["57 °C", "25 %LEL"],
    }
)
Amount = Annotated[float, BeforeValidator(_amount), _SCHEMA, Field(allow_inf_nan=False)]


class SensorRule(BaseModel):
    """One condition. Of `above`, `below`, `rising` and `state` at least one is given; all that are given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Whether the rule is used.", json_schema_extra=EXACT)
    kinds: tuple[str, ...] = Field(
        default=(), description="Kinds of device it is for; empty means all.", json_schema_extra=EXACT
    )
    metric: str = Field(description="What is measured, as the device calls it.", json_schema_extra=EXACT)
    above: Amount | None = Field(default=None, description="Upper limit, with its unit.", json_schema_extra=EXACT)
    below: Amount | None = Field(default=None, description="Lower limit, with its unit.", json_schema_extra=EXACT)
    rising: Amount | None = Field(
        default=None, description="Rise in a minute, with the unit of what is measured.", json_schema_extra=EXACT
    )
    within: Seconds = Field(
        default=60.0, ge=5.0, le=3600.0, description="Time over which the rise is measured.", json_schema_extra=EXACT
    )
    state: bool | None = Field(default=None, description="The state that is an alarm.", json_schema_extra=EXACT)
    hold: Seconds = Field(
        default=0.0, ge=0.0, le=86400.0, description="How long it must last.", json_schema_extra=EXACT
    )
    hysteresis: Amount = Field(
        default=0.0, description="How far it must go back beyond a limit to end.", json_schema_extra=EXACT
    )
    release: Seconds = Field(
        default=0.0, ge=0.0, le=86400.0, description="How long it must be over to end.", json_schema_extra=EXACT
    )
    level: Literal["alarm", "pre_alarm", "notice"] = Field(
        default="alarm", description="How serious it is.", json_schema_extra=EXACT
    )
    told_as: str = Field(
        default="", description="Kind of alarm it is told as; empty means the device's.", json_schema_extra=EXACT
    )
    why: str = Field(default="", description="Where the limit comes from.", json_schema_extra=EXACT)

    @model_validator(mode="after")
    def _says_something(self) -> SensorRule:
        if (self.above, self.below, self.rising, self.state) == (None, None, None, None):
            raise ValueError("give 'above', 'below', 'rising' or 'state': a rule without a condition never alarms")
        return self


BUILT_IN: Final[dict[str, dict[str, Any]]] = {
    "smoke": {"kinds": ("smoke",), "metric": "smoke_alarm", "state": True},
    "smoke_density": {
        "kinds": ("smoke",),
        "metric": "smoke_density",
        "above": "0.14 1/m",
        "hysteresis": "0.04 1/m",
        "hold": "10 s",
        "release": "30 s",
        "why": "optical density 0.14/m, the usual alarm threshold of the NIST home smoke alarm tests",
    },
    "heat": {
        "kinds": ("heat", "smoke"),
        "metric": "temperature",
        "above": "57 °C",
        "hysteresis": "5 K",
        "release": "10 s",
        "told_as": "heat",
        "why": "EN 54-5 A1: 54 to 65 °C",
    },
    "heat_rise": {
        "kinds": ("heat",),
        "metric": "temperature",
        "rising": "8.3 K",
        "within": "60 s",
        "hold": "3 s",
        "release": "60 s",
        "told_as": "heat",
        "why": "EN 54-5 suffix R; saved 48 s (median) over the fixed limit in eleven test fires",
    },
    "gas": {"kinds": ("gas",), "metric": "gas", "above": "25 %LEL", "hysteresis": "5 %LEL", "release": "10 s"},
    "gas_early": {
        "kinds": ("gas",),
        "metric": "gas",
        "above": "10 %LEL",
        "hysteresis": "3 %LEL",
        "hold": "30 s",
        "release": "30 s",
        "level": "pre_alarm",
    },
    "gas_alarm": {"kinds": ("gas",), "metric": "gas_alarm", "state": True},
    "co_high": {
        "kinds": ("co",),
        "metric": "carbon_monoxide",
        "above": "300 ppm",
        "hysteresis": "30 ppm",
        "hold": "2 min",
        "release": "1 min",
        "why": "EN 50291-1: 300 ppm within 3 min",
    },
    "co_middle": {
        "kinds": ("co",),
        "metric": "carbon_monoxide",
        "above": "100 ppm",
        "hysteresis": "15 ppm",
        "hold": "10 min",
        "release": "5 min",
        "why": "EN 50291-1: 100 ppm between 10 and 40 min",
    },
    "co_low": {
        "kinds": ("co",),
        "metric": "carbon_monoxide",
        "above": "50 ppm",
        "hysteresis": "10 ppm",
        "hold": "60 min",
        "release": "10 min",
        "why": "EN 50291-1: 50 ppm between 60 and 90 min",
    },
    "water": {"kinds": ("water",), "metric": "water_alarm", "state": True, "hold": "2 s"},
    "pressure": {
        "kinds": ("pressure", "water"),
        "metric": "water_pressure",
        "below": "100 kPa",
        "hysteresis": "20 kPa",
        "hold": "10 s",
        "release": "10 s",
        "told_as": "water",
        "why": "a hydrant needs 0.10 MPa at its most unfavourable point",
    },
    "door": {"kinds": ("door",), "metric": "open", "state": True, "hold": "10 min"},
    "lift": {"kinds": ("lift",), "metric": "trapped", "state": True, "hold": "3 s"},
    "sos": {"kinds": ("sos",), "metric": "pressed", "state": True},
    "manhole": {"kinds": ("manhole",), "metric": "tilt", "above": "15 °", "hysteresis": "5 °", "hold": "3 s"},
    "electric_leak": {
        "kinds": ("electric",),
        "metric": "residual_current",
        "above": "300 mA",
        "hysteresis": "50 mA",
        "hold": "5 s",
        "release": "10 s",
        "why": "GB 14287.2: alarm between 20 and 1000 mA, usually 300",
    },
    "electric_heat": {
        "kinds": ("electric",),
        "metric": "temperature",
        "above": "70 °C",
        "hysteresis": "5 K",
        "hold": "5 s",
        "release": "10 s",
        "why": "GB 14287.3: between 45 and 140 °C",
    },
}
"""The rules that hold without any file. Naming one in YAML changes only what is said there."""


class SensorSettings(BaseModel):
    """Sensors. Section `sensors` of the tuning files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, SensorRule] = Field(
        default_factory=lambda: {name: SensorRule.model_validate(rule) for name, rule in BUILT_IN.items()},
        description="The rules, by name; built-in ones are changed by their name.",
        json_schema_extra=EXACT,
    )
    silent_after: Seconds = Field(
        default=60.0,
        ge=5.0,
        le=864000.0,
        description="A device is never called silent before so long without a word.",
        json_schema_extra=EXACT,
    )
    silent_periods: float = Field(
        default=5.0,
        ge=2.0,
        le=100.0,
        description="It is called silent after so many times its usual pause between two words. No unit.",
        json_schema_extra=EXACT,
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _over_built_in(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        named: dict[Any, Any] = dict(BUILT_IN)
        for name, rule in value.items():
            named[name] = {**BUILT_IN.get(name, {}), **rule} if isinstance(rule, dict) else rule
        return named
