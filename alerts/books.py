"""What the alarm desk knows and decides, as rows: alerts, incidents, links, steps, timers and promises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from psycopg.types.json import Jsonb

from alerts.condition import Known, momentary
from alerts.desk import Outcome, Situation
from alerts.escalation import Timer, What
from alerts.incident import ENDED, Step
from alerts.linking import Cut
from hub import outbox
from hub.model import Alert, Detection, Incident, Point
from hub.outbox import Connection
from hub.store import Store
from hub.topics import ALERTS, INCIDENTS

GUARDED_DAYS: Final = 35
"""Longer than any topic that we read is kept."""
REMEMBERED: Final = 600.0
"""Seconds for which an ended alert can still be the one that a late claim is about."""


async def lock(connection: Connection, sites: Iterable[str]) -> None:
    """Nobody else decides about these sites until this transaction ends. In order, so that two never wait crosswise."""
    for site in sorted(set(sites)):
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('alerts'), hashtext(%s))", (site,))


async def first_time(connection: Connection, id_: str, at: datetime) -> bool:
    """Whether this command or receipt has not been seen before; from now on it has."""
    cursor = await connection.execute(
        "INSERT INTO command_seen (id, at) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", (id_, at)
    )
    return cursor.rowcount == 1


async def known_detection(connection: Connection, detection: Detection) -> bool:
    """Whether this detection was dealt with before."""
    cursor = await connection.execute("SELECT 1 FROM alert_detection WHERE detection = %s", (detection.id,))
    return await cursor.fetchone() is not None


async def keep_detection(connection: Connection, detection: Detection, alert: str) -> None:
    """Store the claim itself, and which alert it became part of ("" for none)."""
    await connection.execute(
        "INSERT INTO alert_detection (detection, alert, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (detection.id, alert, detection.at),
    )
    await connection.execute(
        """
        INSERT INTO detection (id, site, at, detector, status, condition, level, kind, subject, place, start_at, end_at,
                               confidence, rule, reason, body, revision, purpose)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        (
            detection.id,
            detection.site,
            detection.at,
            detection.detector,
            detection.status,
            detection.condition,
            detection.level,
            detection.kind,
            detection.subject,
            detection.place,
            detection.start,
            detection.end,
            detection.confidence,
            detection.rule,
            detection.reason,
            Jsonb(msgspec.to_builtins(detection)),
            detection.revision,
            detection.purpose,
        ),
    )


async def situation(connection: Connection, detection: Detection) -> Situation:
    """What is known of the site and purpose, as far as this detection can touch it."""
    cursor = await connection.execute(
        """
        SELECT a.body, i.body, (
            SELECT d.body -> 'path' FROM alert_detection AS m JOIN detection AS d ON d.id = m.detection AND d.at = m.at
            WHERE m.alert = a.id AND d.body ? 'path' ORDER BY jsonb_array_length(d.body -> 'path') DESC, m.at LIMIT 1)
        FROM alert AS a LEFT JOIN incident AS i ON i.id = a.incident
        WHERE a.site = %s AND a.purpose = %s AND (a.ended_at IS NULL OR a.ended_at > %s)
          AND (a.condition = %s OR ((%s OR a.ended_at IS NULL) AND a.subject = %s AND a.kind = %s))
        ORDER BY a.began_at DESC LIMIT 50
        """,
        (
            detection.site,
            detection.purpose,
            detection.start - timedelta(seconds=REMEMBERED),
            detection.condition,
            momentary(detection),
            detection.subject,
            detection.kind,
        ),
    )
    known = []
    for body, owner, path in await cursor.fetchall():
        its = msgspec.convert(owner, Incident) if owner else None
        closed = its.updated_at if its is not None and its.state in ENDED else None
        points = msgspec.convert(path or [], tuple[Point, ...])
        known.append(Known(msgspec.convert(body, Alert), points, closed, its))
    cursor = await connection.execute(
        """
        SELECT body FROM incident
        WHERE site = %s AND purpose = %s AND state NOT IN ('closed', 'false_alarm') AND merged_into = ''
        ORDER BY opened_at
        """,
        (detection.site, detection.purpose),
    )
    incidents = tuple(msgspec.convert(row[0], Incident) for row in await cursor.fetchall())
    ids = [i.id for i in incidents]
    cursor = await connection.execute(
        "SELECT alert, incident FROM incident_link WHERE undone_at IS NOT NULL AND incident = ANY(%s)", (ids,)
    )
    cuts = tuple(Cut(alert, incident) for alert, incident in await cursor.fetchall())
    cursor = await connection.execute("SELECT incident FROM work_order WHERE incident = ANY(%s)", (ids,))
    knows = frozenset(row[0] for row in await cursor.fetchall())
    return Situation(tuple(known), incidents, cuts, knows)


