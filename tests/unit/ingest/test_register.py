"""From what a device said to records: who, where, when, and the same id for the same message."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from hub.model import Reading
from hub.settings.city import Camera, City, Device, Site
from ingest.register import Message, Register, Skew
from ingest.said import Said, SaidFrame
from ingest.seen import Seen, missed

NOW = 1_800_000_000.0
CITY = City(
    sites={"cuihu": Site(id="cuihu", name="翠湖苑")},
    devices={
        "cuihu/smoke-1": Device(
            id="cuihu/smoke-1", site="cuihu", kind="smoke", place="cuihu/b3/u1/12", name="烟感", serial="SN-0815"
        )
    },
    cameras={"cuihu/th-1": Camera(id="cuihu/th-1", site="cuihu", place="cuihu/b3", name="热像", kind="thermal")},
)
SAID = Said(site="cuihu", kind="smoke", device="smoke-1", values={"smoke_alarm": 1.0, "temperature": 22.5}, t=NOW - 1)


def register() -> Register:
    return Register(lambda: CITY)


def readings(said: Said, arrived: float = NOW, again: bool = False, of: Register | None = None) -> list[Reading]:
    payload = msgspec.json.encode(said)
    out, heard = (of or register()).readings(said, Message(f"p/{said.device}", payload, arrived, again))
    assert heard.device == out[0].device
    return out


def said(**changes: object) -> Said:
    return msgspec.structs.replace(SAID, **changes)


def test_a_registered_device_is_known_by_id_and_by_serial_number() -> None:
    for name in ("smoke-1", "SN-0815"):
        smoke, heat = readings(said(device=name, kind="whatever"))
        assert (smoke.device, smoke.kind, smoke.place, smoke.registered) == (
            "cuihu/smoke-1", "smoke", "cuihu/b3/u1/12", True,
        )  # fmt: skip
        assert (heat.metric, heat.value, heat.unit) == ("temperature", 22.5, "°C")


def test_a_device_nobody_registered_still_alarms_at_the_site_of_its_topic() -> None:
    smoke = readings(said(device="New_Smoke 7"))[0]
    assert (smoke.device, smoke.site, smoke.kind, smoke.place, smoke.registered) == (
        "cuihu/new-smoke-7", "cuihu", "smoke", "cuihu", False,
    )  # fmt: skip
    lost = readings(said(site="nowhere"))[0]
    assert (lost.device, lost.site, lost.place) == ("nowhere/smoke-1", "unplaced", "unplaced")


@pytest.mark.parametrize(
    ("t", "clock"),
    [(NOW - 299, "device"), (NOW - 301, "hub"), (NOW + 29, "device"), (NOW + 31, "hub"), (None, "hub")],
)
def test_a_devices_time_counts_within_the_allowed_skew(t: float | None, clock: str) -> None:
    reading = readings(said(t=t))[0]
    assert reading.clock == clock
    assert reading.at == datetime.fromtimestamp(t if clock == "device" and t else NOW, UTC)
    assert reading.device_at == (None if t is None else datetime.fromtimestamp(t, UTC))
    assert reading.arrived_at == datetime.fromtimestamp(NOW, UTC)


def test_the_same_message_is_the_same_reading_however_often_and_late_it_comes() -> None:
    one = readings(said(sequence=5))
    late = readings(said(sequence=5), arrived=NOW + 200, again=True)
    assert [(r.id, r.at) for r in one] == [(r.id, r.at) for r in late]
    assert one[0].id != one[1].id, "two quantities are two readings"
    assert readings(said(sequence=6))[0].id != one[0].id
    assert readings(said(sequence=5, t=NOW))[0].id != one[0].id
    assert readings(said(sequence=5, device="smoke-2"))[0].id != one[0].id


def test_a_device_that_does_not_count_may_change_its_mind_within_a_second() -> None:
    opened, closed = (readings(said(values={"open": value}))[0] for value in (1.0, 0.0))
    assert opened.id != closed.id


def test_without_a_time_a_repeat_is_known_by_its_flag_for_a_minute() -> None:
    of = register()
    first = readings(said(t=None), NOW, of=of)[0]
    repeat = readings(said(t=None), NOW + 59, again=True, of=of)[0]
    assert (first.id, first.at) == (repeat.id, repeat.at)
    assert readings(said(t=None), NOW + 59.5, of=of)[0].id != first.id, "said twice is not sent twice"
    of = register()
    first = readings(said(t=None), NOW, of=of)[0]
    assert readings(said(t=None), NOW + 61, again=True, of=of)[0].id != first.id


def test_with_a_wrong_clock_a_repeat_keeps_its_first_instant() -> None:
    of = register()
    first = readings(said(t=NOW - 9999, sequence=1), NOW, of=of)[0]
    repeat = readings(said(t=NOW - 9999, sequence=1), NOW + 5, again=True, of=of)[0]
    assert (first.id, first.at) == (repeat.id, repeat.at)


def test_a_narrow_skew_can_be_asked_for() -> None:
    of = Register(lambda: CITY, Skew(past=0.5, future=0.5))
    assert readings(said(t=NOW - 1), of=of)[0].clock == "hub"


def test_a_thermal_picture_is_placed_like_its_camera() -> None:
    told = SaidFrame(
        site="cuihu", camera="th-1", width=1, height=1, scale=0.01, offset=0, range_low=0, range_high=1, raw=b"ab",
        t=NOW,
    )  # fmt: skip
    frame, heard = register().frame(told, Message("t", b"", NOW))
    assert (frame.camera, frame.site, frame.place, frame.clock) == ("cuihu/th-1", "cuihu", "cuihu/b3", "device")
    assert (heard.device, heard.registered, heard.kind) == ("cuihu/th-1", True, "thermal")


@pytest.mark.parametrize(
    ("last", "now", "gap"),
    [(None, 5, 0), (5, 6, 0), (5, 8, 2), (5, 5, 0), (5, 3, 0), (5, 5000, 0), (5, None, 0), (0, 1000, 999)],
)
def test_gaps_are_counted_and_restarts_are_not(last: int | None, now: int | None, gap: int) -> None:
    assert missed(last, now) == gap


def test_gaps_are_told_when_they_are_heard() -> None:
    seen = Seen()
    of = register()
    gaps = []
    for sequence in (1, 2, 5, 5, 6):
        _, heard = of.readings(said(sequence=sequence), Message("t", b"", NOW))
        gaps.append(seen.hear(heard))
    assert gaps == [0, 0, 2, 0, 0]
