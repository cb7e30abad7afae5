"""When the hub is ill, and when it is not."""

from __future__ import annotations

import msgspec
import pytest

from control_room.vitals import LATE, SELFTEST_LATE, START_GRACE, STORE_LATE, RoleAge, SelfTest, Vitals, ills, newest

WELL = Vitals(
    roles=(RoleAge("alerts", "a", 1.0), RoleAge("detect", "a", 2.0)),
    selftest=SelfTest("1", 3.0),
)
EXPECTED = ("alerts", "detect")


def words(vitals: Vitals, *, up: float = 1000.0, away: float = 0.0, tested: bool = True) -> list[str]:
    return [f"{ill.what}:{ill.code}" for ill in ills(vitals, EXPECTED, up, away, tested=tested)]


def test_a_hub_that_gets_on_is_well() -> None:
    assert words(WELL) == []


@pytest.mark.parametrize(("age", "ill"), [(LATE, []), (LATE + 0.1, ["role:detect/a:role_stopped"])])
def test_a_process_that_stops_is_ill(age: float, ill: list[str]) -> None:
    roles = (WELL.roles[0], RoleAge("detect", "a", age))
    assert words(msgspec.structs.replace(WELL, roles=roles)) == ill


def test_what_never_began_is_ill_once_it_had_time_to() -> None:
    alone = Vitals(roles=(RoleAge("alerts", "a", 1.0),), selftest=None)
    assert words(alone, up=START_GRACE - 1) == []
    assert words(alone, up=START_GRACE + 1) == ["role:detect:role_missing", "selftest:selftest_none"]
    assert words(alone, up=START_GRACE + 1, tested=False) == ["role:detect:role_missing"]


def test_a_selftest_that_does_not_come_through_is_ill() -> None:
    late = msgspec.structs.replace(WELL, selftest=SelfTest("1", SELFTEST_LATE + 1))
    assert words(late) == ["selftest:selftest_late"]
    assert words(late, up=5.0) == []  # it is of the run before this one


def test_a_store_that_does_not_answer_is_ill_and_all_it_told_grows_old() -> None:
    assert words(WELL.aged(STORE_LATE + 1), away=STORE_LATE + 1) == ["store:store_away"]
    assert words(WELL.aged(30), away=30.0) == [
        "store:store_away",
        "role:alerts/a:role_stopped",
        "role:detect/a:role_stopped",
        "selftest:selftest_late",
    ]


def test_a_process_that_came_back_under_another_name_is_not_called_dead_for_ever() -> None:
    rows = [RoleAge("detect", "old", 60.0), RoleAge("detect", "new", 1.0), RoleAge("alerts", "a", 500.0)]
    assert [row.instance for row in newest(rows)] == ["a", "new", "old"]
    rows[0] = RoleAge("detect", "old", 200.0)
    assert [row.instance for row in newest(rows)] == ["a", "new"]
    rows[2] = RoleAge("alerts", "a", 90_000.0)
    assert [row.instance for row in newest(rows)] == ["new"]
