"""What a detector only suspects: kept for whoever wants to look, counted on the front, and never rung."""

from __future__ import annotations

from typing import Any, Final

from control_room.incidents import cameras_beside, subject_name
from hub.settings.city import City
from hub.store import Store

LISTED: Final = 100
HOURS: Final = 24
"""How far back the list and its count go."""

_QUIET: Final = """
    FROM alert WHERE incident = '' AND purpose = 'live' AND (status = 'suspected' OR level = 'notice')
      AND began_at > now() - make_interval(hours => %s)
"""


async def count(store: Store) -> int:
    """How many there are. Raises TransientError."""
    async with store.connection() as connection:
        row = await (await connection.execute("SELECT count(*)" + _QUIET, (HOURS,))).fetchone()
    return int(row[0]) if row else 0


async def listed(store: Store, city: City) -> list[dict[str, Any]]:
    """The latest first, each with its proof and the cameras that look there. Raises TransientError."""
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT body" + _QUIET + "ORDER BY began_at DESC LIMIT %s", (HOURS, LISTED))
        bodies = [row[0] for row in await cursor.fetchall()]
        cursor = await connection.execute(
            """
            SELECT alert, id, kind, media_type, bytes, sha256, from_at, to_at, state, reason, codec, clock, preview_of
            FROM evidence WHERE alert = ANY(%s) ORDER BY created_at, id
            """,
            ([body["id"] for body in bodies],),
        )
        names = [column.name for column in cursor.description or ()]
        proof = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
    return [
        {
            **body,
            "subject_name": subject_name(city, body["subject"]),
            "place_name": city.place_name(body.get("place", "")) if body.get("place") else "",
            "evidence": [{**one, "url": f"/evidence/{one['id']}"} for one in proof if one["alert"] == body["id"]],
            "cameras": cameras_beside(city, body.get("place") or body["site"], [body["subject"]]),
        }
        for body in bodies
    ]
