"""The alarm desk: what follows from a detection, a person's command or a clock that ran out. Values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from alerts import condition, escalation, inhibition, linking, telling
from alerts import incident as life
from alerts.condition import Change
from alerts.escalation import Timer
from alerts.incident import HUB, Step
from alerts.linking import Link
from alerts.message import TEXTS, kind_name, mark, title
from alerts.outcome import Outcome, Situation
from alerts.policy import AlertSettings
from alerts.proof import CLIP_READY_AFTER, over
from alerts.telling import HotlineOrder, Notification
from alerts.wording import elsewhere, worded
from hub.identity import derived
from hub.model import LIVE, PURPOSES, Alert, Command, Detection, Incident
from hub.settings.city import City, Person

__all__ = ["Desk", "Outcome", "PolicyOf", "Situation", "marked_title"]

PolicyOf = Callable[[str, str, str], AlertSettings]
"""The settings for a device (or camera) id, its kind, and its place."""

QUIETED: Final[tuple[escalation.What, ...]] = ("remind", "next", "acknowledgement")
"""Timers that ask for a person: all end when one has answered."""


class Desk:
    """Decisions under one revision of the settings. `city` says where things are and whose they are."""

    def __init__(self, city: City, policy: PolicyOf) -> None:
        self.city = city
        self.policy = policy

    def understood(self, detection: Detection) -> Detection:
        """The detection, or, when its purpose is one that we do not know, the system's own trouble in its place.

        What may be a drill must not ring as a fire, and what may be a fire must not be lost in silence.
        """
        if detection.purpose in PURPOSES:
            return detection
        settings = self.policy(detection.subject, "system", detection.place)
        return msgspec.structs.replace(
            detection,
            id=derived("det", "purpose", detection.id),
            detector="alerts",
            status="alarm",
            condition=f"purpose:{detection.purpose}",
            level="alarm",
            kind="system",
            rule="unknown_purpose",
            reason=TEXTS[settings.language]["unknown_purpose"].format(purpose=detection.purpose),
            path=(),
            purpose=LIVE,
        )

    def detected(self, detection: Detection, situation: Situation, now: datetime) -> Outcome:
        """What follows from a detector's claim (see `understood`)."""
        settings = self.policy(detection.subject, detection.kind, detection.place)
        detection = worded(detection, settings.language)
        change = condition.settle(detection, situation.known, settings)
        if change is None:
            return Outcome()
        if not change.material:
            return Outcome(counted=(change.alert,))
        if change.alert.status == "suspected" or change.alert.level == "notice":
            return Outcome(alerts=(change.alert,), timers=self._evidence(change, "", settings))
        mine = next((i for i in situation.incidents if i.id == change.alert.incident), None)
        if change.what == "ended":
            return self._over(change, mine, detection.at)
        if change.what == "refined":
            return self._refined(change, mine, situation, now)
        if change.alert.incident == "":
            quiet = inhibition.inhibited(change.alert, situation.known, settings.language)
            if quiet is not None:
                return inhibition.kept_quiet(change.alert, quiet, now)
        if change.what == "grew" and mine is not None:
            return self._joined(change, mine, None, situation, now)
        link = linking.link(change.alert, situation.incidents, settings, situation.cuts)
        if link is not None:
            joined = next(i for i in situation.incidents if i.id == link.incident)
            return self._joined(change, joined, link, situation, now)
        return self._opened(change, detection, now)

    def commanded(self, command: Command, incident: Incident, hotline_knows: bool, now: datetime) -> Outcome:
        """What follows from a person's command. A refusal is a line in the timeline, and nothing else."""
        moved = life.obey(incident, command)
        if moved.refused:
            return Outcome(steps=(moved.step,))
        after, settings = moved.incident, self._settings(incident)
        people = self.people(incident)
        notifications: tuple[Notification, ...] = ()
        timers: tuple[Timer, ...] = ()
        stopped: list[escalation.What] = []
        if command.action not in life.NOTED:
            stopped += QUIETED
        if after.state == "acknowledged" and after.state != incident.state:
            timers = (escalation.watch_acknowledgement(after, now, settings),)
        if command.action == "assign" and command.details["to"] in self.city.people:
            worker = self.city.people[command.details["to"]]
            notifications = telling.tell(
                after, [worker], "assigned", after.version, by=command.by, reason=command.reason
            )
        elif after.state in ("closed", "false_alarm") and telling.tells_worker(incident, settings):
            what: telling.What = "closed" if after.state == "closed" else "false_alarm"
            notifications = telling.tell(after, people[:1], what, after.version, by=command.by, reason=command.reason)
        if after.state == "false_alarm":
            stopped.append("hotline")
        orders: tuple[HotlineOrder, ...] = ()
        if hotline_knows and command.action not in life.NOTED:
            orders = self._status(incident, after, now, command.by, command.reason)
        return Outcome(
            incidents=(after,),
            steps=(moved.step,),
            timers=timers,
            stopped=tuple((incident.id, what) for what in stopped),
            notifications=notifications,
            orders=orders,
        )

    def due(self, timer: Timer, incident: Incident, told: tuple[str, ...], now: datetime) -> Outcome:
        """What follows when a timer has run out. `told` are the names of those who had accepted a message."""
        if timer.what == "hotline":
            return self._to_hotline(incident, told, now)
        if timer.what == "acknowledgement":
            return self._forgotten(incident, now)
        if timer.what == "remind" and escalation.rings(incident):
            return self._remind(timer, incident, now)
        if timer.what == "next" and escalation.rings(incident):
            return self._climb(timer, incident, now)
        return Outcome()

    def evidence_ready(self, incident: Incident, now: datetime) -> HotlineOrder:
        """Tells the hotline, which has this incident, that there is something to see."""
        note = TEXTS[self.language(incident)]["evidence_ready"]
        return self._changed(incident, now, HUB, note, (telling.EVIDENCE,))

    def people(self, incident: Incident) -> tuple[Person, ...]:
        """Who can be told of this incident, in the order in which they are."""
        return telling.reachable(self.city.ladder(incident.grid))

    def place_words(self, place: str, language: str) -> str:
        """A place as people say it: "翠湖苑 3号楼 12层"."""
        return (self.city.place_name(place) if place else "") or TEXTS[language]["unplaced"]

    def language(self, incident: Incident) -> str:
        """The language of an incident's messages."""
        return self._settings(incident).language

    def _settings(self, incident: Incident) -> AlertSettings:
        first = incident.alerts[0] if incident.alerts else None
        return self.policy(first.subject if first else incident.site, incident.kind, incident.place)

    def _grid(self, alert: Alert) -> str:
        grid = self.city.grid_of(alert.place) or self.city.grid_of(alert.site)
        if grid is not None:
            return grid.id
        # A place that is not known finely enough for one grid of its site: the first of them hears of it.
        prefix = alert.site + "/"
        for other in self.city.grids.values():
            if any(place == alert.site or place.startswith(prefix) for place in other.places):
                return other.id
        return ""

    def _opened(self, change: Change, detection: Detection, now: datetime) -> Outcome:
        alert, settings = change.alert, self.policy(change.alert.subject, change.alert.kind, change.alert.place)
        id_ = derived("incident", alert.id, detection.id)
        alert = msgspec.structs.replace(alert, incident=id_)
        words = self.place_words(alert.place, settings.language)
        incident = Incident(
            id=id_,
            number="",
            site=alert.site,
            at=now,
            version=1,
            state="new",
            priority=settings.priority(alert.kind, alert.level),
            kind=alert.kind,
            title=title((alert,), words, settings.language),
            place=alert.place,
            grid=self._grid(alert),
            opened_at=min(alert.began_at, now),
            updated_at=now,
            alerts=(alert,),
            purpose=alert.purpose,
        )
        told = self._ring(incident, "opened", settings, now)
        hotline: tuple[Timer, ...] = ()
        if telling.hotline_policy(incident, settings) != "never":
            hotline = (self._hotline_timer(incident, settings, now),)
        first = Step(id_, now, HUB, "opened", reason=alert.reason, details={"alert": alert.id, "kind": alert.kind})
        return Outcome(
            alerts=(alert, *_also(change)),
            incidents=(incident,),
            links=(Link(alert.id, id_, "first", alert.reason),),
            steps=(first, *told.steps),
            timers=(*told.timers, *hotline, *self._evidence(change, id_, settings)),
            notifications=told.notifications,
        )

    def _joined(
        self, change: Change, incident: Incident, link: Link | None, situation: Situation, now: datetime
    ) -> Outcome:
        settings = self._settings(incident)
        alert = msgspec.structs.replace(change.alert, incident=incident.id)
        others = tuple(a for a in incident.alerts if a.id != alert.id)
        new_kind = (alert.kind, alert.level) not in {(a.kind, a.level) for a in incident.alerts}
        alerts = _by_urgency((*others, alert), settings)
        priority = min(incident.priority, settings.priority(alert.kind, alert.level))
        fields: dict[str, object] = {
            "alerts": tuple(sorted(alerts, key=lambda a: a.began_at)),
            "priority": priority,
            "kind": alerts[0].kind,
            "title": title(alerts, self.place_words(alerts[0].place, settings.language), settings.language),
            "place": alerts[0].place,
        }
        if link is not None and link.reason not in incident.why_linked:
            fields["why_linked"] = (*incident.why_linked, link.reason)
        # More urgent than before, or already handled: everybody must look again, whoever had acknowledged.
        again = priority < incident.priority or incident.state == "handled"
        after = (life.ring_again if again else life.changed)(incident, now, **fields)
        steps = [
            Step(
                incident.id,
                now,
                HUB,
                "linked" if link else "raised",
                reason=link.reason if link else change.reason,
                details={"alert": alert.id, "kind": alert.kind, "rule": link.rule if link else ""},
            )
        ]
        told = Outcome()
        if again:
            told = self._ring(after, "raised", settings, now)
        elif (new_kind or alert.kind == "falling_object") and telling.tells_worker(after, settings):
            told = Outcome(notifications=telling.tell(after, self.people(after)[:1], "linked", alert.id))
        orders: tuple[HotlineOrder, ...] = ()
        timers: tuple[Timer, ...] = ()
        if incident.id in situation.hotline_knows:
            orders = self._status(incident, after, now, HUB, steps[0].reason)
        elif telling.hotline_policy(after, settings) != "never":
            timers = (self._hotline_timer(after, settings, now),)
        return Outcome(
            alerts=(alert, *_also(change)),
            incidents=(after,),
            links=(link,) if link else (),
            steps=(*steps, *told.steps),
            timers=(*told.timers, *timers, *self._evidence(change, incident.id, settings)),
            stopped=tuple((incident.id, what) for what in QUIETED) if again else (),
            notifications=told.notifications,
            orders=orders,
        )

    def _refined(self, change: Change, incident: Incident | None, situation: Situation, now: datetime) -> Outcome:
        alert = change.alert
        if incident is None:
            return Outcome(alerts=(alert,))
        settings = self._settings(incident)
        alerts = tuple(alert if a.id == alert.id else a for a in incident.alerts)
        first = _by_urgency(alerts, settings)
        words = self.place_words(first[0].place, settings.language)
        after = life.changed(incident, now, alerts=alerts, title=title(first, words, settings.language))
        step = Step(incident.id, now, HUB, "refined", reason=alert.reason, details={"alert": alert.id})
        notifications: tuple[Notification, ...] = ()
        # The same floors in better numbers disturb nobody; who is on the way to the wrong ones must hear of it.
        if change.before is not None and elsewhere(change.before, alert) and telling.tells_worker(after, settings):
            notifications = telling.tell(after, self.people(after)[:1], "refined", f"{alert.id}:{alert.detections}")
        orders: tuple[HotlineOrder, ...] = ()
        if incident.id in situation.hotline_knows:
            orders = self._status(incident, after, now, HUB, alert.reason)
        return Outcome(alerts=(alert,), incidents=(after,), steps=(step,), notifications=notifications, orders=orders)

    def _over(self, change: Change, incident: Incident | None, at: datetime) -> Outcome:
        alert = change.alert
        if incident is None:
            return Outcome(alerts=(alert,))
        settings = self._settings(incident)
        texts = TEXTS[settings.language]
        alerts = tuple(alert if a.id == alert.id else a for a in incident.alerts)
        back = all(a.level == "fault" and a.ended_at is not None for a in alerts)
        if back and incident.state not in life.ENDED:
            # Nobody needs to close what came back by itself; an alarm, in contrast, waits for a person.
            after = life.changed(incident, at, alerts=alerts, state="closed")
            step = Step(incident.id, at, HUB, "close", reason=texts["recovered"], details={"from": incident.state})
            stopped = tuple((incident.id, what) for what in QUIETED)
            return Outcome(alerts=(alert,), incidents=(after,), steps=(step,), stopped=stopped)
        words = texts["condition_over"].format(kind=kind_name(alert, settings.language))
        step = Step(incident.id, at, HUB, "condition_over", reason=words, details={"alert": alert.id})
        return Outcome(alerts=(alert,), incidents=(life.changed(incident, at, alerts=alerts),), steps=(step,))

    def _ring(self, incident: Incident, what: telling.What, settings: AlertSettings, now: datetime) -> Outcome:
        if not telling.tells_worker(incident, settings) or not telling.may_leave(incident.purpose):
            return Outcome()
        people = self.people(incident)
        if not people:
            nobody = Step(incident.id, now, HUB, "nobody", reason=TEXTS[settings.language]["nobody"])
            return Outcome(steps=(nobody,))
        return Outcome(
            notifications=telling.tell(incident, people[:1], what, incident.version),
            timers=escalation.ringing(incident, now, settings),
        )

    def _remind(self, timer: Timer, incident: Incident, now: datetime) -> Outcome:
        people, settings = self.people(incident), self._settings(incident)
        if not people:
            return Outcome()
        person = people[min(timer.rung, len(people) - 1)]
        key = f"{timer.round}:{timer.rung}:{timer.count}"
        return Outcome(
            notifications=telling.tell(incident, [person], "reminder", key, count=timer.count),
            timers=escalation.reminded(timer, incident, now, len(people), settings),
            steps=(Step(incident.id, now, HUB, "reminder", details={"person": person.id, "name": person.name}),),
        )

    def _climb(self, timer: Timer, incident: Incident, now: datetime) -> Outcome:
        people, settings = self.people(incident), self._settings(incident)
        timers = escalation.climbed(timer, incident, now, len(people), settings)
        if timer.rung >= len(people):
            end = Step(incident.id, now, HUB, "unreachable", reason=TEXTS[settings.language]["unreachable"])
            return Outcome(steps=(end,), timers=timers if people else ())
        person = people[timer.rung]
        waited = round(settings.next_person_after * timer.rung)
        details = {"person": person.id, "name": person.name, "rung": str(timer.rung)}
        return Outcome(
            notifications=telling.tell(incident, [person], "escalated", f"{timer.round}:{timer.rung}", count=waited),
            timers=timers,
            steps=(Step(incident.id, now, HUB, "escalated", details=details),),
        )

    def _forgotten(self, incident: Incident, now: datetime) -> Outcome:
        if incident.state != "acknowledged":
            return Outcome()
        settings = self._settings(incident)
        after = life.ring_again(incident, now)
        told = self._ring(after, "expired", settings, now)
        reason = TEXTS[settings.language]["expired"]
        step = Step(incident.id, now, HUB, "expired", reason=reason, details={"was": incident.acknowledged_by})
        return Outcome(
            incidents=(after,),
            steps=(step, *told.steps),
            timers=told.timers,
            notifications=told.notifications,
        )

    def _to_hotline(self, incident: Incident, told: tuple[str, ...], now: datetime) -> Outcome:
        settings = self._settings(incident)
        policy = telling.hotline_policy(incident, settings)
        if policy == "never" or incident.state == "false_alarm":
            return Outcome()
        reason = TEXTS[settings.language]["handled_by_emergency"] if policy == "copy" else ""
        words = self.place_words(incident.place, settings.language)
        order = telling.hotline_order(incident, "create", now, settings, place=words, note=reason, told=told)
        step = Step(incident.id, now, HUB, "hotline", telling.HOTLINE, reason, {"policy": policy})
        return Outcome(orders=(order,), steps=(step,))

    def _status(self, before: Incident, after: Incident, now: datetime, by: str, note: str) -> tuple[HotlineOrder, ...]:
        changed = telling.news_for_hotline(before, after)
        return (self._changed(after, now, by, note, changed),) if changed else ()

    def _changed(self, incident: Incident, now: datetime, by: str, note: str, changed: tuple[str, ...]) -> HotlineOrder:
        settings = self._settings(incident)
        words = self.place_words(incident.place, settings.language)
        return telling.hotline_order(incident, "status", now, settings, place=words, by=by, note=note, changed=changed)

    def _hotline_timer(self, incident: Incident, settings: AlertSettings, now: datetime) -> Timer:
        return escalation.timer(incident, "hotline", now + timedelta(seconds=settings.hotline_waits), 0)

    def _evidence(self, change: Change, incident: str, settings: AlertSettings) -> tuple[Timer, ...]:
        alert = change.alert
        if alert.level == "fault" or change.what == "ended" or alert.kind == "system":
            return ()
        due = over(alert) + timedelta(seconds=settings.clip_after + CLIP_READY_AFTER)
        return (escalation.evidence_timer(incident, alert.site, alert.id, due),)


def marked_title(incident: Incident, language: str) -> str:
    """The title with what stands in front of everything that is not live."""
    return mark(incident.purpose, language) + incident.title


def _also(change: Change) -> tuple[Alert, ...]:
    return (change.also_ended,) if change.also_ended is not None else ()


def _by_urgency(alerts: Sequence[Alert], settings: AlertSettings) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda a: (settings.priority(a.kind, a.level), a.began_at)))
