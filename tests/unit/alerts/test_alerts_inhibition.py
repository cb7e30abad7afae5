"""A weaker sign of the same device is kept quiet while a stronger alert is on, and only then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alerts.condition import Known, begin
from alerts.desk import Situation
from alerts.inhibition import INHIBITED_BY, inhibited
from hub.model import Alert
from tests.small_estate import START, desk, incident, seen


def early(**fields: Any) -> Alert:
    return begin(seen("gas", 30, **{"level": "pre_alarm", "condition": "gas_early", **fields}))


def on(**changes: Any) -> Known:
    alert = msgspec.structs.replace(begin(seen("gas", 0)), incident="i")
    return Known(msgspec.structs.replace(alert, **changes))


def test_a_weaker_sign_of_the_same_device_is_inhibited() -> None:
    quiet = inhibited(early(), [on()], "zh")
    assert quiet is not None
    assert quiet.reason == "已抑制（同一设备的可燃气体报警仍在持续）：gas 的依据"
    assert inhibited(early(level="notice"), [on(level="pre_alarm")], "zh") is not None


@pytest.mark.parametrize(
    "near_miss",
    [
        {"ended_at": START},
        {"subject": "cuihu/gas-b1"},
        {"kind": "co"},
        {"place": "cuihu/b1/u1/3"},
        {"words": {"zone": "kitchen"}},
        {"purpose": "drill"},
        {"status": "suspected"},
        {"level": "pre_alarm"},
        {"level": "fault"},
        {"incident": ""},
    ],
)
def test_near_misses_are_news(near_miss: dict[str, Any]) -> None:
    assert inhibited(early(), [on(**near_miss)], "zh") is None


def test_what_is_as_strong_or_only_suspected_is_not_inhibited() -> None:
    assert inhibited(early(level="alarm"), [on()], "zh") is None
    assert inhibited(early(level="fault"), [on()], "zh") is None
    assert inhibited(early(status="suspected"), [on()], "zh") is None


@pytest.mark.parametrize("state", ["new", "closed", "false_alarm"])
def test_it_is_a_line_in_the_stronger_ones_timeline_and_nobody_is_told(state: str) -> None:
    stronger = begin(seen("gas", 0))
    its = incident(stronger, state=state)
    known = Known(msgspec.structs.replace(stronger, incident=its.id), incident=its)
    weaker = seen("gas", 30, level="pre_alarm", condition="gas_early")
    still_open = (its,) if state == "new" else ()
    outcome = desk().detected(weaker, Situation((known,), still_open), START)
    (alert,), (after,), (step,) = outcome.alerts, outcome.incidents, outcome.steps
    assert (alert.incident, alert.words[INHIBITED_BY]) == (its.id, stronger.id)
    assert alert.reason == "已抑制（同一设备的可燃气体报警仍在持续）：gas 的依据"
    assert (after.state, after.version, after.alerts) == (state, its.version + 1, its.alerts)
    assert (step.incident, step.action, step.reason) == (its.id, "inhibited", alert.reason)
    assert (outcome.notifications, outcome.orders, outcome.timers, outcome.links) == ((), (), (), ())
