"""Which incident an alert belongs to, and why, in words that can be read out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from alerts.message import TEXTS, kind_name
from alerts.policy import AlertSettings, LinkRule
from hub.model import Alert, Incident

_DEPTH: Final = {"site": 1, "building": 2, "unit": 3, "floor": 4}


class Link(msgspec.Struct, frozen=True):
    """An alert belongs to an incident by a rule; `reason` is the sentence that people read."""

    alert: str
    incident: str
    rule: str
    reason: str


class Cut(msgspec.Struct, frozen=True):
    """A person took this alert out of this incident: no rule puts it back."""

    alert: str
    incident: str


def link(alert: Alert, open_incidents: Iterable[Incident], settings: AlertSettings, cuts: Iterable[Cut]) -> Link | None:
    """The incident this alert is one more sign of, or None: then it is an incident of its own.

    Never across two purposes, two sites, or an incident's longest span. Of several the most urgent, then the
    nearest in time.
    """
    cut = {(c.alert, c.incident) for c in cuts}
    found: list[tuple[int, float, str, Link]] = []
    for incident in open_incidents:
        if (alert.id, incident.id) in cut or not _eligible(alert, incident, settings):
            continue
        for name, rule in settings.links.items():
            near = _nearest(alert, incident, rule) if rule.enabled else None
            if near is not None:
                other, gap = near
                reason = words(alert, other, rule, gap, settings.language)
                found.append((incident.priority, gap, incident.id, Link(alert.id, incident.id, name, reason)))
    return min(found, key=lambda f: f[:3])[3] if found else None


def _eligible(alert: Alert, incident: Incident, settings: AlertSettings) -> bool:
    if (alert.site, alert.purpose) != (incident.site, incident.purpose) or incident.merged_into:
        return False
    if incident.state in ("closed", "false_alarm"):
        return False
    return (alert.began_at - incident.opened_at).total_seconds() <= settings.longest_span


def _nearest(alert: Alert, incident: Incident, rule: LinkRule) -> tuple[Alert, float] | None:
    if (alert.level == "fault") != rule.faults or (rule.kinds and alert.kind not in rule.kinds):
        return None
    best: tuple[Alert, float] | None = None
    for other in incident.alerts:
        if (other.level == "fault") != rule.faults or (rule.kinds and other.kind not in rule.kinds):
            continue
        if not rule.kinds and not rule.faults and other.kind != alert.kind:
            continue
        if not same_place(alert, other, rule):
            continue
        gap = seconds_between(alert, other)
        if gap <= rule.within and (best is None or gap < best[1]):
            best = (other, gap)
    return best


def same_place(one: Alert, other: Alert, rule: LinkRule) -> bool:
    """Whether two alerts are as near each other as the rule asks. A place that is not known so finely is not near."""
    if rule.same == "device":
        return one.subject == other.subject
    if rule.same == "site":
        return one.site == other.site
    depth = _DEPTH[rule.same]
    here, there = one.place.split("/")[:depth], other.place.split("/")[:depth]
    return len(here) == depth and here == there


def seconds_between(one: Alert, other: Alert) -> float:
    """Seconds from the end of the earlier to the beginning of the later; 0 while both last."""
    first, second = sorted((one, other), key=lambda a: a.began_at)
    return max(0.0, (second.began_at - first.ended_at).total_seconds()) if first.ended_at else 0.0


def words(alert: Alert, other: Alert, rule: LinkRule, gap: float, language: str) -> str:
    """The sentence: "同一楼栋 12 秒内：热成像火情与烟感报警"."""
    texts = TEXTS[language]
    apart = abs((alert.began_at - other.began_at).total_seconds())
    span = (
        texts["seconds"].format(n=max(1, round(apart))) if apart < 90 else texts["minutes"].format(n=round(apart / 60))
    )
    first, second = sorted((alert, other), key=lambda a: a.began_at)
    same = (alert.kind, alert.subject) == (other.kind, other.subject)
    if same and alert.condition != other.condition and other.ended_at is None:
        what = texts["another_rule"].format(kind=kind_name(alert, language))
    elif rule.same == "device" or same:
        what = texts["again"].format(kind=kind_name(alert, language))
    elif alert.kind == other.kind:
        what = texts["several"].format(kind=kind_name(alert, language))
    else:
        what = texts["and"].format(one=kind_name(first, language), other=kind_name(second, language))
    return texts["linked"].format(near=texts["same_" + rule.same], span=span, what=what)
