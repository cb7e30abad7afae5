"""Clocks that run out: reminders, the next person, an acknowledgement that nothing followed, the hotline's copy.

They are rows in the store: a timer's firing and what it causes are one transaction, and a restart loses none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from alerts import books
from alerts.desk import Desk
from alerts.escalation import Timer
from alerts.post import enact
from alerts.telling import HOTLINE
from hub.outbox import BUS, Connection
from hub.store import Store

PAGE_FIRST: Final = 60.0
"""Seconds the hotline's copy waits at most for the control room's record to be published."""


class Timers:
    """Fires what is due. See Router for the arguments."""

    def __init__(
        self,
        store: Store,
        desk: Callable[[], Desk],
        page: str = "",
        *,
        news: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._desk = desk
        self._page = page
        self._news = news
        self._clock = clock

    async def fire(self) -> int:
        """Fire all that are due now; how many."""
        now = self._clock()
        async with self._store.connection() as connection:
            cursor = await connection.execute(
                "SELECT DISTINCT site FROM timer WHERE fired_at IS NULL AND due_at <= %s AND what <> 'evidence'", (now,)
            )
            sites = sorted(str(row[0]) for row in await cursor.fetchall())
        fired = 0
        for site in sites:
            async with self._store.transaction() as connection:
                await books.lock(connection, [site])
                fired += await self._site(connection, site, now)
        if fired:
            self._news()
        return fired

    async def _site(self, connection: Connection, site: str, now: datetime) -> int:
        desk, fired = self._desk(), 0
        cursor = await connection.execute(
            """
            SELECT body, due_at FROM timer
            WHERE site = %s AND fired_at IS NULL AND due_at <= %s AND what <> 'evidence'
            ORDER BY due_at, id LIMIT 100
            """,
            (site, now),
        )
        for body, due in await cursor.fetchall():
            timer = msgspec.convert(body, Timer)
            if timer.what == HOTLINE and await self._page_waits(connection, timer, due, now):
                continue
            await connection.execute("UPDATE timer SET fired_at = %s WHERE id = %s", (now, timer.id))
            incident = await books.incident(connection, timer.incident)
            if incident is not None:
                outcome = desk.due(timer, incident, await _told(connection, incident.id), now)
                await enact(connection, outcome, incident, desk, self._page, now)
            fired += 1
        return fired

    async def _page_waits(self, connection: Connection, timer: Timer, due: datetime, now: datetime) -> bool:
        # An emergency is never told to the hotline before the control room has it.
        cursor = await connection.execute(
            """
            SELECT 1 FROM outbox
            WHERE incident = %s AND channel = %s AND state = 'waiting' AND created_at < %s LIMIT 1
            """,
            (timer.incident, BUS, due),
        )
        return await cursor.fetchone() is not None and (now - due).total_seconds() <= PAGE_FIRST


async def next_due(store: Store, now: datetime, longest: float) -> float:
    """Seconds until the next timer runs out, at most `longest`."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT min(due_at) FROM timer WHERE fired_at IS NULL AND what <> 'evidence' AND due_at < %s",
            (now + timedelta(seconds=longest),),
        )
        row = await cursor.fetchone()
    return max(0.0, (row[0] - now).total_seconds()) if row and row[0] else longest


async def _told(connection: Connection, incident: str) -> tuple[str, ...]:
    cursor = await connection.execute(
        """
        SELECT DISTINCT body -> 'notification' ->> 'name' FROM outbox
        WHERE incident = %s AND state IN ('sent', 'merged') AND channel NOT IN (%s, %s)
        """,
        (incident, BUS, HOTLINE),
    )
    return tuple(sorted(str(row[0]) for row in await cursor.fetchall() if row[0]))
