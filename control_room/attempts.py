"""How often a password may be tried: a few times, and then with growing pauses."""

from __future__ import annotations

from typing import Final

FREE: Final = 5
"""Failures before the first pause."""
FIRST_PAUSE: Final = 10.0
LONGEST_PAUSE: Final = 600.0
FORGET_AFTER: Final = 1800.0
"""Seconds without a failure after which the count begins anew."""
MOST_KEYS: Final = 10_000


class Attempts:
    """Failures by key: an account name, or a caller's address. In memory: a restart forgives."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}

    def pause(self, key: str, now: float) -> float:
        """Seconds until the next try is looked at; 0 when it is looked at now. `now`: monotonic seconds."""
        count, last = self._failures.get(key, (0, now))
        if count < FREE or now - last > FORGET_AFTER:
            return 0.0
        wait = min(FIRST_PAUSE * 2.0 ** min(count - FREE, 16), LONGEST_PAUSE)
        return max(0.0, last + wait - now)

    def failed(self, key: str, now: float) -> None:
        """One more failure."""
        count, last = self._failures.pop(key, (0, now))
        self._failures[key] = (1 if now - last > FORGET_AFTER else count + 1, now)
        while len(self._failures) > MOST_KEYS:  # whoever tries a million names must not fill the memory
            self._failures.pop(next(iter(self._failures)))

    def succeeded(self, key: str) -> None:
        """The count begins anew."""
        self._failures.pop(key, None)
