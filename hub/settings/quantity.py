"""Values carry their unit: "75 °C", "3 s", "2 floors". A bare number is a mistake with a suggestion.

Each type here is a plain float in its base unit once loaded; YAML and the editor's schema see the text.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final

import msgspec
from pydantic import BeforeValidator, Field, WithJsonSchema

_TEXT: Final = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)\s*(\S.*?)\s*$")
_NUMBER: Final = re.compile(r"^\s*[+-]?\d+(?:\.\d+)?\s*$")
_FULL_WIDTH: Final = re.compile(r"[０-９．－＋：，％　]")


def _reader(units: dict[str, float]) -> BeforeValidator:
    base = next(iter(units))

    def read(value: Any) -> float:
        if isinstance(value, bool):
            raise ValueError(f"true or false is no quantity; write a number with a unit, such as '5 {base}'")
        if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.match(value)):
            raise ValueError(f"{value} has no unit; did you mean '{str(value).strip()} {base}'?")
        if not isinstance(value, str):
            raise ValueError(f"expected a number with a unit, such as '5 {base}'")
        if wide := _FULL_WIDTH.search(value):
            raise ValueError(f"'{value}' has the full-width character '{wide.group()}'; type it in half width")
        match = _TEXT.match(value)
        if match is None:
            raise ValueError(f"'{value}' is no quantity; write a number with a unit, such as '5 {base}'")
        unit = match.group(2)
        if unit not in units:
            raise ValueError(f"'{unit}' is no unit that fits here; use one of: {', '.join(units)}")
        number = float(match.group(1)) * units[unit]
        if not math.isfinite(number):
            raise ValueError(f"'{value}' is too large")
        return number

    return BeforeValidator(read)


def _schema(units: dict[str, float], example: str) -> WithJsonSchema:
    names = "|".join(re.escape(name) for name in units)
    return WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*[+-]?\d+(\.\d+)?\s*({names})\s*$",
            "patternErrorMessage": f"a number with its unit, such as '{example}'",
            "examples": [example],
        }
    )


class Unit(msgspec.Struct, frozen=True):
    """The unit people read a quantity in: `per_base` of it make one of the base unit."""

    name: str
    per_base: float = 1.0

    def text(self, value: float) -> str:
        """`value` (in the base unit) as it is written in YAML, such as "60 %" for 0.6."""
        return f"{value * self.per_base:.10g} {self.name}"


_SECONDS = {"s": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0, "d": 86400.0}
_CELSIUS = {"°C": 1.0, "℃": 1.0, "C": 1.0}
_KELVIN = {"K": 1.0}
_RATE = {"K/min": 1.0, "K/s": 60.0, "°C/min": 1.0}
_FLOORS = {"floors": 1.0, "floor": 1.0}
_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_SPEED = {"m/s": 1.0}
_PIXELS = {"px": 1.0}
_RATIO = {"%": 0.01}
_GREY = {"grey": 1.0}
_BYTES = {"MiB": 2.0**20, "GiB": 2.0**30, "KiB": 2.0**10, "TiB": 2.0**40}

# Annotated floats, one for each dimension. A model's field adds bounds and its description.
Seconds = Annotated[float, _reader(_SECONDS), _schema(_SECONDS, "3 s"), Unit("s"), Field(allow_inf_nan=False)]
Celsius = Annotated[float, _reader(_CELSIUS), _schema(_CELSIUS, "75 °C"), Unit("°C"), Field(allow_inf_nan=False)]
Kelvin = Annotated[float, _reader(_KELVIN), _schema(_KELVIN, "3 K"), Unit("K"), Field(allow_inf_nan=False)]
KelvinPerMinute = Annotated[
    float, _reader(_RATE), _schema(_RATE, "8.3 K/min"), Unit("K/min"), Field(allow_inf_nan=False)
]
FloorCount = Annotated[
    float, _reader(_FLOORS), _schema(_FLOORS, "2 floors"), Unit("floors"), Field(allow_inf_nan=False)
]
Metres = Annotated[float, _reader(_METRES), _schema(_METRES, "3 m"), Unit("m"), Field(allow_inf_nan=False)]
MetresPerSecond = Annotated[float, _reader(_SPEED), _schema(_SPEED, "3 m/s"), Unit("m/s"), Field(allow_inf_nan=False)]
Pixels = Annotated[float, _reader(_PIXELS), _schema(_PIXELS, "4 px"), Unit("px"), Field(allow_inf_nan=False)]
Ratio = Annotated[float, _reader(_RATIO), _schema(_RATIO, "60 %"), Unit("%", 100.0), Field(allow_inf_nan=False)]
GreyLevels = Annotated[float, _reader(_GREY), _schema(_GREY, "8 grey"), Unit("grey"), Field(allow_inf_nan=False)]
Bytes = Annotated[float, _reader(_BYTES), _schema(_BYTES, "20 GiB"), Unit("MiB", 2.0**-20), Field(allow_inf_nan=False)]
