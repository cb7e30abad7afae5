"""One fire is one incident, and the sentence says why; near misses stay apart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.condition import begin
from alerts.linking import Cut, link
from alerts.policy import AlertSettings
from hub.model import PURPOSES, Alert
from tests.small_estate import START, fall, incident, seen

SETTINGS = AlertSettings()


def alert(kind: str, at: float = 0, **fields: Any) -> Alert:
    return begin(seen(kind, at, **fields))


def test_heat_smoke_and_co_of_one_building_are_one_and_the_reason_is_a_sentence() -> None:
    fire = incident(alert("thermal_fire", place="cuihu/b3"))
    found = link(alert("smoke", 30), [fire], SETTINGS, ())
    assert found is not None
    assert (found.incident, found.rule) == (fire.id, "fire")
    assert found.reason == "同一楼栋 30 秒内：热成像火情与烟感报警"
    english = AlertSettings(language="en")
    in_english = link(alert("co", 125), [fire], english, ())
    assert in_english is not None
    assert in_english.reason == "same building, within 2 min: fire on thermal camera and carbon monoxide alarm"


@pytest.mark.parametrize(
    "other",
    [
        alert("smoke", 30, place="cuihu/b2/u1/12"),
        alert("smoke", 30, site="fenghe", place="fenghe/b3/u1/12"),
        alert("smoke", 30, place="cuihu"),
        alert("smoke", 30, purpose="drill"),
        alert("water", 30),
        alert("smoke", 30, level="fault"),
        alert("smoke", 201),
    ],
    ids=["other building", "other site", "place unknown", "drill", "other kind", "a fault", "too late"],
)
def test_near_misses_stay_apart(other: Alert) -> None:
    ended = msgspec.structs.replace(alert("thermal_fire", place="cuihu/b3"), ended_at=START + timedelta(seconds=20))
    assert link(other, [incident(ended)], SETTINGS, ()) is None


def test_while_the_first_lasts_the_second_may_come_late_but_not_past_the_longest_span() -> None:
    fire = incident(alert("thermal_fire", place="cuihu/b3"))
    assert link(alert("smoke", 3 * 3600), [fire], SETTINGS, ()) is not None
    assert link(alert("smoke", 5 * 3600), [fire], SETTINGS, ()) is None


@pytest.mark.parametrize("state", ["closed", "false_alarm"])
def test_what_was_ended_takes_nothing_in(state: str) -> None:
    assert link(alert("smoke", 5), [incident(alert("heat"), state=state)], SETTINGS, ()) is None
    merged = incident(alert("heat"), merged_into="incident-2")
    assert link(alert("smoke", 5), [merged], SETTINGS, ()) is None


def test_what_a_person_cut_no_rule_puts_back() -> None:
    fire, smoke = incident(alert("heat")), alert("smoke", 5)
    assert link(smoke, [fire], SETTINGS, [Cut(smoke.id, fire.id)]) is None
    assert link(smoke, [fire], SETTINGS, [Cut(smoke.id, "another")]) is not None


def test_falls_on_one_facade_are_one_incident_for_ten_minutes() -> None:
    first = incident(begin(fall(0)))
    again = link(begin(fall(40)), [first], SETTINGS, ())
    assert again is not None
    assert again.reason == "同一楼栋 40 秒内：高空抛物再次发生"
    assert link(begin(fall(700)), [first], SETTINGS, ()) is None


def test_devices_of_one_site_that_fall_silent_together_are_one() -> None:
    first = incident(alert("smoke", level="fault", subject="cuihu/smoke-b1", place="cuihu/b1/u1/2"), priority=4)
    other = alert("gas", 60, level="fault", subject="cuihu/gas-b3")
    found = link(other, [first], SETTINGS, ())
    assert found is not None
    assert found.rule == "silence"
    assert link(alert("gas", 60), [first], SETTINGS, ()) is None, "an alarm is never hidden among faults"


def test_of_several_the_most_urgent_and_then_the_nearest_is_chosen() -> None:
    one = incident(alert("smoke", 0, subject="a"), priority=2)
    two = incident(alert("heat", 0, subject="b"), priority=1)
    found = link(alert("co", 10), [one, two], SETTINGS, ())
    assert found is not None
    assert found.incident == two.id


def test_a_rule_can_be_switched_off() -> None:
    off = AlertSettings.model_validate({"links": {"fire": {"enabled": False}}})
    assert link(alert("smoke", 5), [incident(alert("heat"))], off, ()) is None


PLACES = st.sampled_from(["cuihu/b3/u1/12", "cuihu/b3", "cuihu/b2/u1/1", "cuihu", "fenghe/b3/u1/12"])
KINDS = st.sampled_from(["smoke", "thermal_fire", "gas", "co", "water", "sos", "falling_object"])


@given(
    KINDS,
    KINDS,
    PLACES,
    PLACES,
    st.sampled_from(sorted(PURPOSES)),
    st.sampled_from(sorted(PURPOSES)),
    st.floats(0, 900),
)
def test_nothing_ever_links_across_purposes_or_sites(
    one: str, other: str, here: str, there: str, purpose: str, another: str, later: float
) -> None:
    first = incident(alert(one, 0, place=here, site=here.split("/")[0], purpose=purpose))
    second = alert(other, later, place=there, site=there.split("/")[0], purpose=another)
    found = link(second, [first], SETTINGS, ())
    if purpose != another or here.split("/")[0] != there.split("/")[0]:
        assert found is None
    if found is not None:
        assert found.reason.count("：") == 1, "every link has its sentence"
