"""Who is told of what: the grid worker first, then up the ladder, and the hotline by policy as a copy or an order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from alerts.policy import TELLING, AlertSettings
from hub.identity import derived
from hub.model import DRILL, LIVE, Incident
from hub.settings.city import Person

What = Literal[
    "opened", "reminder", "escalated", "expired", "linked", "refined", "raised", "assigned", "closed", "false_alarm"
]
HOTLINE: Final = "hotline"
HOTLINE_KNOWS: Final = ("state", "priority", "kind", "title")
"""What the hotline keeps of an incident: one more sign that changes none of these is not its business."""
EVIDENCE: Final = "evidence"
"""Not a change of the incident, but the hotline is told once there is something to see."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A promise to tell a person. `count` is the reminder's number, or the seconds nobody answered.

    `robot` names the address in the deployment's channels; `person` is who it is for. `fallbacks` are the other ways
    to the same person, tried in order when a channel refuses.
    """

    id: str
    incident: str
    what: What
    channel: str
    robot: str
    person: str
    name: str
    phone: str
    count: int = 0
    by: str = ""
    reason: str = ""
    fallbacks: tuple[tuple[str, str], ...] = ()


class HotlineOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A promise to tell the 12345 hotline: a new order, or a change of one it has.

    `handled_by_emergency` marks the copy of an emergency: it is being dealt with, and not waiting for the hotline.
    `told` are the people who had accepted a message before; `changed` names what a change is about.
    """

    id: str
    incident: Incident
    action: Literal["create", "status"]
    handled_by_emergency: bool
    at: datetime
    place: str = ""
    by: str = ""
    note: str = ""
    told: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def may_leave(purpose: str) -> bool:
    """Whether messages of this purpose reach people's phones at all: live ones, and drills with their mark."""
    return purpose in (LIVE, DRILL)


def reachable(ladder: Sequence[Person]) -> tuple[Person, ...]:
    """The people on a ladder who have any channel, in order."""
    return tuple(person for person in ladder if person.channels)


def tell(
    incident: Incident,
    people: Sequence[Person],
    what: What,
    key: object,
    *,
    count: int = 0,
    by: str = "",
    reason: str = "",
) -> tuple[Notification, ...]:
    """One notification for each of these people. The same `what`, `key` and person are the same message for ever."""
    if not may_leave(incident.purpose):
        return ()
    notifications = []
    for person in people:
        ways = tuple(person.channels.items())
        if not ways:
            continue
        (channel, robot), fallbacks = ways[0], ways[1:]
        notifications.append(
            Notification(
                id=derived("msg", incident.id, what, key, person.id),
                incident=incident.id,
                what=what,
                channel=channel,
                robot=robot,
                person=person.id,
                name=person.name,
                phone=person.phone or "",
                count=count,
                by=by,
                reason=reason,
                fallbacks=fallbacks,
            )
        )
    return tuple(notifications)


def instead(refused: Notification) -> Notification | None:
    """The same news by the person's next channel, under an id of its own; None when there is no other way."""
    if not refused.fallbacks:
        return None
    (channel, robot), *rest = refused.fallbacks
    return msgspec.structs.replace(
        refused, id=derived("msg", refused.id, channel), channel=channel, robot=robot, fallbacks=tuple(rest)
    )


def tells_worker(incident: Incident, settings: AlertSettings) -> bool:
    """Whether the grid worker hears of this incident."""
    return incident.priority <= TELLING and settings.kind(incident.kind).worker


def hotline_policy(incident: Incident, settings: AlertSettings) -> Literal["never", "copy", "order"]:
    """How the hotline gets this incident. Only live alarms go there; never early warnings, faults or drills."""
    if incident.purpose != LIVE:
        return "never"
    levels = {alert.level for alert in incident.alerts if alert.kind == incident.kind}
    if not levels & {"fire", "alarm"}:
        return "never"
    policies = {settings.kind(alert.kind).hotline for alert in incident.alerts if alert.level in ("fire", "alarm")}
    emergency = any(settings.kind(alert.kind).emergency for alert in incident.alerts)
    if "order" in policies and not emergency:
        return "order"
    # An incident with an emergency in it is an emergency, whatever else is linked to it.
    return "copy" if policies & {"copy", "order"} else "never"


def is_emergency(incident: Incident, settings: AlertSettings) -> bool:
    """Whether any alarm of this incident is of a kind that is an emergency."""
    return any(settings.kind(alert.kind).emergency and alert.level != "fault" for alert in incident.alerts)


def hotline_order(
    incident: Incident,
    action: Literal["create", "status"],
    at: datetime,
    settings: AlertSettings,
    *,
    place: str,
    by: str = "",
    note: str = "",
    told: tuple[str, ...] = (),
    changed: tuple[str, ...] = (),
) -> HotlineOrder:
    """What the hotline is told; one creation for an incident for ever, and one message for each later version."""
    key = "create" if action == "create" else f"status:{incident.version}"
    return HotlineOrder(
        id=derived("msg", incident.id, HOTLINE, key),
        incident=incident,
        action=action,
        handled_by_emergency=is_emergency(incident, settings),
        at=at,
        place=place,
        by=by,
        note=note,
        told=told,
        changed=changed,
    )


def news_for_hotline(before: Incident, after: Incident) -> tuple[str, ...]:
    """What of a change the hotline has to know: it is told of these and of nothing else. Empty: of nothing."""
    return tuple(name for name in HOTLINE_KNOWS if getattr(before, name) != getattr(after, name))