async def incident(connection: Connection, id_: str) -> Incident | None:
    """The incident of this id, or the one that took it in; None when there is none."""
    for _ in range(16):
        row = await (await connection.execute("SELECT body FROM incident WHERE id = %s", (id_,))).fetchone()
        if row is None:
            return None
        found = msgspec.convert(row[0], Incident)
        if not found.merged_into:
            return found
        id_ = found.merged_into
    return None


async def number(connection: Connection, now: datetime, zone: ZoneInfo) -> str:
    """The next short number of this day: "20261123-007"."""
    day = now.astimezone(zone).date()
    cursor = await connection.execute(
        """
        INSERT INTO incident_number (day, last) VALUES (%s, 1)
        ON CONFLICT (day) DO UPDATE SET last = incident_number.last + 1 RETURNING last
        """,
        (day,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return f"{day:%Y%m%d}-{row[0]:03d}"


async def numbered(connection: Connection, outcome: Outcome, now: datetime, zone: ZoneInfo) -> Outcome:
    """The outcome with a number for each incident that has none yet."""
    if all(i.number for i in outcome.incidents):
        return outcome
    incidents = [
        i if i.number else msgspec.structs.replace(i, number=await number(connection, now, zone))
        for i in outcome.incidents
    ]
    return msgspec.structs.replace(outcome, incidents=tuple(incidents))


async def write(connection: Connection, outcome: Outcome, now: datetime) -> None:
    """Everything but the promises to people: rows, timers, and the records to publish."""
    for alert in (*outcome.alerts, *outcome.counted):
        await _alert(connection, alert)
    for one in outcome.incidents:
        await _incident(connection, one)
    for link in outcome.links:
        await connection.execute(
            """
            INSERT INTO incident_link (alert, incident, rule, reason, made_at) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (link.alert, link.incident, link.rule, link.reason, now),
        )
    await steps(connection, outcome.steps)
    for id_, what in outcome.stopped:
        await connection.execute(
            "UPDATE timer SET fired_at = %s WHERE incident = %s AND what = %s AND fired_at IS NULL", (now, id_, what)
        )
    await arm(connection, outcome.timers)
    for alert in outcome.alerts:
        await outbox.announce(connection, ALERTS, alert, now)
    for one in outcome.incidents:
        await outbox.announce(connection, INCIDENTS, one, now)


async def steps(connection: Connection, written: Sequence[Step]) -> None:
    """Add lines to timelines."""
    for step in written:
        await connection.execute(
            "INSERT INTO incident_step (incident, at, who, channel, action, reason, details) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (step.incident, step.at, step.who, step.channel, step.action, step.reason, Jsonb(step.details)),
        )


async def arm(connection: Connection, timers: Sequence[Timer]) -> None:
    """Set timers; one that was set before stays as it is, fired or not."""
    for timer in timers:
        await connection.execute(
            "INSERT INTO timer (id, site, incident, what, due_at, body) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (id) DO NOTHING",
            (timer.id, timer.site, timer.incident, timer.what, timer.due, Jsonb(msgspec.to_builtins(timer))),
        )


async def hasten(connection: Connection, incident_id: str, what: What, due: datetime) -> None:
    """Let a waiting timer run out at `due` if that is sooner."""
    await connection.execute(
        "UPDATE timer SET due_at = %s WHERE incident = %s AND what = %s AND fired_at IS NULL AND due_at > %s",
        (due, incident_id, what, due),
    )


async def _alert(connection: Connection, alert: Alert) -> None:
    await connection.execute(
        """
        INSERT INTO alert (id, site, kind, level, condition, subject, place, began_at, ended_at, status, confidence,
                           reason, incident, purpose, body)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET level = excluded.level, began_at = excluded.began_at,
            ended_at = excluded.ended_at, status = excluded.status, confidence = excluded.confidence,
            reason = excluded.reason, incident = excluded.incident, body = excluded.body
        """,
        (
            alert.id,
            alert.site,
            alert.kind,
            alert.level,
            alert.condition,
            alert.subject,
            alert.place,
            alert.began_at,
            alert.ended_at,
            alert.status,
            alert.confidence,
            alert.reason,
            alert.incident,
            alert.purpose,
            Jsonb(msgspec.to_builtins(alert)),
        ),
    )
    if alert.incident:
        # What was cut while the alert was only suspected belongs to the incident now.
        await connection.execute(
            "UPDATE evidence SET incident = %s WHERE alert = %s AND incident <> %s",
            (alert.incident, alert.id, alert.incident),
        )


async def _incident(connection: Connection, one: Incident) -> None:
    row: dict[str, Any] = {
        **{name: getattr(one, name) for name in _COLUMNS},
        "acknowledged_at": one.updated_at if one.acknowledged_by else None,
        "body": Jsonb(msgspec.to_builtins(one)),
    }
    await connection.execute(_UPSERT, row)


async def tidy(store: Store, now: datetime) -> None:
    """Forget what only guards against repeats, once the log can't repeat it any more."""
    before = now - timedelta(days=GUARDED_DAYS)
    for query in (
        "DELETE FROM command_seen WHERE at < %s",
        "DELETE FROM timer WHERE fired_at < %s",
        "DELETE FROM outbox WHERE created_at < %s AND state <> 'waiting' AND incident NOT IN (SELECT id FROM incident)",
    ):
        async with store.transaction() as connection:
            await connection.execute(query, (before,))


_COLUMNS: Final = (
    "id",
    "number",
    "site",
    "state",
    "priority",
    "kind",
    "title",
    "place",
    "grid",
    "opened_at",
    "updated_at",
    "version",
    "acknowledged_by",
    "assigned_to",
    "merged_into",
    "purpose",
)
_UPSERT: Final = """
    INSERT INTO incident (id, number, site, state, priority, kind, title, place, grid, opened_at, updated_at, version,
                          acknowledged_by, acknowledged_at, assigned_to, merged_into, purpose, body)
    VALUES (%(id)s, %(number)s, %(site)s, %(state)s, %(priority)s, %(kind)s, %(title)s, %(place)s, %(grid)s,
            %(opened_at)s, %(updated_at)s, %(version)s, %(acknowledged_by)s, %(acknowledged_at)s, %(assigned_to)s,
            %(merged_into)s, %(purpose)s, %(body)s)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, priority = excluded.priority, kind = excluded.kind,
        title = excluded.title, place = excluded.place, updated_at = excluded.updated_at, version = excluded.version,
        acknowledged_by = excluded.acknowledged_by, assigned_to = excluded.assigned_to,
        acknowledged_at = CASE WHEN excluded.acknowledged_by = '' THEN NULL
                               ELSE coalesce(incident.acknowledged_at, excluded.acknowledged_at) END,
        merged_into = excluded.merged_into, body = excluded.body
    WHERE incident.version < excluded.version
"""
