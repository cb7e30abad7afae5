"""The hub's own JSON: property/<site>/<kind>/<device> carries {"t", "seq", "values": {...}, "battery", "purpose"}."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hub.errors import MessageError
from hub.wire import parse
from ingest.said import Said, checked, counted, instant, limited, purpose_of

MOST_BYTES: Final = 64 * 1024


class _Message(msgspec.Struct):
    values: dict[str, float | bool]
    t: float | str | None = None
    seq: int | None = None
    battery: float | None = None
    purpose: Any = None


class HubJson:
    """No settings. Raises MessageError for anything that is not such a message."""

    def __call__(self, topic: str, payload: bytes) -> Said:
        """`t` is seconds since 1970 or ISO 8601 with a zone; `battery` is the share that is left."""
        limited(payload, MOST_BYTES)
        site, kind, device = address(topic)
        message = parse(_Message, payload)
        values = message.values
        if message.battery is not None:
            values = {**values, "battery": message.battery}
        return Said(
            site=site,
            kind=kind,
            device=device,
            values=checked(values),
            t=instant(message.t),
            sequence=counted(message.seq),
            purpose=purpose_of(message.purpose),
        )


def address(topic: str) -> tuple[str, str, str]:
    """Site, kind and device of a topic. Raises MessageError("topic")."""
    steps = topic.split("/")
    if len(steps) != 4 or not all(steps):
        raise MessageError("topic", f"{topic[:200]!r} is not property/<site>/<kind>/<device>")
    return steps[1], steps[2], steps[3]
