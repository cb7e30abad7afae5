"""A sensor over its limit, rising too fast, or in a state that is an alarm, for as long as its rule says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from detectors.decision import Decision
from detectors.detection import CONDITION, Origin, candidate
from detectors.sensor.condition import Condition, Slope, exceeds
from detectors.sensor.settings import SensorRule, SensorSettings
from hub.model import TEST, Candidate, Claim, Reading, utc

__all__ = ["SensorLimit", "SensorSettings", "decide"]

NAME: Final = "sensor_limit"
SELFTEST: Final = "selftest"
LATENESS: Final = 300.0
"""Seconds by which a reading may come behind a later one and still begin an alarm. It never ends one."""

Key = tuple[str, str, str]
"""Device, rule, purpose."""


class _Saved(msgspec.Struct):
    conditions: list[tuple[Key, bool, float, float, float]]
    readings: dict[str, Reading]
    unplaced: list[str]


class SensorLimit:
    """All devices of the sites it is given. `settings` gives what holds for a device at this moment."""

    def __init__(self, settings: Callable[[Reading], SensorSettings], revision: int = 0) -> None:
        self._settings = settings
        self.revision = revision
        self._conditions: dict[Key, Condition] = {}
        self._slopes: dict[Key, Slope] = {}
        self._running: set[Key] = set()
        self._readings: dict[Key, Reading] = {}
        self._unplaced: set[str] = set()
        self._rules: dict[tuple[int, str, str], tuple[tuple[str, SensorRule], ...]] = {}
        self._kept: dict[int, SensorSettings] = {}

    def use(self, settings: Callable[[Reading], SensorSettings], revision: int) -> None:
        """Go on with other settings. Every clock that runs goes on running."""
        self._settings = settings
        self.revision = revision
        self._rules.clear()
        self._kept.clear()

    def observe(self, message: Reading) -> Iterable[Candidate]:
        """One reading: constant time for each rule of its kind, whatever came before."""
        if message.kind == SELFTEST:
            if message.purpose == TEST:
                yield _selftest(message, self.revision)
            return
        if not message.registered and message.device not in self._unplaced:
            self._unplaced.add(message.device)
            yield self._candidate(message, "unplaced", {"value": message.value}, message.at.timestamp(), {})
        settings = self._settings(message)
        for name, rule in self._rules_for(settings, message):
            yield from self._judge(name, rule, message)

    def advance(self, now: float) -> Iterable[Candidate]:
        """Holds and releases that run out without another reading, `now` in seconds since 1970."""
        for key in sorted(self._running):
            reading = self._readings[key]
            rule = self._settings(reading).rules.get(key[1])
            if rule is None or not rule.enabled:
                yield from self._drop(key)
                continue
            yield from self._tell(key, rule, reading, now)

    def snapshot(self) -> bytes:
        """Which alarms are on and which holds run. The windows of slopes are learned anew within a minute."""
        busy = {key for key, c in self._conditions.items() if c.on or not math.isnan(c.since)}
        return msgspec.msgpack.encode(
            _Saved(
                [(k, c.on, c.since, c.began, c.over) for k, c in self._conditions.items() if k in busy],
                {"\x1f".join(key): self._readings[key] for key in busy},
                sorted(self._unplaced),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go on where a snapshot ends."""
        if not snapshot:
            return
        saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        self._unplaced |= set(saved.unplaced)
        for key, on, since, began, over in saved.conditions:
            condition = Condition(since=since, on=on, began=began, over=over)
            self._conditions[key] = condition
            self._readings[key] = saved.readings["\x1f".join(key)]
            if condition.running:
                self._running.add(key)

    def _rules_for(self, settings: SensorSettings, message: Reading) -> tuple[tuple[str, SensorRule], ...]:
        key = (id(settings), message.kind, message.metric)
        found = self._rules.get(key)
        if found is None:
            self._kept[id(settings)] = settings  # as long as it is kept no other object has its id
            found = tuple(
                (name, rule)
                for name, rule in settings.rules.items()
                if rule.enabled and rule.metric == message.metric and (not rule.kinds or message.kind in rule.kinds)
            )
            self._rules[key] = found
        return found

    def _judge(self, name: str, rule: SensorRule, message: Reading) -> Iterable[Candidate]:
        key = (message.device, name, message.purpose)
        condition = self._conditions.get(key)
        if condition is None:
            condition = self._conditions[key] = Condition()
        t = message.at.timestamp()
        if t < condition.last:
            # It comes behind a later one. It may tell of an alarm that nobody saw; it never ends one.
            bad = rule.rising is None and rule.hold == 0 and exceeds(rule, message.value, 0.0)
            if condition.on or not bad or condition.last - t > LATENESS:
                return
            condition.on, condition.began = True, t
            condition.over = condition.last
            yield self._begun(key, condition, rule, message, t, late=True)
            return
        rate = 0.0
        if rule.rising is not None:
            slope = self._slopes.get(key)
            if slope is None:
                slope = self._slopes[key] = Slope()
            rate = slope.feed(message.value, t, rule.within)
        condition.feed(rule, message.value, rate, t)
        self._readings[key] = message
        yield from self._tell(key, rule, message, t)

    def _tell(self, key: Key, rule: SensorRule, message: Reading, now: float) -> Iterable[Candidate]:
        condition = self._conditions[key]
        due = condition.due(rule, now)
        if due == "begin":
            condition.on, condition.began, condition.over = True, condition.since, math.nan
            yield self._begun(key, condition, rule, message, now)
        elif due == "end":
            condition.on = False
            features = {"value": condition.value, "quiet": now - condition.over}
            words = {"rule": key[1], "about": "over"}
            yield self._candidate(message, key[1], features, condition.began, words, now=now, kind=rule.told_as)
            condition.began = condition.over = math.nan
        if condition.running:
            self._running.add(key)
        else:
            self._running.discard(key)

    def _begun(
        self, key: Key, condition: Condition, rule: SensorRule, message: Reading, now: float, *, late: bool = False
    ) -> Candidate:
        since = condition.began
        features = {"value": message.value, "held": max(0.0, now - since)}
        if rule.rising is not None:
            features["rate"] = max(condition.rate, -1e6)
        words = {"rule": key[1], "about": "late" if late else "begin", "metric": message.metric, "unit": message.unit}
        return self._candidate(message, key[1], features, since, words, now=now, kind=rule.told_as)

    def _drop(self, key: Key) -> Iterable[Candidate]:
        """A rule that was taken away ends what it had told of."""
        condition = self._conditions.pop(key)
        self._running.discard(key)
        if condition.on:
            features = {"value": condition.value, "quiet": 0.0}
            words = {"rule": key[1], "about": "withdrawn"}
            yield self._candidate(self._readings[key], key[1], features, condition.began, words)

    def _candidate(
        self,
        message: Reading,
        rule: str,
        features: dict[str, float],
        start: float,
        words: dict[str, str],
        *,
        now: float | None = None,
        kind: str = "",
    ) -> Candidate:
        t = message.at.timestamp() if now is None else now
        named = {CONDITION: f"{message.device}:{rule}", "rule": rule, "about": rule, **words}
        if not message.registered:
            named["unplaced"] = "yes"
        claim = Claim(
            kind=kind or message.kind,
            subject=message.device,
            place=message.place or message.site,
            start=utc(start),
            end=utc(max(t, start)),
            features=features,
            words=named,
        )
        return candidate(Origin(NAME, message.site, self.revision, message.purpose), claim, utc(t))


