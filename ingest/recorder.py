"""Readings and detections into the store, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from hub import ledger
from hub.bus import Bus, Delivery
from hub.errors import MessageError
from hub.model import Detection, Reading
from hub.service import Loop
from hub.store import Store
from hub.topics import DETECTIONS, READINGS

GROUP: Final = "store"
AT_ONCE: Final = 1000

_READING: Final = """
INSERT INTO reading (id, site, device, kind, metric, value, unit, at, clock, device_at, arrived_at, sequence, place,
                     registered, purpose)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (at, id) DO NOTHING"""
_DETECTION: Final = """
INSERT INTO detection (id, site, at, detector, status, condition, level, kind, subject, place, start_at, end_at,
                       confidence, rule, reason, body, revision, purpose)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (at, id) DO NOTHING"""

_INSERT: Final = {READINGS.name: _READING, DETECTIONS.name: _DETECTION}


async def record(bus: Bus, store: Store, beat: Callable[[], None]) -> None:
    """Serve until cancelled: what is on the log is in the store before it is acknowledged."""

    async def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        await write(store, deliveries)

    await Loop(bus, [READINGS, DETECTIONS], GROUP, beat, limit=AT_ONCE).run(handle)


async def write(store: Store, deliveries: Sequence[Delivery[Any]]) -> None:
    """All of these and their entry in the books, in one transaction; repeats change nothing.

    Raises MessageError, TransientError.
    """
    rows = {(d.topic.name, d.partition, d.offset): _row(d) for d in deliveries}
    async with store.transaction() as connection, connection.cursor() as cursor:
        for part in await ledger.opened(connection, deliveries):
            insert = _INSERT[part.slot[0]]
            stored = 0
            if part.again:
                await cursor.executemany(insert, [rows[(*part.slot, d.offset)] for d in part.again])
            if part.new:
                await cursor.executemany(insert, [rows[(*part.slot, d.offset)] for d in part.new])
                stored = cursor.rowcount
            await ledger.enter(connection, part, stored)


def _row(delivery: Delivery[Any]) -> tuple[object, ...]:
    noun = delivery.decode()
    if isinstance(noun, Reading):
        return reading_row(noun)
    if isinstance(noun, Detection):
        return detection_row(noun)
    raise MessageError("unexpected", f"a {type(noun).__name__} on {delivery.topic.name}")


def reading_row(r: Reading) -> tuple[object, ...]:
    """A reading as the columns of its table."""
    return (
        r.id, r.site, r.device, r.kind, r.metric, r.value, r.unit, r.at, r.clock, r.device_at, r.arrived_at,
        r.sequence, r.place, r.registered, r.purpose,
    )  # fmt: skip


def detection_row(d: Detection) -> tuple[object, ...]:
    """A detection as the columns of its table; `body` holds all of it."""
    return (
        d.id, d.site, d.at, d.detector, d.status, d.condition, d.level, d.kind, d.subject, d.place, d.start, d.end,
        d.confidence, d.rule, d.reason, Jsonb(msgspec.to_builtins(d)), d.revision, d.purpose,
    )  # fmt: skip
