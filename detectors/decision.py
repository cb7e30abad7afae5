"""What was decided about a candidate, by which rule, and why in plain words."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["alarm", "suspected", "clear", "rejected"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A pure answer to "what of it?". `level` is the detection's level ("fire", "pre_alarm", "alarm", "fault",
    "notice"); `confidence` is 0..1; `numbers` are those that decided. A rejected candidate stays stored."""

    status: Status
    level: str
    rule: str
    reason: str
    confidence: float
    numbers: dict[str, float] = {}

    @property
    def told(self) -> bool:
        """Whether a detection follows."""
        return self.status != "rejected"