def decide(candidate: Candidate, settings: SensorSettings) -> Decision:
    """What a sensor's candidate means under these settings. Reads the claim's features and words alone."""
    f, words = candidate.claim.features, candidate.claim.words
    name, about = words["rule"], words["about"]
    if about == SELFTEST:
        return _decision("alarm", "notice", SELFTEST, "the test that runs the whole way", f)
    if about == "unplaced":
        reason = f"{candidate.claim.subject} is not registered: it is judged by its kind's preset"
        return _decision("suspected", "notice", "unplaced_device", reason, f)
    if about == "withdrawn":
        return _decision("clear", "notice", name, "the rule was taken away", f)
    rule = settings.rules.get(name)
    if rule is None or not rule.enabled:
        return _decision("rejected", "notice", name, "there is no such rule", f)
    if about == "over":
        if f["quiet"] < rule.release:
            return _decision("rejected", "notice", name, "it may come back", f)
        return _decision("clear", rule.level, name, f"back to {f['value']:g}", f)
    if not exceeds(rule, f["value"], f.get("rate", 0.0)):
        return _decision("rejected", rule.level, name, f"{f['value']:g} keeps the rule", f)
    if f["held"] < rule.hold and about != "late":
        return _decision("rejected", rule.level, name, f"it lasted {f['held']:.0f} s only", f)
    return _decision("alarm", rule.level, name, _reason(rule, f, words), {**f, **_limits(rule)})


def _limits(rule: SensorRule) -> dict[str, float]:
    """What it was measured against, for whoever words the reason in another language."""
    limits = {"above": rule.above, "below": rule.below, "rising": rule.rising, "state": rule.state}
    return {name: float(limit) for name, limit in limits.items() if limit is not None}


def _reason(rule: SensorRule, f: dict[str, float], words: dict[str, str]) -> str:
    unit = words.get("unit", "")
    said = []
    if rule.above is not None:
        said.append(f"{f['value']:g} {unit} is over {rule.above:g} {unit}".replace("  ", " "))
    if rule.below is not None:
        said.append(f"{f['value']:g} {unit} is under {rule.below:g} {unit}".replace("  ", " "))
    if rule.rising is not None:
        said.append(f"rises by {f['rate']:.1f} a minute, at {f['value']:g} {unit}".rstrip())
    if rule.state is not None:
        said.append(f"{words.get('metric', 'state')} is {'on' if rule.state else 'off'}")
    held = f" for {f['held']:.0f} s" if f["held"] >= 1 else ""
    return " and ".join(said) + held


def _decision(status: str, level: str, rule: str, reason: str, f: dict[str, float]) -> Decision:
    return Decision(
        status=status,  # type: ignore[arg-type]  # the callers above write only literal statuses
        level=level,
        rule=rule,
        reason=reason,
        confidence=0.5 if status == "suspected" else 1.0,
        numbers=f,
    )


def _selftest(message: Reading, revision: int) -> Candidate:
    words = {
        CONDITION: SELFTEST,
        "rule": SELFTEST,
        "about": SELFTEST,
        SELFTEST: f"{message.value:.0f}",
        "ingest": message.arrived_at.isoformat(),
    }
    claim = Claim(
        kind=SELFTEST,
        subject=message.device,
        place=message.site,
        start=message.at,
        end=message.at,
        features={"value": message.value},
        words=words,
    )
    return candidate(Origin(NAME, message.site, revision, TEST), claim, message.at)
