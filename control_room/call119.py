"""The five things to say when calling 119 (GB 25506-2010 §4.2.2), as they are read aloud. The hub never dials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from hub.model import DRILL, LIVE, Alert, Incident
from hub.settings.city import City

KINDS: Final = frozenset({"fire", "thermal_fire", "smoke", "heat", "gas", "co"})
"""Kinds that the fire service is called for (燃气泄漏也报 119)."""

_SIGNS: Final = {
    "fire": "火警",
    "thermal_fire": "热成像火情",
    "smoke": "烟感报警",
    "heat": "感温报警",
    "gas": "可燃气体泄漏",
    "co": "一氧化碳超标",
}


class CallCard(msgspec.Struct, frozen=True, kw_only=True):
    """单位地址、着火部位、燃烧物、火势与人员、报警人与电话."""

    unit: str
    place: str
    burning: str
    scale: str
    caller: str


def card(incident: Incident, city: City, caller: str) -> CallCard | None:
    """The card for an incident that the fire service may be needed for, else None. `caller`: who is signed in."""
    signs = [alert for alert in incident.alerts if alert.kind in KINDS and alert.level in ("fire", "alarm")]
    if not signs or incident.purpose not in (LIVE, DRILL):
        return None
    site = city.sites.get(incident.site)
    name = city.site_name(incident.site)
    where = city.place_name(incident.place).removeprefix(name).strip() if incident.place else ""
    entrance = f"；消防车入口：{site.fire_entrance}" if site and site.fire_entrance else ""
    phone = f"，电话 {site.phone}" if site and site.phone else ""
    drill = "【演练】" if incident.purpose == DRILL else ""
    return CallCard(
        unit=drill + _address(city.name, site.address if site else "", name),
        place=(where or "位置待核实") + entrance,
        burning=_burning(signs),
        scale=f"{_list(signs)}；明火大小、受困人员待现场核实",
        caller=f"{name}值班室 {caller}{phone}",
    )


def _address(city: str, address: str, name: str) -> str:
    # Read aloud: an address that begins with the city's name does not need it twice.
    return " ".join(part for part in ("" if address.startswith(city) else city, address, name) if part)


def _burning(signs: Sequence[Alert]) -> str:
    kinds = {alert.kind for alert in signs}
    if kinds <= {"gas", "co"}:
        level = _highest(signs, ("gas", "value"))
        return (
            "可燃气体泄漏" + (f"，浓度 {level:.0f} %LEL" if level is not None and "gas" in kinds else "") + "，尚未见火"
        )
    hottest = _highest([alert for alert in signs if alert.kind in ("thermal_fire", "fire")], ("max_c", "temperature"))
    heat = f"，最高 {hottest:.0f} °C" if hottest is not None else ""
    return f"燃烧物待核实{heat}" + ("，附近有燃气报警" if "gas" in kinds else "")


def _highest(signs: Sequence[Alert], names: Sequence[str]) -> float | None:
    figures = [value for alert in signs if (value := _first(alert.numbers, names)) is not None]
    return max(figures, default=None)


def _first(numbers: Mapping[str, float], names: Sequence[str]) -> float | None:
    return next((numbers[name] for name in names if name in numbers), None)


def _list(signs: Sequence[Alert]) -> str:
    names = list(dict.fromkeys(_SIGNS[alert.kind] for alert in signs))
    return f"{len(signs)} 个信号：{'、'.join(names)}"
