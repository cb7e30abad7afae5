"""Which instant a camera's picture belongs to: the arrival first, corrected without ever jumping.

The first guess is the earliest arrival, for a packet can be late but not early. A camera's own clock (RTCP sender
report) is better when it agrees with ours; it comes seconds after the pictures. Crystals drift apart by seconds a
day. So the correction goes on for ever, and slowly: a jump would look like a movement.
"""

from __future__ import annotations

from typing import Final, Literal

from hub.video.lost import Lost

SETTLING: Final = 60.0
"""Seconds in which a new session is corrected more quickly: what its start got wrong is soon right."""
QUICK: Final = 0.02
SLOW: Final = 0.005
"""Seconds of correction per second. At 0.5 % a measured g is wrong by 1 %, and a chunk begins 1 ms off."""
TRUSTED: Final = 2.0
"""A camera's clock that differs from ours by more than this many seconds is set wrongly: ours is used."""
NEAR: Final = 0.05
WINDOW: Final = 30.0
"""Over so many seconds the earliest arrival counts: longer than any network's mood, shorter than a drift."""
EARLY, LATE = 3.0, 20.0
"""A packet that comes before its instant, or so long after it, shows that a clock has jumped (seconds)."""


class Clock:
    """The wall time of pts 0 of one session, as `epoch`; `kind` says whose clock it follows."""

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self.kind: Literal["device", "hub"] = "hub"
        self._begun: float | None = None
        self._last = 0.0
        self._earliest = epoch
        self._next_earliest = epoch
        self._window_ends = 0.0

    def follow(self, offset: float, arrived: float, wall: float | None = None) -> float:
        """The epoch after one more packet: `offset` is its pts in seconds, `arrived` and `wall` since 1970.

        Raises Lost when a clock has jumped: a new session finds its own epoch.
        """
        late = arrived - (self.epoch + offset)
        if late < -EARLY or late > LATE:
            raise Lost("clock", f"a clock jumped: a packet came {late:.1f} s after its instant")
        if self._begun is None:
            self._begun = self._last = arrived
            self._window_ends = arrived + WINDOW
        seen = arrived - offset
        if arrived >= self._window_ends:
            self._window_ends = arrived + WINDOW
            self._earliest, self._next_earliest = self._next_earliest, seen
        else:
            self._earliest = min(self._earliest, seen)
            self._next_earliest = min(self._next_earliest, seen)
        target = self._earliest
        device = wall is not None and abs(wall - arrived) <= TRUSTED
        if device and wall is not None:
            target = wall - offset
        rate = QUICK if arrived - self._begun < SETTLING else SLOW
        reach = max(0.0, arrived - self._last) * rate
        self._last = max(self._last, arrived)
        self.epoch += min(max(target - self.epoch, -reach), reach)
        self.kind = "device" if device and abs(target - self.epoch) <= NEAR else "hub"
        return self.epoch
