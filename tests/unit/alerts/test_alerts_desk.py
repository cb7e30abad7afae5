"""What follows from what: decisions without a store, without a clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from alerts.condition import Known
from alerts.desk import Outcome, Situation, marked_title
from hub.model import Alert, Command, Incident
from tests.small_estate import START, desk, fall, seen


def opened(kind: str = "smoke", **fields: Any) -> tuple[Incident, Outcome]:
    outcome = desk().detected(seen(kind, **fields), Situation(), START)
    (incident,) = outcome.incidents
    return incident, outcome


def situation(incident: Incident, *, hotline: bool = False) -> Situation:
    known = tuple(Known(alert) for alert in incident.alerts)
    return Situation(known, (incident,), (), frozenset({incident.id} if hotline else ()))


def test_a_fire_opens_an_incident_tells_the_first_worker_and_sets_the_clocks() -> None:
    incident, outcome = opened()
    assert (incident.priority, incident.state, incident.grid, incident.number) == (1, "new", "g1", "")
    assert incident.title == "翠湖苑 3号楼 12层 烟感报警"
    assert [note.person for note in outcome.notifications] == ["wang"]
    assert sorted(timer.what for timer in outcome.timers) == ["evidence", "hotline", "next", "remind"]
    assert outcome.orders == (), "the hotline is never told at once"
    assert outcome.alerts[0].incident == incident.id


def test_the_same_decision_gives_the_same_ids() -> None:
    one, two = opened()[1], opened()[1]
    assert one == two


def test_suspected_and_notices_open_nothing() -> None:
    for detection in (seen("smoke", status="suspected"), seen("smoke", level="notice")):
        outcome = desk().detected(detection, Situation(), START)
        assert (outcome.incidents, outcome.notifications) == ((), ())
        assert len(outcome.alerts) == 1


def test_suspected_then_sure_opens_one() -> None:
    maybe = desk().detected(seen("smoke", status="suspected"), Situation(), START).alerts[0]
    outcome = desk().detected(seen("smoke", 3), Situation((Known(maybe),)), START)
    assert len(outcome.incidents) == 1
    assert outcome.alerts[0].id == maybe.id


def test_a_repeat_only_counts() -> None:
    incident, _ = opened()
    outcome = desk().detected(seen("smoke", 9), situation(incident), START)
    assert outcome == Outcome(counted=outcome.counted)
    assert outcome.counted[0].incident == incident.id


def test_more_urgent_rings_again_whoever_had_acknowledged() -> None:
    incident, _ = opened("thermal_fire", level="pre_alarm", place="cuihu/b3")
    assert incident.priority == 2
    calm = msgspec.structs.replace(incident, state="acknowledged", acknowledged_by="zhang")
    outcome = desk().detected(seen("smoke", 5), situation(calm), START)
    (after,) = outcome.incidents
    assert (after.priority, after.state, after.acknowledged_by) == (1, "new", "")
    assert [note.what for note in outcome.notifications] == ["raised"]
    assert {what for _, what in outcome.stopped} == {"remind", "next", "acknowledgement"}
    assert {"remind", "next", "hotline"} <= {timer.what for timer in outcome.timers}


def test_what_was_handled_and_burns_again_is_new() -> None:
    incident, _ = opened()
    handled = msgspec.structs.replace(incident, state="handled", acknowledged_by="zhang")
    outcome = desk().detected(seen("heat", 60), situation(handled), START)
    assert outcome.incidents[0].state == "new"


def test_the_second_fall_is_told_though_its_kind_is_not_new() -> None:
    incident, _ = desk_fall()
    outcome = desk().detected(fall(60), situation(incident, hotline=True), START)
    assert [note.what for note in outcome.notifications] == ["linked"]
    assert len(outcome.incidents[0].alerts) == 2


def test_the_hotline_hears_of_one_more_sign_only_when_it_changes_what_it_knows() -> None:
    incident, _ = opened("gas", condition="gas")
    knows = situation(incident, hotline=True)
    same = desk().detected(seen("gas", 1, condition="gas_alarm"), knows, START)
    assert (len(same.incidents[0].alerts), same.orders) == (2, ())
    assert same.links[0].reason == "同一单元 1 秒内：可燃气体报警的另一项判据也成立"
    other = desk().detected(seen("co", 1), knows, START)
    assert [order.changed for order in other.orders] == [("title",)]
    calm = msgspec.structs.replace(incident, state="handled")
    again = desk().detected(seen("co", 1), situation(calm, hotline=True), START)
    assert [order.changed for order in again.orders] == [("state", "title")]
    worse = msgspec.structs.replace(incident, priority=2)
    urgent = desk().detected(seen("gas", 1, condition="gas_alarm"), situation(worse, hotline=True), START)
    assert [order.changed for order in urgent.orders] == [("priority",)]


def desk_fall() -> tuple[Incident, Alert]:
    outcome = desk().detected(fall(0), Situation(), START)
    return outcome.incidents[0], outcome.alerts[0]


def test_the_end_of_a_condition_closes_nothing_but_what_was_only_a_fault() -> None:
    incident, _ = opened()
    over = desk().detected(seen("smoke", 30, status="clear"), situation(incident), START)
    assert (over.incidents[0].state, over.steps[0].action) == ("new", "condition_over")
    fault, _ = opened(level="fault")
    back = desk().detected(seen("smoke", 30, status="clear", level="fault"), situation(fault), START)
    assert (back.incidents[0].state, back.steps[0].who) == ("closed", "hub")


def test_an_unknown_purpose_becomes_the_systems_own_trouble() -> None:
    strange = desk().understood(seen("smoke", purpose="rehearsal"))
    assert (strange.kind, strange.purpose) == ("system", "live")
    assert "rehearsal" in strange.reason
    known = seen("smoke", purpose="drill")
    assert desk().understood(known) is known


def test_a_place_nobody_is_in_charge_of_goes_to_the_city() -> None:
    _, outcome = opened(site="fenghe", place="fenghe/b9", subject="fenghe/x")
    assert [note.person for note in outcome.notifications] == ["sun"]


def test_a_command_stops_the_insisting_and_the_hotline_hears_of_it() -> None:
    incident, _ = opened()
    asked = Command(
        id="c", site="cuihu", at=START, incident=incident.id, action="acknowledge", by="zhang", channel="page"
    )
    told = desk().commanded(asked, incident, True, START)
    assert {what for _, what in told.stopped} == {"remind", "next", "acknowledgement"}
    assert [timer.what for timer in told.timers] == ["acknowledgement"]
    assert [order.action for order in told.orders] == ["status"]
    untold = desk().commanded(asked, incident, False, START)
    assert untold.orders == ()


def test_timers_of_what_was_answered_do_nothing() -> None:
    incident, outcome = opened()
    quiet = msgspec.structs.replace(incident, state="acknowledged")
    later = START + timedelta(seconds=60)
    for timer in outcome.timers:
        if timer.what in ("remind", "next"):
            assert desk().due(timer, quiet, (), later) == Outcome()
    false = msgspec.structs.replace(incident, state="false_alarm")
    hotline = next(timer for timer in outcome.timers if timer.what == "hotline")
    assert desk().due(hotline, false, (), later) == Outcome(), "a false alarm is not taken to the hotline"


def test_a_drills_title_is_marked() -> None:
    incident, _ = opened(purpose="drill")
    assert marked_title(incident, "zh").startswith("【演练】")
