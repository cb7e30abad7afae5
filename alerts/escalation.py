"""Insisting: what nobody acknowledges is pushed again and climbs, by timers that are values in the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from alerts.policy import RINGING, AlertSettings
from hub.identity import derived
from hub.model import Incident

What = Literal["remind", "next", "acknowledgement", "hotline", "evidence"]

LAST_REMINDS_EVERY: Final = 5
"""After the last person the reminders go on, so many times slower than the climbing was."""


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done at `due` unless it is taken back before.

    `rung` counts up the ladder of people: 0 is who was told first. `round` is the incident's version at which this
    ringing began, so that a later ringing has timers of its own.
    """

    id: str
    site: str
    incident: str
    what: What
    due: datetime
    rung: int = 0
    count: int = 0
    round: int = 0
    subject: str = ""


def rings(incident: Incident) -> bool:
    """Whether this incident asks for a person until one answers."""
    return incident.state == "new" and incident.priority <= RINGING


def ringing(incident: Incident, now: datetime, settings: AlertSettings) -> tuple[Timer, ...]:
    """The timers of an incident that begins to ring now: the same person again, then the next one."""
    if not rings(incident):
        return ()
    return (
        timer(incident, "remind", now + timedelta(seconds=settings.repeat_after), incident.version, count=1),
        timer(incident, "next", now + timedelta(seconds=settings.next_person_after), incident.version, rung=1),
    )


def reminded(
    fired: Timer, incident: Incident, now: datetime, people: int, settings: AlertSettings
) -> tuple[Timer, ...]:
    """After a reminder: the next person is near. Past the last of `people` the reminders go on, slower, for ever."""
    if fired.rung < people:
        return ()
    due = now + timedelta(seconds=LAST_REMINDS_EVERY * settings.next_person_after)
    return (timer(incident, "remind", due, fired.round, rung=fired.rung, count=fired.count + 1),)


def climbed(fired: Timer, incident: Incident, now: datetime, people: int, settings: AlertSettings) -> tuple[Timer, ...]:
    """After a step up the ladder of `people`: remind that person, and climb on. Past the last, only reminders."""
    if fired.rung >= people:
        due = now + timedelta(seconds=LAST_REMINDS_EVERY * settings.next_person_after)
        return (timer(incident, "remind", due, fired.round, rung=fired.rung, count=fired.rung + 1),)
    remind = now + timedelta(seconds=settings.repeat_after)
    due = now + timedelta(seconds=settings.next_person_after)
    return (
        timer(incident, "remind", remind, fired.round, rung=fired.rung, count=fired.rung + 1),
        timer(incident, "next", due, fired.round, rung=fired.rung + 1),
    )


def watch_acknowledgement(incident: Incident, now: datetime, settings: AlertSettings) -> Timer:
    """Acknowledged is not forgotten: this asks again when nothing follows."""
    due = now + timedelta(seconds=settings.acknowledged_for)
    return timer(incident, "acknowledgement", due, incident.version)


def timer(incident: Incident, what: What, due: datetime, round_: int, *, rung: int = 0, count: int = 0) -> Timer:
    """A timer of this incident; the same one always has the same id."""
    return Timer(
        id=derived("timer", incident.id, what, round_, rung, count),
        site=incident.site,
        incident=incident.id,
        what=what,
        due=due,
        rung=rung,
        count=count,
        round=round_,
    )


def evidence_timer(incident: str, site: str, alert: str, due: datetime) -> Timer:
    """When the clip of this alert can be cut."""
    return Timer(
        id=derived("timer", "evidence", alert), site=site, incident=incident, what="evidence", due=due, subject=alert
    )
