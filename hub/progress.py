"""When each part of the hub last got on with its work, told to whoever watches.

A process that is stopped, hangs in a call or waits for ever stops telling by itself: there is no timer here that
would go on saying "well" for a loop that is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from psycopg.types.json import Json

from hub.errors import TransientError
from hub.store import Store

EVERY = 2.0
"""Seconds between two rows of one process."""


class Progress:
    """The beats of one process. A loop calls its beat each time round, also when there was nothing to do."""

    def __init__(self, role: str, instance: str) -> None:
        self.role = role
        self.instance = instance
        self._beats: dict[str, float] = {}
        self._facts: dict[str, str] = {}

    def beat(self, loop: str) -> Callable[[], None]:
        """The function by which the loop of this name says that it got round once more."""
        self._beats[loop] = time.monotonic()

        def beaten() -> None:
            self._beats[loop] = time.monotonic()

        return beaten

    def fact(self, name: str, value: str) -> None:
        """Something the page should know of this process, such as which broker it started."""
        self._facts[name] = value

    def drop(self, loop: str) -> None:
        """A loop that ended on purpose."""
        self._beats.pop(loop, None)

    def ages(self) -> dict[str, float]:
        """Seconds since each loop's last beat."""
        now = time.monotonic()
        return {loop: round(now - beaten, 3) for loop, beaten in self._beats.items()}

    async def tell(self, store: Store) -> None:
        """Write this process's row every two seconds: its time is that of the loop that is furthest behind."""
        while True:
            ages = self.ages()
            try:
                async with store.transaction() as connection:
                    await connection.execute(
                        """
                        INSERT INTO progress (role, instance, at, detail)
                        VALUES (%s, %s, now() - make_interval(secs => %s), %s)
                        ON CONFLICT (role, instance) DO UPDATE SET at = excluded.at, detail = excluded.detail
                        """,
                        (
                            self.role,
                            self.instance,
                            max(ages.values(), default=0.0),
                            Json({"loops": ages, **self._facts}),
                        ),
                    )
            except TransientError:
                pass  # the row grows old by itself, which is just what the page must see
            await asyncio.sleep(EVERY)
