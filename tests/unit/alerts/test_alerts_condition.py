"""Detections that repeat, grow and end are one alert; two falls are two."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.condition import Known, apart, begin, settle
from alerts.policy import AlertSettings
from hub.model import Detection
from tests.small_estate import START, fall, seen

SETTINGS = AlertSettings()


def known(detection: Detection, **fields: object) -> Known:
    return Known(begin(detection), detection.path, **fields)  # type: ignore[arg-type]  # fields of Known


def test_the_first_begins_the_second_only_counts() -> None:
    first = settle(seen("smoke", 0), [], SETTINGS)
    assert first is not None
    assert (first.what, first.alert.began_at, first.alert.ended_at) == ("began", START, None)
    again = settle(seen("smoke", 5), [Known(first.alert)], SETTINGS)
    assert again is not None
    assert (again.what, again.material) == ("repeated", False)
    assert (again.alert.id, again.alert.detections) == (first.alert.id, 2)
    assert again.alert.at == START + timedelta(seconds=5)


def test_a_clear_ends_only_its_own_condition_and_never_an_alert_younger_than_itself() -> None:
    alert = known(seen("smoke", 10))
    assert settle(seen("gas", 20, status="clear"), [alert], SETTINGS) is None
    assert settle(seen("smoke", 5, status="clear"), [alert], SETTINGS) is None
    over = settle(seen("smoke", 20, status="clear"), [alert], SETTINGS)
    assert over is not None
    assert (over.what, over.alert.ended_at) == ("ended", START + timedelta(seconds=20))
    ended = Known(over.alert)
    assert settle(seen("smoke", 25, status="clear"), [ended], SETTINGS) is None
    new = settle(seen("smoke", 30), [ended], SETTINGS)
    assert new is not None
    assert new.what == "began"


def test_worse_and_surer_are_told_milder_is_not() -> None:
    early = known(seen("thermal_fire", 0, level="pre_alarm"))
    worse = settle(seen("thermal_fire", 9, level="fire"), [early], SETTINGS)
    assert worse is not None
    assert (worse.what, worse.alert.level) == ("grew", "fire")
    milder = settle(seen("thermal_fire", 12, level="pre_alarm"), [Known(worse.alert)], SETTINGS)
    assert milder is not None
    assert (milder.what, milder.alert.level) == ("repeated", "fire")
    maybe = known(seen("smoke", 0, status="suspected"))
    sure = settle(seen("smoke", 1), [maybe], SETTINGS)
    assert sure is not None
    assert (sure.what, sure.alert.status) == ("grew", "alarm")
    doubt = settle(seen("smoke", 2, status="suspected"), [Known(sure.alert)], SETTINGS)
    assert doubt is not None
    assert (doubt.what, doubt.alert.status) == ("repeated", "alarm")


def test_another_purpose_is_another_alert() -> None:
    drill = settle(seen("smoke", 1, purpose="drill"), [known(seen("smoke", 0))], SETTINGS)
    assert drill is not None
    assert (drill.what, drill.alert.purpose) == ("began", "drill")


def test_closed_long_ago_and_still_reported_begins_anew() -> None:
    alert = begin(seen("smoke", 0))
    soon = settle(seen("smoke", 1000), [Known(alert, closed_at=START)], SETTINGS)
    assert soon is not None
    assert soon.what == "repeated"
    late = settle(seen("smoke", 2000), [Known(alert, closed_at=START)], SETTINGS)
    assert late is not None
    assert late.what == "began"
    assert late.also_ended is not None
    assert (late.also_ended.id, late.alert.id != alert.id) == (alert.id, True)


def test_one_fall_claimed_twice_is_one() -> None:
    first = fall(0)
    for again in (fall(0, missed=3), fall(0, x=106), msgspec.structs.replace(fall(0, missed=1), path=())):
        change = settle(again, [known(first)], SETTINGS)
        assert change is not None
        assert (change.what, change.alert.detections) == ("repeated", 2)


def test_a_longer_look_at_a_fall_replaces_the_first_and_a_shorter_one_changes_nothing() -> None:
    whole = msgspec.structs.replace(fall(0), numbers={"floors_down": 5.7}, reason="long")
    half = START + timedelta(seconds=0.5)
    glimpse = msgspec.structs.replace(
        whole, id="det_first", path=whole.path[:6], end=half, numbers={"floors_down": 1.7}, reason="short"
    )
    change = settle(whole, [known(glimpse)], SETTINGS)
    assert change is not None
    assert (change.what, change.material, change.before) == ("refined", True, begin(glimpse))
    alert = change.alert
    assert (alert.numbers, alert.reason, alert.ended_at) == ({"floors_down": 5.7}, "long", whole.end)
    assert alert.id == begin(glimpse).id
    again = settle(glimpse, [Known(alert, whole.path)], SETTINGS)
    assert again is not None
    assert (again.what, again.alert.numbers, again.alert.ended_at) == ("repeated", {"floors_down": 5.7}, whole.end)
    doubt = settle(msgspec.structs.replace(whole, status="suspected"), [known(glimpse)], SETTINGS)
    assert doubt is not None
    assert (doubt.what, doubt.alert.status) == ("repeated", "alarm")


def test_a_second_fall_is_a_second_alert() -> None:
    first = known(fall(0))
    # Elsewhere at the same time; the same way a moment later; the same way much later; another camera.
    for other in (fall(0, x=260), fall(0.4), fall(60), fall(0, camera="cuihu/cam-b2")):
        change = settle(other, [first], SETTINGS)
        assert change is not None
        assert change.what == "began"


@given(st.floats(0.15, 8), st.floats(-40, 40))
def test_two_objects_on_one_way_are_never_merged_when_they_were_let_go_apart(later: float, aside: float) -> None:
    change = settle(fall(later, x=100 + aside), [known(fall(0))], SETTINGS)
    assert change is not None
    assert change.what == "began"


@given(st.integers(0, 8), st.floats(-30, 30))
def test_a_claim_that_missed_the_beginning_is_merged_however_much_it_missed(missed: int, aside: float) -> None:
    change = settle(fall(0, x=100 + aside, missed=missed), [known(fall(0))], SETTINGS)
    assert change is not None
    assert change.what == "repeated"


def test_paths_that_share_no_instant_are_endlessly_apart() -> None:
    assert apart(fall(0).path, fall(5).path) == float("inf")
    assert apart(fall(0).path, fall(0).path) == 0.0
