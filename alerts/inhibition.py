"""Reasons not to ring for a weaker sign: the same device already says worse, and people know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from alerts.condition import RANK, Known
from alerts.incident import HUB, Step, changed
from alerts.message import TEXTS, kind_name
from alerts.outcome import Outcome
from hub.model import Alert

WEAK: Final = frozenset({"pre_alarm", "notice"})
INHIBITED_BY: Final = "inhibited_by"
"""The word of an inhibited alert that names the alert which stands above it."""


class Inhibited(msgspec.Struct, frozen=True):
    """What an alert is kept quiet by, and the sentence that says so."""

    by: Known
    reason: str


def inhibited(alert: Alert, known: Iterable[Known], language: str) -> Inhibited | None:
    """By what this alert is kept quiet; None when it is news.

    Only an early warning or a notice is, and only while a stronger alert of the same device, kind, place and zone is
    still on and has its incident: closed by a person or not, somebody has seen to it. Once the stronger one has
    ended, or on another device, a weak sign is news again.
    """
    if alert.level not in WEAK or alert.status != "alarm":
        return None
    stronger = [entry for entry in known if _over(entry.alert, alert)]
    if not stronger:
        return None
    by = max(stronger, key=lambda entry: (RANK[entry.alert.level], entry.alert.began_at))
    return Inhibited(by, TEXTS[language]["inhibited"].format(kind=kind_name(by.alert, language), reason=alert.reason))


def kept_quiet(alert: Alert, quiet: Inhibited, now: datetime) -> Outcome:
    """What follows: the alert is stored with the reason, as a line in the stronger one's timeline. Nobody is told."""
    stronger = quiet.by.alert
    words = {**alert.words, INHIBITED_BY: stronger.id}
    alert = msgspec.structs.replace(alert, incident=stronger.incident, reason=quiet.reason, words=words)
    details = {"alert": alert.id, "kind": alert.kind, "by": stronger.id}
    step = Step(stronger.incident, now, HUB, "inhibited", reason=quiet.reason, details=details)
    # Closed stays closed: the new version only tells the page that the timeline has one line more.
    after = (changed(quiet.by.incident, now),) if quiet.by.incident is not None else ()
    return Outcome(alerts=(alert,), incidents=after, steps=(step,))


def _over(stronger: Alert, alert: Alert) -> bool:
    return (
        stronger.id != alert.id
        and _sign(stronger) == _sign(alert)
        and stronger.status == "alarm"
        and stronger.level != "fault"
        and RANK.get(stronger.level, 0) > RANK[alert.level]
        and stronger.ended_at is None
        and bool(stronger.incident)
    )


def _sign(alert: Alert) -> tuple[str, str, str, str, str]:
    # Another zone of a thermal camera's picture is another thing that may burn.
    return alert.purpose, alert.subject, alert.kind, alert.place, alert.words.get("zone", "")
