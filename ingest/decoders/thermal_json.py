"""Small thermal arrays as JSON: {"t", "seq", "width", "height", "range": [low, high], "celsius": [row by row]}."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np

from hub.errors import MessageError
from hub.wire import parse
from ingest.decoders.hub_json import address
from ingest.said import SaidFrame, counted, instant, limited, purpose_of

MOST_BYTES: Final = 4 * 2**20
ZERO: Final = -273.15
FINE, COARSE = 0.01, 0.05
"""°C per step: 16 bits reach from absolute zero to 382 °C, or to 3003 °C where a picture or its range needs it."""


class _Array(msgspec.Struct):
    width: int
    height: int
    range: tuple[float, float]
    celsius: list[float]
    t: float | str | None = None
    seq: int | None = None
    purpose: Any = None


class ThermalJson:
    """No settings. Raises MessageError for anything that is not such an array."""

    def __call__(self, topic: str, payload: bytes) -> SaidFrame:
        """The temperatures become 16-bit values of 0.01 or 0.05 °C each."""
        limited(payload, MOST_BYTES)
        site, _, camera = address(topic)
        array = parse(_Array, payload)
        if array.width < 1 or array.height < 1 or array.width * array.height != len(array.celsius):
            raise MessageError("truncated", f"{len(array.celsius)} values are no {array.width}x{array.height} picture")
        low, high = array.range
        celsius = np.array(array.celsius, np.float64)
        if not (math.isfinite(low) and math.isfinite(high) and bool(np.isfinite(celsius).all())):
            raise MessageError("not_finite", "a temperature is not a finite number")
        if low >= high:
            raise MessageError("invalid", f"a range of {low}..{high} °C makes no sense")
        scale = FINE if max(high, float(celsius.max())) <= ZERO + FINE * 65535 else COARSE
        raw = np.clip(np.rint((celsius - ZERO) / scale), 0, 65535).astype("<u2")
        return SaidFrame(
            site=site,
            camera=camera,
            width=array.width,
            height=array.height,
            scale=scale,
            offset=ZERO,
            range_low=low,
            range_high=high,
            raw=raw.tobytes(),
            t=instant(array.t),
            sequence=counted(array.seq),
            purpose=purpose_of(array.purpose),
        )
