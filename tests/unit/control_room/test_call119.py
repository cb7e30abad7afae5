"""The five lines of the call to 119."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from control_room.call119 import card
from hub.model import Alert, Incident
from tests.small_estate import START, estate

CITY = estate()


def sign(kind: str, level: str = "alarm", **numbers: float) -> Alert:
    return Alert(
        id=f"alert-{kind}",
        site="cuihu",
        at=START,
        kind=kind,
        level=level,
        condition=kind,
        subject=f"cuihu/{kind}-b3",
        place="cuihu/b3/u1/12",
        began_at=START,
        numbers=numbers,
    )


def incident(*alerts: Alert, **fields: Any) -> Incident:
    values: dict[str, Any] = {
        "id": "incident-1",
        "number": "20261123-001",
        "site": "cuihu",
        "at": START,
        "version": 1,
        "state": "new",
        "priority": 1,
        "kind": alerts[0].kind,
        "title": "火情",
        "place": "cuihu/b3/u1/12",
        "opened_at": START,
        "updated_at": START,
        **fields,
    }
    return Incident(alerts=alerts, **values)


def test_the_five_lines_of_a_fire() -> None:
    found = card(incident(sign("thermal_fire", "fire", max_c=86.4), sign("smoke")), CITY, "李建国")
    assert found is not None
    assert found.unit == "云川市 翠湖苑"
    assert found.place == "3号楼 12层"
    assert found.burning == "燃烧物待核实，最高 86 °C"
    assert found.scale == "2 个信号：热成像火情、烟感报警；明火大小、受困人员待现场核实"
    assert found.caller == "翠湖苑值班室 李建国"


def test_address_entrance_and_telephone_are_read_where_they_are_known() -> None:
    site = CITY.sites["cuihu"].model_copy(update={"address": "迎宾街1号", "fire_entrance": "东门", "phone": "0349-1"})
    known = CITY.model_copy(update={"sites": {**CITY.sites, "cuihu": site}})
    found = card(incident(sign("smoke")), known, "李建国")
    assert found is not None
    assert found.unit == "云川市 迎宾街1号 翠湖苑"
    assert found.place == "3号楼 12层；消防车入口：东门"
    assert found.caller == "翠湖苑值班室 李建国，电话 0349-1"


def test_a_leak_is_not_said_to_burn() -> None:
    found = card(incident(sign("gas", gas=28.0)), CITY, "李建国")
    assert found is not None
    assert found.burning == "可燃气体泄漏，浓度 28 %LEL，尚未见火"
    both = card(incident(sign("gas", gas=28.0), sign("smoke")), CITY, "李建国")
    assert both is not None
    assert both.burning == "燃烧物待核实，附近有燃气报警"


def test_a_drill_is_said_first() -> None:
    found = card(incident(sign("smoke"), purpose="drill"), CITY, "李建国")
    assert found is not None
    assert found.unit.startswith("【演练】")


@pytest.mark.parametrize(
    "other",
    [
        incident(sign("falling_object")),
        incident(sign("smoke", "fault")),
        incident(sign("thermal_fire", "pre_alarm")),
        incident(sign("smoke"), purpose="test"),
        msgspec.structs.replace(incident(sign("smoke")), alerts=()),
    ],
)
def test_nobody_is_told_to_call_for_anything_else(other: Incident) -> None:
    assert card(other, CITY, "李建国") is None
