"""What the desk decided is carried out: rows, timers and promises of one transaction, with every message in words."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from alerts import books
from alerts.desk import Desk, Outcome
from alerts.message import TEXTS, Frame, compose
from alerts.telling import HOTLINE, HotlineOrder, Notification
from hub.identity import derived
from hub.model import Incident
from hub.outbox import Connection, Promise, promise

PEER: Final = "12345"
"""The recipient's name of what goes to the hotline."""


async def enact(
    connection: Connection, outcome: Outcome, incident: Incident | None, desk: Desk, page: str, now: datetime
) -> Outcome:
    """Write an outcome and give it back with its incidents numbered.

    `incident` is the one it is about where the outcome does not change it; `page` is the page's address.
    """
    zone = ZoneInfo(desk.city.zone)
    outcome = await books.numbered(connection, outcome, now, zone)
    await books.write(connection, outcome, now)
    about = {one.id: one for one in (*((incident,) if incident else ()), *outcome.incidents)}
    messages = [told(note, about[note.incident], desk, page, now) for note in outcome.notifications]
    await promise(connection, [*messages, *(ordered(order, now) for order in outcome.orders)])
    for order in outcome.orders:
        if order.action == "create":
            await work_order(connection, order.incident.id, now)
    return outcome


def told(note: Notification, incident: Incident, desk: Desk, page: str, now: datetime) -> Promise:
    """The row that keeps the promise to tell a person."""
    language = desk.language(incident)
    zone = ZoneInfo(desk.city.zone)
    frame = Frame(desk.place_words(incident.place, language), page, zone, language)
    message = compose(incident, news(note, language), note.name, note.phone, frame)
    return Promise(
        id=note.id,
        incident=incident.id,
        site=incident.site,
        channel=note.channel,
        recipient=note.robot,
        kind=note.what,
        priority=incident.priority,
        body={
            "person": note.person,
            "name": note.name,
            "message": msgspec.to_builtins(message),
            "notification": msgspec.to_builtins(note),
        },
        due=now,
        purpose=incident.purpose,
    )


def news(note: Notification, language: str) -> str:
    """Why the message is sent now."""
    key = "linked_news" if note.what == "linked" else note.what
    return TEXTS[language][key].format(n=note.count, by=note.by, reason=note.reason)


def ordered(order: HotlineOrder, now: datetime) -> Promise:
    """The row that keeps the promise to tell the hotline; one after the other for each incident."""
    return Promise(
        id=order.id,
        incident=order.incident.id,
        site=order.incident.site,
        channel=HOTLINE,
        recipient=PEER,
        kind=order.action,
        priority=order.incident.priority,
        body=msgspec.to_builtins(order),
        due=now,
        purpose=order.incident.purpose,
        lane=f"{HOTLINE}:{order.incident.id}",
    )


async def work_order(connection: Connection, incident: str, now: datetime) -> None:
    """From now on the hotline is told of what happens to this incident."""
    await connection.execute(
        "INSERT INTO work_order (id, incident, channel, updated_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (derived("order", incident, HOTLINE), incident, HOTLINE, now),
    )
