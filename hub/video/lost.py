"""Why a camera has to be connected anew."""

from __future__ import annotations

from typing import Literal

from hub.errors import TransientError

Reason = Literal["unreachable", "hung_up", "silent", "unreadable", "codec", "no_key_frame", "clock"]


class Lost(TransientError):
    """There is nothing more to be had from this connection. `reason` is a short word that metrics count by."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)
