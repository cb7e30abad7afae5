"""What the alarm desk decides from, and all that follows from a decision, as values."""

from __future__ import annotations

import msgspec

from alerts import escalation
from alerts.condition import Known
from alerts.escalation import Timer
from alerts.incident import Step
from alerts.linking import Cut, Link
from alerts.telling import HotlineOrder, Notification
from hub.model import Alert, Incident


class Situation(msgspec.Struct, frozen=True):
    """What the store knows about a site and purpose before something is decided."""

    known: tuple[Known, ...] = ()
    incidents: tuple[Incident, ...] = ()
    cuts: tuple[Cut, ...] = ()
    hotline_knows: frozenset[str] = frozenset()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows; it is written in one transaction. A new incident has no number yet: the writer gives it.

    `counted` alerts only changed in ways nobody needs to be told. `stopped` are timers to take back, by incident.
    """

    alerts: tuple[Alert, ...] = ()
    counted: tuple[Alert, ...] = ()
    incidents: tuple[Incident, ...] = ()
    links: tuple[Link, ...] = ()
    steps: tuple[Step, ...] = ()
    timers: tuple[Timer, ...] = ()
    stopped: tuple[tuple[str, escalation.What], ...] = ()
    notifications: tuple[Notification, ...] = ()
    orders: tuple[HotlineOrder, ...] = ()
