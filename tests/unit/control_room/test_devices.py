"""Which cameras and sensors count as heard."""

from __future__ import annotations

from datetime import timedelta

from control_room.devices import CAMERA_SILENT, Seen, listed
from tests.small_estate import START, estate

CITY = estate()


def seen(device: str, ago: float, *, faulty: bool = False, kind: str = "smoke") -> Seen:
    at = START - timedelta(seconds=ago)
    return Seen(device, kind, CITY.place_of(device), at, at, faulty)


def test_what_was_never_heard_is_silent_and_stands_first() -> None:
    found = listed(CITY, [seen("cuihu/smoke-b3", 5)], START)
    assert found.counts() == {"cameras": 2, "cameras_heard": 0, "sensors": 12, "sensors_heard": 1}
    assert [one.heard for one in found.sensors] == [False] * 11 + [True]
    assert found.sensors[-1].id == "cuihu/smoke-b3"
    assert found.sensors[-1].place_name == "翠湖苑 3号楼 12层"


def test_a_camera_is_silent_after_a_minute_and_a_sensor_when_the_hub_says_so() -> None:
    late = CAMERA_SILENT.total_seconds() + 1
    rows = [
        seen("cuihu/cam-b3", late, kind="visible"),
        seen("cuihu/therm-b3", 1, kind="thermal"),
        seen("cuihu/smoke-b1", 4000),
        seen("cuihu/smoke-b2", 1, faulty=True),
    ]
    found = listed(CITY, rows, START)
    heard = {one.id for one in (*found.cameras, *found.sensors) if one.heard}
    assert heard == {"cuihu/therm-b3", "cuihu/smoke-b1"}


def test_what_nobody_registered_is_shown_too() -> None:
    found = listed(CITY, [seen("cuihu/stray", 1), seen("unplaced/cam", 1, kind="thermal")], START)
    assert [one.id for one in found.sensors if not one.registered] == ["cuihu/stray"]
    assert [one.id for one in found.cameras if not one.registered] == ["unplaced/cam"]
