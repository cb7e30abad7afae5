"""Who is told by which way, and what the hotline gets."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.condition import begin
from alerts.policy import AlertSettings
from alerts.telling import hotline_order, hotline_policy, instead, is_emergency, reachable, tell, tells_worker
from hub.model import PURPOSES, Incident
from tests.small_estate import START, estate, seen
from tests.small_estate import incident as made

SETTINGS = AlertSettings()
LADDER = estate().ladder("g1")


def incident(kind: str = "smoke", **fields: Any) -> Incident:
    level = fields.pop("level", "alarm")
    return made(begin(seen(kind, level=level, purpose=fields.get("purpose", "live"))), **fields)


def test_who_has_no_channel_is_passed_over() -> None:
    assert [person.id for person in reachable(LADDER)] == ["wang", "zhao", "chen", "sun"]


def test_the_same_news_is_the_same_message_and_a_reminder_is_a_new_one() -> None:
    people = reachable(LADDER)[:1]
    (one,), (again,) = tell(incident(), people, "opened", 1), tell(incident(), people, "opened", 1)
    (reminder,) = tell(incident(), people, "reminder", "1:0:1", count=1)
    assert one == again
    assert one.id != reminder.id
    assert (one.channel, one.robot, one.name) == ("wecom", "grid-1", "王秀兰")


@pytest.mark.parametrize("purpose", [*sorted(PURPOSES), "unheard-of"])
def test_only_live_and_drills_leave_and_only_live_reaches_the_hotline(purpose: str) -> None:
    told = tell(incident(purpose=purpose), reachable(LADDER), "opened", 1)
    assert bool(told) is (purpose in ("live", "drill"))
    assert hotline_policy(incident(purpose=purpose), SETTINGS) == ("copy" if purpose == "live" else "never")


@pytest.mark.parametrize(
    ("kind", "level", "policy"),
    [
        ("smoke", "alarm", "copy"),
        ("gas", "alarm", "copy"),
        ("water", "alarm", "order"),
        ("water", "fault", "never"),
        ("smoke", "fault", "never"),
        ("thermal_fire", "pre_alarm", "never"),
        ("door", "alarm", "never"),
        ("unheard-of", "alarm", "never"),
    ],
)
def test_the_hotline_by_policy(kind: str, level: str, policy: str) -> None:
    assert hotline_policy(incident(kind, level=level), SETTINGS) == policy


def test_an_incident_with_an_emergency_in_it_is_never_an_order() -> None:
    both = made(begin(seen("water")), begin(seen("gas")))
    assert is_emergency(both, SETTINGS)
    assert hotline_policy(both, SETTINGS) == "copy"
    assert hotline_order(both, "create", START, SETTINGS, place="").handled_by_emergency


def test_one_creation_for_ever_and_one_status_for_each_version() -> None:
    def id_(action: Any, version: int) -> str:
        return hotline_order(incident(version=version), action, START, SETTINGS, place="").id

    assert id_("create", 1) == id_("create", 2)
    assert id_("status", 1) != id_("status", 2)


def test_blue_is_for_the_page_alone() -> None:
    assert not tells_worker(incident(priority=4), SETTINGS)
    assert not tells_worker(incident("door", priority=3), SETTINGS)
    assert tells_worker(incident(priority=3), SETTINGS)


def test_another_way_to_the_same_person_has_an_id_of_its_own() -> None:
    (first,) = tell(incident(), [estate().people["sun"]], "opened", 1)
    second = instead(first)
    assert second is not None
    assert (second.channel, second.robot, second.person) == ("feishu", "city-feishu", "sun")
    assert second.id != first.id
    assert instead(second) is None
