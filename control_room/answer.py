"""What became of a press: the router's own word for it, as soon as it has one."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from hub.store import Store

PATIENCE: Final = 1.5
"""Seconds a press waits for the router's word. After that the page says that nothing has come back yet."""
LOOK_EVERY: Final = 0.08


class Answer(msgspec.Struct, frozen=True):
    """`done` is None while nobody has dealt with it; `refused` says why it was not done."""

    done: bool | None
    refused: str = ""


async def wait_for(store: Store, command: str, incident: str, action: str) -> Answer:
    """The answer to a command, waited for at most PATIENCE. Raises TransientError."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await _look(store, command, incident, action)
                if found is not None:
                    return found
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        return Answer(None)


async def _look(store: Store, command: str, incident: str, action: str) -> Answer | None:
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT s.details FROM command_seen AS c
            JOIN incident_step AS s ON s.incident = %s AND s.at = c.at AND s.action = %s
            WHERE c.id = %s ORDER BY s.id LIMIT 1
            """,
            (incident, action, command),
        )
        row = await cursor.fetchone()
    if row is None:
        return None
    refused = str(row[0].get("refused", ""))
    return Answer(not refused, refused)
