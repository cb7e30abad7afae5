"""Kinds, priorities and the rule that 12345 is never an emergency's only way."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from alerts.policy import BUILT_IN, AlertSettings


def test_naming_one_kind_leaves_the_others_as_they_are_built_in() -> None:
    settings = AlertSettings.model_validate({"kinds": {"water": {"hotline": "never"}}})
    assert settings.kinds["water"].hotline == "never"
    assert settings.kinds["water"].priority == BUILT_IN["water"]["priority"]
    assert {k: v for k, v in settings.kinds.items() if k != "water"} == {
        k: v for k, v in AlertSettings().kinds.items() if k != "water"
    }


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        ({"gas": {"hotline": "order"}}, "kinds.gas: an emergency is never a 12345 order"),
        ({"gas": {"worker": False}}, "kinds.gas: an emergency would be told to the hotline alone"),
        ({"smoke": {"control_room": False}}, "kinds.smoke: an emergency would be told to the hotline alone"),
        ({"smoke": {"worker": False, "hotline": "never"}}, "without the grid worker"),
        ({"flood": {"emergency": True, "hotline": "order"}}, "kinds.flood"),
    ],
)
def test_an_emergency_for_the_hotline_alone_is_refused(kinds: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AlertSettings.model_validate({"kinds": kinds})


def test_what_is_no_emergency_may_be_an_order_alone() -> None:
    settings = AlertSettings.model_validate({"kinds": {"water": {"worker": False, "hotline": "order"}}})
    assert settings.kind("water").hotline == "order"


@pytest.mark.parametrize(
    "wrong",
    [
        {"repeat_after": 30},
        {"repeat_after": "1 s"},
        {"kinds": {"smoke": {"priority": 0}}},
        {"kinds": {"smoke": {"fault": 1}}},
        {"kinds": {"smoke": {"hotlin": "copy"}}},
        {"kinds": {"smoke": None}},
        {"kinds": []},
        {"links": {"fire": {"same": "street"}}},
        {"unknown": 1},
    ],
)
def test_mistakes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("kind", "level", "priority"),
    [
        ("thermal_fire", "fire", 1),
        ("thermal_fire", "pre_alarm", 2),
        ("thermal_fire", "fault", 3),
        ("smoke", "alarm", 1),
        ("smoke", "fault", 4),
        ("falling_object", "alarm", 2),
        ("water", "alarm", 3),
        ("smoke", "notice", 4),
        ("never-heard-of", "alarm", 2),
        ("never-heard-of", "fire", 1),
        ("never-heard-of", "fault", 4),
    ],
)
def test_priorities(kind: str, level: str, priority: int) -> None:
    assert AlertSettings().priority(kind, level) == priority


def test_no_fault_of_any_kind_ever_rings_as_the_highest() -> None:
    settings = AlertSettings()
    assert all(settings.priority(kind, "fault") >= 2 for kind in (*settings.kinds, "other"))


def test_every_setting_is_described() -> None:
    for model in (AlertSettings, *(type(v) for v in (AlertSettings().other, AlertSettings().links["fire"]))):
        assert all(field.description for field in model.model_fields.values()), model
