"""How fast a robot may speak: so many messages a minute, some of them kept back for what is urgent."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60.0
RESERVE: Final = 5
"""Messages of each minute that only priorities 1 and 2 may use."""


class Pace:
    """The sends of the last minute of one robot. Times are seconds on any clock that only goes forward."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._sent: deque[float] = deque()
        self._blocked_until = 0.0

    def wait(self, now: float, urgent: bool) -> float:
        """Seconds until a message may go; 0 for at once."""
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        allowed = self._per_minute if urgent else self._per_minute - RESERVE
        wait = self._blocked_until - now
        if len(self._sent) >= allowed:
            wait = max(wait, self._sent[len(self._sent) - allowed] + MINUTE - now)
        return max(0.0, wait)

    def sent(self, now: float) -> None:
        """A message went out, whatever became of it."""
        self._sent.append(now)

    def too_fast(self, now: float, wait: float) -> None:
        """The far side said so: nothing goes for `wait` seconds."""
        self._blocked_until = max(self._blocked_until, now + max(wait, 1.0))
