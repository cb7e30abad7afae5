"""The simulated world's second zero: all that happens is told in seconds after it."""

from __future__ import annotations

import asyncio
import time


class WorldClock:
    """Stands at 0 until `begin`. One clock serves cameras, sensors and thermal camera, so they tell one story."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Second zero is now. A second call changes nothing."""
        if self._began is None:
            self._began = time.monotonic()
            self._begun.set()

    @property
    def standing(self) -> bool:
        """Whether second zero is still to come."""
        return self._began is None

    def elapsed(self) -> float:
        """Seconds since second zero; 0 before it."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    async def begun(self) -> None:
        """Wait for second zero."""
        await self._begun.wait()

    async def until(self, t: float) -> None:
        """Wait for second t."""
        await self._begun.wait()
        await asyncio.sleep(max(0.0, t - self.elapsed()))
