"""Detections become alerts: a condition that begins, changes and ends, however often it is reported."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

import msgspec

from alerts.policy import AlertSettings
from hub.identity import derived
from hub.model import Alert, Detection, Incident, Point

RANK: Final = {"notice": 0, "fault": 1, "pre_alarm": 2, "alarm": 3, "fire": 4}
"""How serious the levels are."""


class Change(msgspec.Struct, frozen=True):
    """What a detection did to an alert. `material` changes are told on; the others only count.

    `began`: a new alert. `grew`: worse than it was, or suspected and now sure. `refined`: a longer look at the same
    fall, with better numbers. `repeated`: nothing new. `ended`: the condition is over.
    """

    alert: Alert
    what: Literal["began", "grew", "refined", "repeated", "ended"]
    reason: str
    also_ended: Alert | None = None
    """An alert that had to end because its incident was closed long ago and the condition is still reported."""
    before: Alert | None = None
    """What was known of a fall before it was refined."""

    @property
    def material(self) -> bool:
        """Whether anyone but the store has to know."""
        return self.what != "repeated"


class Known(msgspec.Struct, frozen=True):
    """An alert that the store has, of this condition or of the same device and kind.

    `incident` is the one it belongs to, `closed_at` when that was closed, if it was. `path` is that of the claim
    which saw most of it.
    """

    alert: Alert
    path: tuple[Point, ...] = ()
    closed_at: datetime | None = None
    incident: Incident | None = None


def settle(detection: Detection, known: Iterable[Known], settings: AlertSettings) -> Change | None:
    """What this detection begins, changes or ends. None when it says nothing new at all.

    `known` are the alerts of this condition that are open or ended lately; for a fall, those of its camera. Others
    of the same device do no harm.
    """
    mine = [k for k in known if k.alert.purpose == detection.purpose]
    if detection.status == "clear":
        return _end(detection, mine)
    if momentary(detection):
        return _fall(detection, mine, settings)
    for entry in mine:
        if entry.alert.condition == detection.condition and entry.alert.ended_at is None:
            return _again(detection, entry, settings)
    return Change(begin(detection), "began", detection.reason)


def momentary(detection: Detection) -> bool:
    """Whether this is over when it is seen: a fall, which no later message clears."""
    return detection.kind == "falling_object" and detection.level != "fault" and detection.status != "clear"


def begin(detection: Detection) -> Alert:
    """A new alert from the detection that opened it."""
    return Alert(
        id=derived("alert", detection.id),
        site=detection.site,
        at=detection.at,
        kind=detection.kind,
        level=detection.level,
        condition=detection.condition,
        subject=detection.subject,
        place=detection.place,
        began_at=detection.start,
        ended_at=max(detection.start, detection.end) if momentary(detection) else None,
        status="suspected" if detection.status == "suspected" else "alarm",
        confidence=detection.confidence,
        reason=detection.reason,
        numbers=detection.numbers,
        words=detection.words,
        purpose=detection.purpose,
    )


def _end(detection: Detection, known: list[Known]) -> Change | None:
    for entry in known:
        alert = entry.alert
        # A clear that is older than the alert is a late message about an earlier one.
        if alert.condition == detection.condition and alert.ended_at is None and detection.at >= alert.began_at:
            ended = msgspec.structs.replace(alert, at=detection.at, ended_at=detection.at)
            return Change(ended, "ended", detection.reason)
    return None


def _again(detection: Detection, entry: Known, settings: AlertSettings) -> Change:
    alert = entry.alert
    if entry.closed_at is not None and (detection.at - entry.closed_at).total_seconds() > settings.again_after:
        over = msgspec.structs.replace(alert, at=detection.at, ended_at=detection.at)
        return Change(begin(detection), "began", detection.reason, also_ended=over)
    return _merged(detection, alert)


def _merged(detection: Detection, alert: Alert) -> Change:
    sure = alert.status == "suspected" and detection.status == "alarm"
    worse = RANK.get(detection.level, 0) > RANK.get(alert.level, 0)
    counted = msgspec.structs.replace(
        alert,
        at=max(alert.at, detection.at),
        began_at=min(alert.began_at, detection.start),
        detections=alert.detections + 1,
        confidence=max(alert.confidence, detection.confidence),
    )
    if momentary(detection):
        counted = msgspec.structs.replace(counted, ended_at=max(alert.ended_at or detection.end, detection.end))
    better = _better(detection, alert)
    if not (sure or worse or better):
        return Change(counted, "repeated", "")
    grown = msgspec.structs.replace(
        counted,
        level=detection.level if worse else alert.level,
        status="alarm" if sure else alert.status,
        reason=detection.reason,
        numbers=detection.numbers,
        words=detection.words,
    )
    return Change(grown, "grew" if sure or worse else "refined", detection.reason, before=alert)


def _better(detection: Detection, alert: Alert) -> bool:
    """Whether a claim saw more of the same fall than any before: its floors and its way down are the truer ones."""
    if not momentary(detection) or detection.status != alert.status:
        return False
    lasted = (alert.ended_at or alert.began_at) - alert.began_at
    return detection.end - detection.start > lasted


def _fall(detection: Detection, known: list[Known], settings: AlertSettings) -> Change:
    # A worker that died and replayed claims the same fall again, a little differently. A second object is another
    # path or another time, and never swallowed.
    for entry in known:
        alert = entry.alert
        if (alert.kind, alert.subject) == (detection.kind, detection.subject) and same_fall(detection, entry, settings):
            return _merged(detection, alert)
    return Change(begin(detection), "began", detection.reason)


def same_fall(detection: Detection, entry: Known, settings: AlertSettings) -> bool:
    """Whether a claim is of the fall that the alert already stands for: overlapping in time, and along its path."""
    alert, slack = entry.alert, settings.merge_within
    ended = alert.ended_at or alert.at
    if (detection.start - ended).total_seconds() > slack or (alert.began_at - detection.end).total_seconds() > slack:
        return False
    if not entry.path or not detection.path:
        return True
    return apart(detection.path, entry.path) <= settings.merge_pixels


def apart(one: tuple[Point, ...], other: tuple[Point, ...]) -> float:
    """The largest distance (pixels) of the two trajectories while both last; endless when they share no instant.

    Two objects let go one after the other take the same way at different times: hence at equal instants.
    """
    begin_at, end_at = max(one[0].t, other[0].t), min(one[-1].t, other[-1].t)
    if end_at < begin_at:
        return float("inf")
    instants = [begin_at + (end_at - begin_at) * i / 4 for i in range(5)]
    return max(_distance(_position(one, t), _position(other, t)) for t in instants)


def _position(path: tuple[Point, ...], t: float) -> Point:
    for before, after in pairwise(path):
        if before.t <= t <= after.t:
            share = (t - before.t) / (after.t - before.t) if after.t > before.t else 0.0
            x = before.x + (after.x - before.x) * share
            return Point(t, x, before.y + (after.y - before.y) * share, before.area)
    return path[0] if t < path[0].t else path[-1]


def _distance(one: Point, other: Point) -> float:
    return float(((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5)
