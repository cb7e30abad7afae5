"""What a device said, before anyone knows where it stands or whether its clock is right."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from hub.errors import MessageError
from hub.model import LIVE

HONOURED: Final = frozenset({"test", "drill", "canary"})
"""The only purposes that a device may claim; anything else it says is live, for it may be an alarm."""
MOST_VALUES: Final = 64
MOST_SEQUENCE: Final = 2**63 - 1
METRIC: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
_MILLISECONDS: Final = 1e11
"""Seconds since 1970 that are larger than this are milliseconds: as seconds they would name the year 5138."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a sensor. `site` and `device` are as in the topic or payload; `t` in seconds since 1970.

    `device` may be a serial number. `values` are finite; a state is 1 or 0.
    """

    site: str
    kind: str
    device: str
    values: dict[str, float]
    t: float | None = None
    sequence: int | None = None
    purpose: str = LIVE


class SaidFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of a thermal camera: rows of little-endian uint16, °C = raw * scale + offset."""

    site: str
    camera: str
    width: int
    height: int
    scale: float
    offset: float
    range_low: float
    range_high: float
    raw: bytes
    radiometric: bool = True
    t: float | None = None
    sequence: int | None = None
    purpose: str = LIVE


def limited(payload: bytes, most: int) -> None:
    """Raises MessageError("too_large") for more than `most` bytes, ("empty") for none."""
    if len(payload) > most:
        raise MessageError("too_large", f"{len(payload)} bytes; at most {most} are read")
    if not payload:
        raise MessageError("empty", "no payload")


def instant(t: float | str | None) -> float | None:
    """Seconds since 1970 from what a device calls its time: seconds, milliseconds or ISO 8601 with a zone.

    None for what is no instant: an alarm is not thrown away because of a device's clock.
    """
    if isinstance(t, str):
        try:
            at = datetime.fromisoformat(t)
        except ValueError:
            return None
        t = at.timestamp() if at.tzinfo is not None else None
    if t is None or not math.isfinite(t):
        return None
    if t > _MILLISECONDS:
        t /= 1000
    return float(t) if 0 < t < _LATEST else None


def counted(sequence: int | None) -> int | None:
    """A device's own count, if it is one that can be kept."""
    return sequence if sequence is not None and 0 <= sequence <= MOST_SEQUENCE else None


def purpose_of(claimed: object) -> str:
    """The purpose that a device's claim gets."""
    return claimed if isinstance(claimed, str) and claimed in HONOURED else LIVE


def checked(values: dict[str, float]) -> dict[str, float]:
    """The values as floats. Raises MessageError when there are none, too many, or one is nothing to work with."""
    if not values:
        raise MessageError("invalid", "no values")
    if len(values) > MOST_VALUES:
        raise MessageError("too_large", f"{len(values)} values in one message; at most {MOST_VALUES} are read")
    out: dict[str, float] = {}
    for metric, value in values.items():
        if METRIC.fullmatch(metric) is None:
            raise MessageError("invalid", f"{metric[:80]!r} is no name of a quantity")
        number = float(value)
        if not math.isfinite(number):
            raise MessageError("not_finite", f"{metric} is {value}")
        out[metric] = number
    return out
