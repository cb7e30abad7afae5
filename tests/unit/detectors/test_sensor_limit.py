"""Sensors: limits, rises, holds, ends; late words, changed settings and restarts in between."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.decision import Decision
from detectors.detection import detection
from detectors.sensor_limit import SensorLimit, SensorSettings, decide
from hub.model import TEST, Candidate, Reading, utc

START = 1_700_000_000.0
DEFAULT = SensorSettings()


def reading(kind: str, metric: str, value: float, t: float, **other: Any) -> Reading:
    values: dict[str, Any] = {
        "id": f"r-{kind}-{metric}-{t}",
        "site": "cuihu",
        "device": f"cuihu/{kind}-1",
        "kind": kind,
        "metric": metric,
        "value": value,
        "at": utc(START + t),
        "clock": "device",
        "arrived_at": utc(START + t),
        "place": "cuihu/b3/u1/12",
    }
    return Reading(**(values | other))


class Judge:
    """A detector with its decisions written down."""

    def __init__(self, settings: SensorSettings = DEFAULT) -> None:
        self.settings = settings
        self.limit = SensorLimit(lambda _: self.settings)
        self.said: list[tuple[Candidate, Decision]] = []

    def take(self, candidates: Iterable[Candidate]) -> Judge:
        self.said += [(candidate, decide(candidate, self.settings)) for candidate in candidates]
        return self

    def hear(self, *readings: Reading) -> Judge:
        for one in readings:
            self.take(self.limit.observe(one))
        return self

    def pass_time(self, t: float) -> Judge:
        return self.take(self.limit.advance(START + t))

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(decision.status, decision.rule) for _, decision in self.said]


@pytest.mark.parametrize(
    ("kind", "metric", "value", "rule"),
    [
        ("smoke", "smoke_alarm", 1, "smoke"),
        ("heat", "temperature", 58, "heat"),
        ("gas", "gas", 26, "gas"),
        ("gas", "gas_alarm", 1, "gas_alarm"),
        ("sos", "pressed", 1, "sos"),
    ],
)
def test_what_is_an_alarm_at_once_by_the_built_in_rules(kind: str, metric: str, value: float, rule: str) -> None:
    judge = Judge().hear(reading(kind, metric, 0, 0), reading(kind, metric, value, 5))
    assert ("alarm", rule) in judge.heard
    candidate, decision = judge.said[-1]
    told = detection(candidate, decision)
    assert told.kind == kind
    assert told.subject == f"cuihu/{kind}-1"
    assert told.condition == f"cuihu/{kind}-1:{rule}"


@pytest.mark.parametrize(
    ("kind", "metric", "value", "rule", "hold"),
    [
        ("lift", "trapped", 1, "lift", 3),
        ("pressure", "water_pressure", 60, "pressure", 10),
        ("water", "water_alarm", 1, "water", 2),
        ("manhole", "tilt", 40, "manhole", 3),
        ("electric", "residual_current", 420, "electric_leak", 5),
        ("co", "carbon_monoxide", 350, "co_high", 120),
        ("door", "open", 1, "door", 600),
    ],
)
def test_a_hold_runs_out_without_another_word(kind: str, metric: str, value: float, rule: str, hold: float) -> None:
    judge = Judge().hear(reading(kind, metric, value, 0)).pass_time(hold - 0.1)
    assert judge.heard == []
    judge.pass_time(hold + 0.1)
    assert judge.heard == [("alarm", rule)]
    judge.pass_time(hold + 100)
    assert len(judge.heard) == 1
    if rule == "pressure":
        assert judge.said[0][0].claim.kind == "water"


def test_it_ends_beyond_the_hysteresis_after_the_release() -> None:
    judge = Judge().hear(reading("heat", "temperature", 60, 0), reading("heat", "temperature", 54, 5))
    assert judge.heard == [("alarm", "heat")]
    judge.hear(reading("heat", "temperature", 50, 10)).pass_time(19)
    assert len(judge.heard) == 1
    judge.pass_time(21)
    assert judge.heard[-1] == ("clear", "heat")
    judge.hear(reading("heat", "temperature", 61, 30))
    assert judge.heard[-1] == ("alarm", "heat")
    begin, end = judge.said[0][0].claim, judge.said[1][0].claim
    assert begin.start == end.start


def test_a_steady_rise_is_an_alarm_long_before_the_limit() -> None:
    judge = Judge()
    for t in range(0, 120, 2):
        judge.hear(reading("heat", "temperature", 22 + t / 60 * 12, t))
    assert judge.heard[0] == ("alarm", "heat_rise")
    assert judge.said[0][0].at.timestamp() - START < 45
    calm = Judge()
    for t in range(0, 3600, 20):
        calm.hear(reading("heat", "temperature", 22 + t / 60 * 0.5, t))
    assert calm.heard == []


def test_one_hot_word_after_a_long_pause_is_no_rise() -> None:
    judge = Judge().hear(reading("heat", "temperature", 10, 0), reading("heat", "temperature", 40, 3600))
    assert judge.heard == []


def test_a_late_word_never_ends_an_alarm_and_may_begin_one() -> None:
    judge = Judge().hear(reading("smoke", "smoke_alarm", 1, 10), reading("smoke", "smoke_alarm", 0, 5))
    assert judge.heard == [("alarm", "smoke")]
    late = Judge().hear(reading("smoke", "smoke_alarm", 0, 10), reading("smoke", "smoke_alarm", 1, 5))
    assert late.heard == [("alarm", "smoke")]
    late.hear(reading("smoke", "smoke_alarm", 0, 15))
    assert late.heard[-1] == ("clear", "smoke")
    ancient = Judge().hear(reading("smoke", "smoke_alarm", 0, 1000), reading("smoke", "smoke_alarm", 1, 5))
    assert ancient.heard == []


def test_saving_a_file_keeps_a_running_hold_and_a_shorter_hold_counts_from_the_beginning() -> None:
    judge = Judge().hear(reading("lift", "trapped", 1, 0)).pass_time(2)
    judge.settings = SensorSettings.model_validate({"rules": {"lift": {"hold": "30 s"}}})
    judge.limit.use(lambda _: judge.settings, 2)
    judge.pass_time(4)
    assert judge.heard == []
    judge.settings = SensorSettings.model_validate({"rules": {"lift": {"hold": "20 s"}}})
    judge.limit.use(lambda _: judge.settings, 3)
    judge.pass_time(21)
    assert judge.heard == [("alarm", "lift")]
    assert judge.said[0][0].revision == 3


def test_a_rule_that_is_taken_away_ends_what_it_told() -> None:
    judge = Judge().hear(reading("heat", "temperature", 60, 0), reading("heat", "temperature", 20, 5))
    judge.settings = SensorSettings.model_validate({"rules": {"heat": {"enabled": False}}})
    judge.limit.use(lambda _: judge.settings, 2)
    judge.pass_time(6)
    assert judge.heard[-1][0] == "clear"


def test_a_restart_keeps_holds_and_alarms() -> None:
    judge = Judge().hear(reading("smoke", "smoke_alarm", 1, 0), reading("lift", "trapped", 1, 1))
    other = Judge()
    other.limit.restore(judge.limit.snapshot())
    other.pass_time(5).hear(reading("smoke", "smoke_alarm", 0, 6))
    assert other.heard == [("alarm", "lift"), ("clear", "smoke")]


def test_an_unregistered_device_alarms_and_is_told_of_once() -> None:
    judge = Judge().hear(
        reading("smoke", "smoke_alarm", 0, 0, registered=False), reading("smoke", "smoke_alarm", 1, 5, registered=False)
    )
    assert judge.heard == [("suspected", "unplaced_device"), ("alarm", "smoke")]
    assert judge.said[-1][0].claim.words["unplaced"] == "yes"


def test_the_purpose_is_inherited_and_two_purposes_do_not_mix() -> None:
    judge = Judge().hear(
        reading("smoke", "smoke_alarm", 1, 0, purpose="drill"), reading("smoke", "smoke_alarm", 0, 1, purpose="live")
    )
    assert [(c.purpose, d.status) for c, d in judge.said] == [("drill", "alarm")]


def test_the_self_test_passes_through_marked_as_one() -> None:
    judge = Judge().hear(reading("selftest", "selftest", 342, 0, purpose=TEST, registered=False))
    candidate, decision = judge.said[0]
    told = detection(candidate, decision)
    assert (told.rule, told.purpose, told.words["selftest"]) == ("selftest", TEST, "342")
    assert Judge().hear(reading("selftest", "selftest", 342, 0)).heard == []


def test_rules_in_yaml_lie_over_the_built_in_ones() -> None:
    changed = SensorSettings.model_validate(
        {"rules": {"heat": {"above": "65 °C"}, "own": {"metric": "x", "below": "1 V"}}}
    )
    assert changed.rules["heat"].above == 65.0
    assert changed.rules["heat"].hysteresis == 5.0
    assert changed.rules["smoke"].state is True
    assert changed.rules["own"].below == 1.0
    for bad in (
        {"heat": {"above": 65.0}},
        {"heat": {"above": "65"}},
        {"heat": {"above": "65 furlongs"}},
        {"x": {"metric": "y"}},
    ):
        with pytest.raises(ValidationError):
            SensorSettings.model_validate({"rules": bad})


def test_what_if_is_answered_from_the_candidate() -> None:
    candidate = Judge().hear(reading("heat", "temperature", 60, 0)).said[0][0]
    quieter = SensorSettings.model_validate({"rules": {"heat": {"above": "65 °C"}}})
    assert decide(candidate, quieter).status == "rejected"
    without = SensorSettings.model_validate({"rules": {"heat": {"enabled": False}}})
    assert decide(candidate, without).status == "rejected"


KINDS = [
    ("smoke", "smoke_alarm"),
    ("heat", "temperature"),
    ("gas", "gas"),
    ("lift", "trapped"),
    ("co", "carbon_monoxide"),
]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_any_order_of_words_gives_begins_and_ends_in_turn(seed: int) -> None:
    lot = random.Random(seed)
    judge = Judge()
    for _ in range(120):
        kind, metric = lot.choice(KINDS)
        value = lot.choice([0, 1, 20, 58, 400, -1e9, 1e9])
        judge.hear(reading(kind, metric, value, lot.uniform(0, 600), device=f"cuihu/{kind}-{lot.randrange(2)}"))
        if lot.random() < 0.3:
            judge.pass_time(lot.uniform(0, 600))
    on: dict[str, bool] = {}
    for candidate, decision in judge.said:
        name = candidate.claim.words["condition"]
        assert decision.status != "rejected"
        assert (decision.status == "alarm") != on.get(name, False)
        on[name] = decision.status == "alarm"
        assert candidate.claim.end >= candidate.claim.start
