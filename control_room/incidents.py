"""Incidents as the page shows them: the list, and everything that belongs to one."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from hub.model import Incident
from hub.settings.city import City, prefixes
from hub.store import Store

OPEN_LISTED: Final = 500
ENDED_LISTED: Final = 50
CAMERAS_BESIDE: Final = 4
_Connection = AsyncConnection[tuple[Any, ...]]


class Story(msgspec.Struct, frozen=True):
    """An incident, and all that belongs to it as the page gets it."""

    incident: Incident
    body: dict[str, Any]


def shown(incident: Incident, city: City) -> dict[str, Any]:
    """An incident with the names that people know instead of ids. Detections' pixel paths stay behind."""
    grid = city.grids.get(incident.grid)
    body: dict[str, Any] = msgspec.to_builtins(incident)
    body["alerts"] = [
        {**alert, "subject_name": subject_name(city, alert["subject"])} for alert in body.get("alerts", ())
    ]
    return {
        **body,
        "site_name": city.site_name(incident.site),
        "place_name": city.place_name(incident.place) if incident.place else "",
        "grid_name": grid.name if grid else "",
        "assigned_to_name": person_name(city, incident.assigned_to),
        "acknowledged_by_name": person_name(city, incident.acknowledged_by),
    }


def person_name(city: City, who: str) -> str:
    """A person of the city by name, anybody else as they are called."""
    person = city.people.get(who)
    return person.name if person else who


def subject_name(city: City, subject: str) -> str:
    """A sensor or camera by its name."""
    known = city.device(subject) or city.camera(subject)
    return known.name if known else subject


async def listed(store: Store) -> list[Incident]:
    """Everything open, the most urgent first, and what ended within a day."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            (SELECT body FROM incident WHERE state NOT IN ('closed', 'false_alarm') AND merged_into = ''
             ORDER BY (state = 'new') DESC, priority, opened_at LIMIT %s)
            UNION ALL
            (SELECT body FROM incident WHERE state IN ('closed', 'false_alarm') AND merged_into = ''
               AND opened_at > now() - interval '2 days' AND updated_at > now() - interval '1 day'
             ORDER BY updated_at DESC LIMIT %s)
            """,
            (OPEN_LISTED, ENDED_LISTED),
        )
        return [msgspec.convert(row[0], Incident) for row in await cursor.fetchall()]


async def find(store: Store, id_: str) -> Incident | None:
    """The incident of this id, or the one that took it in; ids resolve for ever. None when there was never one."""
    async with store.connection() as connection:
        return await _find(connection, id_)


async def _find(connection: _Connection, id_: str) -> Incident | None:
    for _ in range(16):
        row = await (await connection.execute("SELECT body FROM incident WHERE id = %s", (id_,))).fetchone()
        if row is None:
            return None
        incident = msgspec.convert(row[0], Incident)
        if not incident.merged_into:
            return incident
        id_ = incident.merged_into
    return None


async def story(store: Store, id_: str, city: City) -> Story | None:
    """All that belongs to an incident and to those merged into it; None when there was never one of this id."""
    async with store.connection() as connection:
        incident = await _find(connection, id_)
        if incident is None:
            return None
        family = [row["id"] for row in await _rows(connection, _FAMILY, (incident.id,))]
        alerts = await _rows(connection, _ALERTS, (family, family))
        links = await _rows(connection, _LINKS, (family,))
        steps = await _rows(connection, _STEPS, (family,))
        messages = await _rows(connection, _MESSAGES, (family,))
        orders = await _rows(connection, _ORDERS, (family,))
        evidence = await _rows(connection, _EVIDENCE, (family, [alert["id"] for alert in alerts]))
    bodies = [alert["body"] for alert in alerts]
    body = {
        "incident": shown(incident, city),
        "asked_for": id_,
        "alerts": [{**body, "subject_name": subject_name(city, body["subject"])} for body in bodies],
        "links": links,
        "timeline": [_told(step, city) for step in steps],
        "notifications": [
            {
                **message,
                "recipient_name": message["name"] or person_name(city, message["person"] or message["recipient"]),
            }
            for message in messages
        ],
        "work_orders": orders,
        "evidence": [{**one, "url": f"/evidence/{one['id']}"} for one in evidence],
        "cameras": cameras_beside(city, incident.place or incident.site, [body["subject"] for body in bodies]),
        "people": [
            {"id": person.id, "name": person.name, "role": person.role, "phone": person.phone}
            for person in city.ladder(incident.grid)
        ],
    }
    return Story(incident, body)


def _told(step: dict[str, Any], city: City) -> dict[str, Any]:
    to = step["details"].get("to", "") if step["action"] == "assign" else ""
    return {**step, "who_name": person_name(city, step["who"]), "to_name": person_name(city, to)}


def cameras_beside(city: City, place: str, subjects: list[str]) -> list[dict[str, str]]:
    """The cameras that saw it, then those that look at the place: stills of what is there now."""
    near = [
        camera.id
        for prefix in prefixes(place)
        for camera in city.cameras.values()
        if prefix in camera.sees or camera.place == prefix
    ]
    found = dict.fromkeys([*(subject for subject in subjects if subject in city.cameras), *near])
    return [
        {
            "id": id_,
            "name": city.cameras[id_].name,
            "kind": city.cameras[id_].kind,
            "still": f"/cameras/{id_}/still.jpg",
        }
        for id_ in list(found)[:CAMERAS_BESIDE]
    ]


async def _rows(connection: _Connection, query: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    cursor = await connection.execute(query.encode(), values)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


_FAMILY: Final = """
    WITH RECURSIVE family (id) AS (
        SELECT %s::text UNION SELECT i.id FROM incident AS i JOIN family AS f ON i.merged_into = f.id)
    SELECT id FROM family
"""
_ALERTS: Final = """
    SELECT id, body FROM alert
    WHERE incident = ANY(%s) OR id IN (SELECT alert FROM incident_link WHERE incident = ANY(%s))
    ORDER BY began_at LIMIT 200
"""
_LINKS: Final = """
    SELECT alert, incident, rule, reason, by_whom, made_at, undone_at, undone_by FROM incident_link
    WHERE incident = ANY(%s) ORDER BY made_at LIMIT 500
"""
_STEPS: Final = """
    SELECT id, at, who, channel, action, reason, details FROM incident_step
    WHERE incident = ANY(%s) ORDER BY at, id LIMIT 1000
"""
_MESSAGES: Final = """
    SELECT id, channel, recipient, coalesce(body ->> 'person', '') AS person, coalesce(body ->> 'name', '') AS name,
           kind, created_at, next_at, tries, state, sent_at, answer
    FROM outbox WHERE incident = ANY(%s) AND channel <> 'bus' ORDER BY created_at, seq LIMIT 200
"""
_ORDERS: Final = """
    SELECT id, channel, order_no, status, updated_at FROM work_order
    WHERE incident = ANY(%s) ORDER BY updated_at LIMIT 20
"""
_EVIDENCE: Final = """
    SELECT id, alert, kind, media_type, bytes, sha256, from_at, to_at, state, reason, codec, clock, preview_of
    FROM evidence WHERE incident = ANY(%s) OR alert = ANY(%s) ORDER BY created_at, id LIMIT 100
"""
