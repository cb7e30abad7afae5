"""A small estate for tests of alarms: one site, three buildings, one grid with a ladder of four people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alerts.desk import Desk, PolicyOf
from alerts.policy import AlertSettings
from hub.identity import derived
from hub.model import Alert, Detection, Incident, Point
from hub.settings.city import Building, Camera, City, Community, Device, Grid, Person, Site, Street, Unit

START: Final = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""10:00 at the site."""


def estate() -> City:
    """翠湖苑 with its people; 枫禾里 is a site that no grid is in charge of."""
    unit = {"u1": Unit(id="u1", name="1单元")}
    buildings = {name: Building(id=name, name=f"{name[1:]}号楼", floors=18, units=unit) for name in ("b1", "b2", "b3")}
    people = (
        Person(id="wang", name="王秀兰", role="grid_worker", grid="g1", phone="138", channels={"wecom": "grid-1"}),
        Person(id="zhao", name="赵敏", role="grid_worker", grid="g1", phone="139", channels={"wecom": "grid-1"}),
        Person(id="chen", name="陈桂花", role="community", community="c1", channels={"wecom": "community"}),
        Person(id="mute", name="没有手机", role="community", community="c1"),
        Person(id="sun", name="孙局", role="city", channels={"wecom": "city", "feishu": "city-feishu"}),
    )
    cameras = (
        Camera(id="cuihu/cam-b3", site="cuihu", place="cuihu/b1", name="3号楼南", sees=("cuihu/b3",)),
        Camera(id="cuihu/therm-b3", site="cuihu", place="cuihu/b1", name="热像", kind="thermal", sees=("cuihu/b3",)),
    )
    devices = tuple(
        Device(id=f"cuihu/{kind}-{b}", site="cuihu", kind=kind, place=f"cuihu/{b}/u1/12", name=f"{b} {kind}")
        for kind in ("smoke", "gas", "co", "water")
        for b in buildings
    )
    return City(
        name="云川市",
        sites={
            "cuihu": Site(id="cuihu", name="翠湖苑", buildings=buildings),
            "fenghe": Site(id="fenghe", name="枫禾里"),
        },
        streets={"s1": Street(id="s1", name="迎宾街道")},
        communities={"c1": Community(id="c1", name="同心社区", street="s1")},
        grids={"g1": Grid(id="g1", community="c1", name="第一网格", places=("cuihu",))},
        people={person.id: person for person in people},
        devices={device.id: device for device in devices},
        cameras={camera.id: camera for camera in cameras},
    )


def policy(settings: AlertSettings | None = None) -> PolicyOf:
    """The same settings for everything."""
    fixed = settings or AlertSettings()
    return lambda subject, kind, place: fixed


def desk(settings: AlertSettings | None = None, city: City | None = None) -> Desk:
    """A desk of the estate."""
    return Desk(city or estate(), policy(settings))


def seen(kind: str, at: float = 0.0, **fields: Any) -> Detection:
    """A detection of `kind`, `at` seconds after START, by the device of that kind in building 3."""
    instant = START + timedelta(seconds=at)
    subject = fields.pop("subject", {"thermal_fire": "cuihu/therm-b3"}.get(kind, f"cuihu/{kind}-b3"))
    defaults: dict[str, Any] = {
        "site": "cuihu",
        "at": instant,
        "detector": "test",
        "status": "alarm",
        "condition": f"{kind}:{subject}",
        "level": "fire" if kind == "thermal_fire" else "alarm",
        "kind": kind,
        "subject": subject,
        "place": "cuihu/b3/u1/12",
        "start": instant,
        "end": instant,
        "confidence": 0.9,
        "rule": "rule",
        "reason": f"{kind} 的依据",
    }
    values = {**defaults, **fields}
    key = (
        values["condition"],
        values["start"],
        values["status"],
        values["level"],
        values.get("purpose", "live"),
    )
    return Detection(id=fields.get("id") or derived("det", *key), **{k: v for k, v in values.items() if k != "id"})


def fall(at: float, *, x: float = 100.0, missed: int = 0, camera: str = "cuihu/cam-b3", **fields: Any) -> Detection:
    """An object let go `at` seconds after START, falling down at column `x` for a second.

    `missed`: tenths of a second at the beginning that this claim does not have.
    """
    begin = START.timestamp() + at
    path = tuple(Point(begin + i / 10, x, 50.0 + 500.0 * (i / 10) ** 2, 20.0) for i in range(missed, 11))
    return seen(
        "falling_object",
        at + 1.0,
        subject=camera,
        place="cuihu/b3",
        path=path,
        start=START + timedelta(seconds=at + missed / 10),
        end=START + timedelta(seconds=at + 1.0),
        condition=f"falling_object:{camera}:{path[0].t:.3f}",
        **fields,
    )


def incident(*alerts: Alert, **fields: Any) -> Incident:
    """An open incident of these alerts."""
    first = alerts[0]
    defaults: dict[str, Any] = {
        "id": f"incident-{first.id}",
        "number": "20261123-001",
        "site": first.site,
        "at": first.began_at,
        "version": 1,
        "state": "new",
        "priority": 1,
        "kind": first.kind,
        "title": "",
        "place": first.place,
        "opened_at": first.began_at,
        "updated_at": first.began_at,
        "alerts": alerts,
        "purpose": first.purpose,
    }
    return Incident(**{**defaults, **fields})
