"""The nouns: what happens in a property, as values that travel.

Never say "event" for any of them. Every record carries `at` (fixed once at the door; all logic uses it), an id
from its content, and a purpose that is inherited by everything that follows from it. Instants are aware UTC
datetimes, spans of time are seconds as float, temperatures °C, picture coordinates pixels of the decoded frame.

Readers ignore fields they do not know, so that old readers survive new writers; new fields need a default.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

LIVE: Final = "live"
CANARY: Final = "canary"
DRILL: Final = "drill"
TEST: Final = "test"
REPLAY: Final = "replay"
PURPOSES: Final = frozenset({LIVE, CANARY, DRILL, TEST, REPLAY})

UNPLACED: Final = "unplaced"
"""The site of a device that nobody registered and whose topic names no known site."""


def may_ring(purpose: str) -> bool:
    """Whether a record of this purpose may ring or leave the hub unmarked. Unknown purposes never may."""
    return purpose == LIVE


def utc(seconds: float) -> datetime:
    """The instant `seconds` after 1970-01-01T00:00Z."""
    return datetime.fromtimestamp(seconds, UTC)


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement or state of one device. Keyed by site.

    `at` is the device's time when that is within the allowed skew, else the arrival; `clock` says which.
    A state is a number too: 1 is alarm or open, 0 is normal or closed. `value` is always finite.
    `kind` is the device type ("smoke", "heat", "gas", ...), `metric` what is measured ("smoke_alarm",
    "temperature", ...), `place` is `site/building/unit/floor` as far as known.
    """

    id: str
    site: str
    device: str
    kind: str
    metric: str
    value: float
    unit: str = ""
    at: datetime
    clock: Literal["device", "hub"]
    device_at: datetime | None = None
    arrived_at: datetime
    sequence: int | None = None
    place: str = ""
    registered: bool = True
    purpose: str = LIVE


class Packet(msgspec.Struct, frozen=True, array_like=True):
    """One access unit (Annex B, decode order). `pts` and `dts` count in the chunk's time base."""

    data: bytes
    pts: int
    dts: int
    key: bool


class VideoChunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some 200 ms of a camera's encoded packets. Keyed by camera.

    `at` is the arrival of the first packet. A chunk begins with a key frame or holds none.
    `gop_at` is the `at` of the chunk that opened the current group of pictures: decoding can start there.
    `epoch` is the wall time of pts 0 in seconds since 1970: a packet's instant is epoch + pts * num / den.
    `codec` is "h264" or "hevc"; `session` is new at each connect, and decoders start anew with it.
    """

    camera: str
    site: str
    at: datetime
    session: str
    sequence: int
    codec: str
    num: int
    den: int
    epoch: float
    gop_at: datetime
    packets: tuple[Packet, ...]
    clock: Literal["device", "hub"] = "hub"
    purpose: str = LIVE

    @property
    def key(self) -> bool:
        """Whether decoding can start at this chunk."""
        return bool(self.packets) and self.packets[0].key


class ThermalFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One radiometric picture: rows x columns of little-endian uint16. Keyed by camera.

    Temperature in °C is `raw * scale + offset`. `range_low` and `range_high` (°C) are the sensor's limits:
    a pixel at the upper one is saturated and counts as hot. A stream that is not `radiometric` has no
    temperature in it and may only ask for a visual check.
    """

    camera: str
    site: str
    at: datetime
    clock: Literal["device", "hub"]
    arrived_at: datetime
    width: int
    height: int
    scale: float
    offset: float
    range_low: float
    range_high: float
    radiometric: bool = True
    sequence: int | None = None
    place: str = ""
    purpose: str = LIVE
    raw: bytes


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A place in a picture at an instant: seconds since 1970, column and row in pixels, area in pixels."""

    t: float
    x: float
    y: float
    area: float


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a detector says happened, before and after anyone decided: its kind, where, when, with what numbers.

    `features` are unrounded; decisions are made from them alone, so that they can be made again later.
    `path` is the trajectory in the picture (falling object) or the outline of the hot spot (thermal).
    """

    kind: str
    subject: str
    place: str
    start: datetime
    end: datetime
    features: dict[str, float]
    path: tuple[Point, ...] = ()
    words: dict[str, str] = {}


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a detector weighed, down to a stated floor; most never become a detection. Keyed by site."""

    id: str
    site: str
    at: datetime
    detector: str
    code_version: str
    revision: int
    claim: Claim
    purpose: str = LIVE


class Detection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A detector's claim. It may repeat and it may be wrong. Keyed by site.

    `status`: "alarm", "suspected" (quiet list, never a siren), or "clear" (the condition named by `condition` ended).
    `condition` names what lasts (device and rule, or camera and zone); detections of one condition are one alert.
    `level`: "fire", "pre_alarm", "alarm", "fault", "notice". `reason` is a sentence in plain words; `numbers` say
    what it was decided from. `revision` is the settings revision that decided. `late` marks searches of a gap.
    """

    id: str
    site: str
    at: datetime
    detector: str
    status: Literal["alarm", "suspected", "clear"]
    condition: str
    level: str
    kind: str
    subject: str
    place: str
    start: datetime
    end: datetime
    confidence: float
    rule: str
    reason: str
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    path: tuple[Point, ...] = ()
    revision: int = 0
    clock: Literal["device", "hub"] = "hub"
    late: bool = False
    purpose: str = LIVE


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A condition with a beginning and an end. Keyed by site. Written by `alerts` alone."""

    id: str
    site: str
    at: datetime
    kind: str
    level: str
    condition: str
    subject: str
    place: str
    began_at: datetime
    ended_at: datetime | None = None
    status: Literal["alarm", "suspected"] = "alarm"
    confidence: float = 1.0
    reason: str = ""
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    detections: int = 1
    incident: str = ""
    purpose: str = LIVE


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people work on: one or more alerts, a state, a timeline. Keyed by site. Written by `alerts` alone.

    `version` grows by one with each change; a reader keeps the highest. `number` is the short one people say.
    `state`: new, acknowledged, verifying, confirmed, dispatched, on_scene, handled, closed, false_alarm.
    `priority` 1 (red) to 4 (blue, never rings). `merged_into` is the id that took this one in.
    """

    id: str
    number: str
    site: str
    at: datetime
    version: int
    state: str
    priority: int
    kind: str
    title: str
    place: str
    grid: str = ""
    opened_at: datetime
    updated_at: datetime
    alerts: tuple[Alert, ...] = ()
    why_linked: tuple[str, ...] = ()
    assigned_to: str = ""
    acknowledged_by: str = ""
    merged_into: str = ""
    purpose: str = LIVE


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person or a peer asks for. Keyed by site.

    `action`: acknowledge, assign, resolve, false_alarm, close, note, hotline_status, ...
    `id` is given by the asker once (a key press), so that the same command sent twice is one.
    """

    id: str
    site: str
    at: datetime
    incident: str
    action: str
    by: str
    channel: str
    reason: str = ""
    details: dict[str, str] = {}
    purpose: str = LIVE


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person's phone or a peer answered to a message. Keyed by site.

    `outcome`: "accepted", "refused" (it will not take this one), "read".
    """

    id: str
    site: str
    at: datetime
    message: str
    incident: str
    channel: str
    recipient: str
    outcome: str
    answer: str = ""
    purpose: str = LIVE


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record nobody could use, kept with its reason. Keyed by where it came from."""

    id: str
    at: datetime
    source: str
    reason: str
    detail: str
    payload: bytes
    partition: int = -1
    offset: int = -1
    key: str = ""


class SettingsRevision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The announcement that a checked revision of the settings is in force for a site ("" is the city)."""

    site: str
    at: datetime
    number: int
    digest: str
