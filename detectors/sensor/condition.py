"""What one rule of one device is in the middle of: a hold that runs, an alarm that is on, a release that runs."""

from __future__ import annotations

import math
from collections import deque

import msgspec

from detectors.sensor.settings import SensorRule

MOST_KEPT = 4096
"""Values kept for one rate of rise: over an hour of a value each second."""


class Condition(msgspec.Struct):
    """The clocks of one device and rule, keyed by their names and never by a value, so that new settings keep them.

    Seconds since 1970. `since`: the value has been bad from then on; `on`: told; `over`: good again from then on.
    """

    since: float = math.nan
    on: bool = False
    began: float = math.nan
    over: float = math.nan
    last: float = -math.inf
    value: float = 0.0
    rate: float = 0.0
    told: int = 0

    def feed(self, rule: SensorRule, value: float, rate: float, t: float) -> None:
        """The next value in time, with its rise per minute."""
        self.last, self.value, self.rate = t, value, rate
        if exceeds(rule, value, rate, slack=rule.hysteresis if self.on else 0.0):
            self.over = math.nan
            if math.isnan(self.since):
                self.since = t
        else:
            self.since = math.nan
            if self.on and math.isnan(self.over):
                self.over = t

    def due(self, rule: SensorRule, now: float) -> str:
        """What the clocks say at `now`: "begin", "end" or nothing."""
        if not self.on and not math.isnan(self.since) and now - self.since >= rule.hold:
            return "begin"
        if self.on and not math.isnan(self.over) and now - self.over >= rule.release:
            return "end"
        return ""

    @property
    def running(self) -> bool:
        """Whether a clock runs that may end without another value."""
        return (not self.on and not math.isnan(self.since)) or (self.on and not math.isnan(self.over))


class Slope(msgspec.Struct):
    """Rise per minute over a window, in constant time per value: the line from the oldest value to the newest."""

    values: deque[tuple[float, float]] = msgspec.field(default_factory=deque)

    def feed(self, value: float, t: float, within: float) -> float:
        """Add a value; the rise per minute, or minus infinity while less than half a window is known."""
        self.values.append((t, value))
        # The oldest value just outside the window stays: a device that speaks each 50 s still has a slope over 60 s.
        while len(self.values) > 2 and t - self.values[1][0] >= within:
            self.values.popleft()
        if len(self.values) > MOST_KEPT:
            self.values.popleft()
        then, before = self.values[0]
        elapsed = t - then
        if elapsed < 0.5 * within or elapsed > 5 * within:
            return -math.inf
        return (value - before) / elapsed * 60.0


def exceeds(rule: SensorRule, value: float, rate: float, slack: float = 0.0) -> bool:
    """Whether everything holds that the rule asks for. `slack`: hysteresis, once it is on."""
    if rule.above is not None and not value > rule.above - slack:
        return False
    if rule.below is not None and not value < rule.below + slack:
        return False
    if rule.state is not None and (value != 0) != rule.state:
        return False
    return rule.rising is None or rate >= rule.rising * (0.5 if slack else 1.0)
