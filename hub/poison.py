"""A record that ended its worker again and again was put aside: said aloud, for what it held was not watched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from hub.bus import Delivery
from hub.identity import derived
from hub.model import Detection
from hub.topics import READINGS, THERMAL, VIDEO

RULE: Final = "poison"
_CAMERAS: Final = (VIDEO.name, THERMAL.name)
_WATCHED: Final = (*_CAMERAS, READINGS.name)
"""What a detector reads. A detection or command that is put aside would only make another of its own kind."""


def detection_of(delivery: Delivery[Any], group: str) -> Detection | None:
    """The fault to raise for a record of the watched topics; None for others, and for one without a key."""
    topic = delivery.topic.name
    if topic not in _WATCHED or not delivery.key:
        return None
    return Detection(
        id=derived("poison", group, topic, delivery.partition, delivery.offset),
        site=delivery.key.split("/", 1)[0],
        at=datetime.now(UTC),
        detector=group,
        status="alarm",
        condition=f"{delivery.key}:{RULE}",
        level="fault",
        kind="camera" if topic in _CAMERAS else "system",
        subject=delivery.key,
        place=delivery.key.split("/", 1)[0],
        start=delivery.arrived,
        end=delivery.arrived,
        confidence=1.0,
        rule=RULE,
        reason=f"a record of {topic} ended its worker twice and was put aside: what it held was not watched",
        numbers={"offset": float(delivery.offset)},
    )
