"""The topics that services meet on: what travels on each, what it is keyed by, how long it is kept.

A topic owns its key. Topics that are `linked` share one partition count and are assigned by range, so that
everything of one site is with one member of a group.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from hub import wire
from hub.model import (
    Alert,
    Candidate,
    Command,
    DeadLetter,
    Detection,
    Incident,
    Reading,
    Receipt,
    SettingsRevision,
    ThermalFrame,
    VideoChunk,
)

T = TypeVar("T", bound=msgspec.Struct)

PARTITIONS: Final = 16
"""Fixed for ever: changing it would send a site's next record to another partition than its last."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MIB, GIB = 2**20, 2**30


class Topic(Generic[T]):
    """A named stream of one noun.

    `keep_seconds` and `keep_bytes` (over all partitions) bound what the log holds. A `durable` topic is on the
    disk before publish returns; video is not, since nobody acknowledges it.
    """

    def __init__(
        self,
        name: str,
        noun: type[T],
        key: Callable[[T], str],
        *,
        keep_seconds: float,
        keep_bytes: int,
        durable: bool = True,
        linked: bool = True,
    ) -> None:
        self.name = name
        self.noun = noun
        self.key = key
        self.keep_seconds = keep_seconds
        self.keep_bytes = keep_bytes
        self.durable = durable
        self.linked = linked
        self.partitions = PARTITIONS

    def encode(self, noun: T) -> tuple[bytes, bytes, wire.Headers]:
        """Key, value and headers of a record."""
        value, headers = wire.encode(noun)
        return self.key(noun).encode(), value, headers

    def decode(self, value: bytes, headers: wire.Headers) -> T:
        """The noun of a record. Raises MessageError."""
        return wire.decode(self.noun, value, headers)

    def __repr__(self) -> str:
        return f"Topic({self.name!r})"


READINGS: Final = Topic("readings", Reading, lambda r: r.site, keep_seconds=7 * DAY, keep_bytes=2 * GIB)
VIDEO: Final = Topic(
    "video",
    VideoChunk,
    lambda c: c.camera,
    keep_seconds=30 * MINUTE,
    keep_bytes=20 * GIB,
    durable=False,
    linked=False,
)
THERMAL: Final = Topic(
    "thermal",
    ThermalFrame,
    lambda f: f.camera,
    keep_seconds=30 * MINUTE,
    keep_bytes=4 * GIB,
    durable=False,
    linked=False,
)
CANDIDATES: Final = Topic("candidates", Candidate, lambda c: c.site, keep_seconds=7 * DAY, keep_bytes=GIB)
DETECTIONS: Final = Topic("detections", Detection, lambda d: d.site, keep_seconds=30 * DAY, keep_bytes=GIB)
ALERTS: Final = Topic("alerts", Alert, lambda a: a.site, keep_seconds=30 * DAY, keep_bytes=GIB)
INCIDENTS: Final = Topic("incidents", Incident, lambda i: i.site, keep_seconds=30 * DAY, keep_bytes=GIB)
COMMANDS: Final = Topic("commands", Command, lambda c: c.site, keep_seconds=30 * DAY, keep_bytes=GIB)
RECEIPTS: Final = Topic("receipts", Receipt, lambda r: r.site, keep_seconds=30 * DAY, keep_bytes=GIB)
SETTINGS: Final = Topic("settings", SettingsRevision, lambda s: s.site, keep_seconds=30 * DAY, keep_bytes=64 * MIB)
DEAD_LETTERS: Final = Topic(
    "dead-letters", DeadLetter, lambda d: d.source, keep_seconds=30 * DAY, keep_bytes=GIB, linked=False
)

ALL: Final[tuple[Topic[msgspec.Struct], ...]] = (  # type: ignore[assignment]  # Topic is used invariantly only here
    READINGS,
    VIDEO,
    THERMAL,
    CANDIDATES,
    DETECTIONS,
    ALERTS,
    INCIDENTS,
    COMMANDS,
    RECEIPTS,
    SETTINGS,
    DEAD_LETTERS,
)

GROUPS: Final[dict[str, tuple[Topic[Any], ...]]] = {
    "store": (READINGS, DETECTIONS),
    "detect-falling": (VIDEO,),
    "detect-thermal": (THERMAL,),
    "detect-sensors": (READINGS,),
    "alerts": (DETECTIONS, COMMANDS, RECEIPTS),
}
"""Who must have read what: the groups whose lag is watched. Each page's own group is not among them."""


@lru_cache(maxsize=65536)
def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a key: murmur2 as Kafka's default partitioner has it, so that all buses agree."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    # Austin Appleby's MurmurHash2 with the seed of Apache Kafka's Utils.murmur2; all arithmetic modulo 2**32.
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
