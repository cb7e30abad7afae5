"""Where everything that came in at a door leaves for the log: kept there before anyone is told that it was taken.

A door is no subscription: nothing comes again if we let go of it, so this is the one place outside `hub/service.py`
that waits and tries again. For ever: the door meanwhile stops taking (`mqtt.py`) or drops pictures (`hopper.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
import structlog

from hub import metrics
from hub.bus import Bus
from hub.errors import MessageError, TransientError
from hub.identity import derived
from hub.model import DeadLetter
from hub.redact import redact
from hub.topics import DEAD_LETTERS, Topic

log = structlog.get_logger()
T = TypeVar("T", bound=msgspec.Struct)

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
KEPT_BYTES: Final = 64 * 1024
"""So much of a payload nobody could use is kept with its reason."""


class Outlet:
    """Publishes for the doors. `waiting` is true while the bus is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.waiting = False

    async def keep(self, topic: Topic[T], nouns: Sequence[T]) -> None:
        """Return when the bus has them all, in order; one it can never take is dead-lettered in its place."""
        if not nouns:
            return
        try:
            await self._patiently(topic, nouns)
        except MessageError as error:
            if len(nouns) > 1:
                for noun in nouns:
                    await self.keep(topic, [noun])
                return
            value, _ = topic.encode(nouns[0])[1:]
            await self.bury(letter(f"ingest:{topic.name}", value, error, topic.key(nouns[0])))

    async def bury(self, dead: DeadLetter) -> None:
        """Put what nobody can use on the dead-letter topic, counted."""
        metrics.DEAD_LETTERS.labels(dead.source, dead.reason).inc()
        log.warning("dead_letter", source=dead.source, reason=dead.reason, detail=dead.detail, key=dead.key)
        await self._patiently(DEAD_LETTERS, [dead])

    async def _patiently(self, topic: Topic[T], nouns: Sequence[T]) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                await self._bus.publish(topic, nouns)
            except TransientError as error:
                self.waiting = True
                log.warning("bus_away", topic=topic.name, records=len(nouns), error=redact(str(error)), seconds=wait)
                await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                self.waiting = False
                return


def letter(source: str, payload: bytes, error: MessageError, key: str = "", *parts: object) -> DeadLetter:
    """The dead letter of a payload. Its id comes from source, key and payload, and `parts` where those repeat."""
    return DeadLetter(
        id=derived("dead", source, key, hashlib.blake2b(payload, digest_size=16).hexdigest(), *parts),
        at=datetime.now(UTC),
        source=source,
        reason=error.reason,
        detail=redact(error.detail)[:2000],
        payload=payload[:KEPT_BYTES],
        key=key,
    )
