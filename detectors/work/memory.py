"""What a detector has learned, kept in the store with the position it belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec
from psycopg.types.json import Jsonb

from hub.bus import Position
from hub.store import Store

_SAVE: Final = """
INSERT INTO detector_state (detector, subject, at, position, body) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (detector, subject) DO UPDATE SET at = excluded.at, position = excluded.position, body = excluded.body"""
_LOAD: Final = """
SELECT body FROM detector_state WHERE detector = %s AND subject = %s AND at > now() - interval '7 days'"""


class Memory:
    """Snapshots by detector and subject (a camera, or a partition's sites)."""

    def __init__(self, store: Store | None) -> None:
        """Without a store nothing is remembered: for replays."""
        self._store = store

    async def load(self, detector: str, subject: str) -> bytes:
        """The last snapshot of the last seven days, or nothing. Raises TransientError."""
        if self._store is None:
            return b""
        async with self._store.connection() as connection:
            cursor = await connection.execute(_LOAD, (detector, subject))
            row = await cursor.fetchone()
        return bytes(row[0]) if row else b""

    async def save(self, detector: str, snapshots: dict[str, tuple[bytes, Position]]) -> None:
        """Keep snapshots by subject, each with its position. Raises TransientError."""
        if self._store is None or not snapshots:
            return
        now = datetime.now(UTC)
        async with self._store.transaction() as connection:
            for subject, (body, position) in sorted(snapshots.items()):
                where = Jsonb(msgspec.to_builtins(position))
                await connection.execute(_SAVE, (detector, subject, now, where, body))
