"""When each device and camera was last heard, and how many of its messages never came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog

from hub import metrics
from hub.errors import TransientError
from hub.redact import redact
from hub.store import Store

log = structlog.get_logger()

EVERY: Final = 1.0
RESTARTED: Final = 1000
"""A step back, or a leap forward by more than this, is a device that began to count anew, not a gap."""

_UPSERT: Final = """
INSERT INTO device_seen (device, site, kind, place, registered, last_at, last_arrived, last_sequence, gaps)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (device) DO UPDATE SET
    site = excluded.site, kind = excluded.kind, place = excluded.place, registered = excluded.registered,
    last_at = greatest(device_seen.last_at, excluded.last_at),
    last_arrived = greatest(device_seen.last_arrived, excluded.last_arrived),
    last_sequence = coalesce(excluded.last_sequence, device_seen.last_sequence),
    gaps = device_seen.gaps + excluded.gaps"""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One sign of life. `sequence` is the device's own count of its messages, if it keeps one."""

    device: str
    site: str
    kind: str
    place: str
    registered: bool
    at: datetime
    arrived: datetime
    sequence: int | None = None


def missed(last: int | None, now: int | None) -> int:
    """How many messages are missing between two of a device, by its own count. A repeat misses nothing."""
    if last is None or now is None or not last < now <= last + RESTARTED:
        return 0
    return now - last - 1


class Seen:
    """Remembers the last sign of life of each device and writes what changed to the store once a second."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._changed: dict[str, Heard] = {}
        self._gaps: dict[str, int] = {}

    def hear(self, heard: Heard) -> int:
        """Note it; how many messages are missing before it."""
        gap = missed(self._last.get(heard.device), heard.sequence)
        if heard.sequence is not None:
            self._last[heard.device] = heard.sequence
        if gap:
            self._gaps[heard.device] = self._gaps.get(heard.device, 0) + gap
            metrics.SEQUENCE_GAPS.inc(gap)
            log.warning("sequence_gap", device=heard.device, missing=gap, now=heard.sequence)
        before = self._changed.get(heard.device)
        if before is None or heard.arrived >= before.arrived:
            self._changed[heard.device] = heard
        return gap

    async def run(self, store: Store, beat: Callable[[], None]) -> None:
        """Write until cancelled. What could not be written is written the next time."""
        while True:
            beat()
            await asyncio.sleep(EVERY)
            await self.write(store)

    async def write(self, store: Store) -> None:
        """Write what changed since the last time."""
        changed, self._changed = self._changed, {}
        gaps, self._gaps = self._gaps, {}
        if not changed:
            self._gaps = gaps
            return
        rows = [_row(heard, gaps.get(name, 0)) for name, heard in sorted(changed.items())]
        try:
            async with store.transaction() as connection, connection.cursor() as cursor:
                await cursor.executemany(_UPSERT, rows)
        except TransientError as error:
            # Nobody may believe a device silent because the store was: the newest signs are kept and written later.
            self._changed = {**changed, **self._changed}
            for name, gap in gaps.items():
                self._gaps[name] = self._gaps.get(name, 0) + gap
            log.warning("seen_not_written", devices=len(rows), error=redact(str(error)))


def _row(heard: Heard, gaps: int) -> tuple[object, ...]:
    return (
        heard.device,
        heard.site,
        heard.kind,
        heard.place,
        heard.registered,
        heard.at,
        heard.arrived,
        heard.sequence,
        gaps,
    )
