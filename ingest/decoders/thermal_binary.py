"""16-bit pictures of thermal cameras: "HTF1", a header of 36 bytes, then width x height little-endian uint16."""

from __future__ import annotations

import math
import struct
from typing import Final

from hub.bus import MAX_PAYLOAD
from hub.errors import MessageError
from ingest.decoders.hub_json import address
from ingest.said import SaidFrame, counted, instant, limited

MAGIC: Final = b"HTF1"
_HEADER: Final = struct.Struct("<dIHHffffB3x")
"""Unix time (0: none), sequence, width, height, scale, offset, range low, range high, radiometric, padding."""


class ThermalBinary:
    """No settings. Raises MessageError for anything that is not such a picture."""

    def __call__(self, topic: str, payload: bytes) -> SaidFrame:
        """°C = raw * scale + offset; the range is what the sensor can tell, in °C."""
        limited(payload, MAX_PAYLOAD)
        site, _, camera = address(topic)
        start = len(MAGIC) + _HEADER.size
        if payload[: len(MAGIC)] != MAGIC:
            raise MessageError("invalid", "not a thermal picture: it does not begin with HTF1")
        if len(payload) < start:
            raise MessageError("truncated", f"{len(payload)} bytes hold no header")
        t, sequence, width, height, scale, offset, low, high, radiometric = _HEADER.unpack_from(payload, len(MAGIC))
        if width < 1 or height < 1 or len(payload) - start != width * height * 2:
            raise MessageError("truncated", f"{len(payload) - start} bytes are no {width}x{height} 16-bit picture")
        if not all(map(math.isfinite, (scale, offset, low, high))):
            raise MessageError("not_finite", "scale, offset or range is not a finite number")
        if scale <= 0 or low >= high:
            raise MessageError("invalid", f"scale {scale} or range {low}..{high} °C makes no sense")
        return SaidFrame(
            site=site,
            camera=camera,
            width=width,
            height=height,
            scale=scale,
            offset=offset,
            range_low=low,
            range_high=high,
            raw=payload[start:],
            radiometric=bool(radiometric),
            t=instant(t) if t else None,
            sequence=counted(sequence),
        )
