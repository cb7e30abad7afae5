"""Plays the timelines beside this file: what happens in, who is told what and why out, on a clock that we move.

A scenario has `happens` (each with `at`) and `expect`: all messages in order, all incidents, all hotline orders.
The estate is tests/small_estate.py: 王秀兰 and 赵敏 are grid workers, then 陈桂花 (community) and 孙局 (city).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from alerts.policy import AlertSettings
from hub.identity import derived
from hub.model import Command, Detection
from hub.settings.quantity import Seconds
from hub.store import Store
from hub.topics import COMMANDS, DETECTIONS
from tests.alarm_stage import Stage, stage
from tests.small_estate import START, desk, estate, fall, seen

FOLDER: Final = Path(__file__).parent


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Happening(Strict):
    """One thing that happens. Exactly one of `alarm`, `fall`, `clears`, `again`, `person`, `restart`, `robot`."""

    at: Seconds
    alarm: str = Field("", description="what is reported: smoke, thermal_fire, gas, ...")
    level: str = ""
    status: Literal["alarm", "suspected"] = "alarm"
    place: str = "cuihu/b3/u1/12"
    device: str = ""
    rule: str = Field("", description="the rule that reports it, where one device has several")
    purpose: str = "live"
    fall: float | None = Field(None, description="an object falls down at this column of the picture")
    missed: int = Field(0, description="tenths of a second of the fall's end that this claim has not seen yet")
    floors: tuple[float, float] | None = Field(None, description="the interval that the fall began in, in floor lines")
    clears: str = Field("", description="the condition of this kind and device is over")
    again: bool = Field(False, description="the report before this one comes once more")
    person: Literal["acknowledge", "assign", "resolve", "false_alarm", "close", "note", ""] = ""
    who: str = "张三"
    why: str = ""
    to: str = ""
    incident: int = Field(1, description="which incident, counted from 1")
    restart: bool = Field(False, description="the services end and begin anew")
    robot: int = Field(0, description="the robot refuses with this errcode once")


class Told(Strict):
    """A message that arrived: when, whom it names, and words that it holds."""

    at: Seconds
    to: str
    says: tuple[str, ...] = ()


class Expected(Strict):
    """An incident at the end."""

    priority: int
    state: str = "new"
    alarms: int = 1
    title: str = ""
    why: tuple[str, ...] = ()
    by: str = ""
    steps: tuple[str, ...] = Field((), description="what its timeline holds, in this order, among other things")


class Ordered(Strict):
    """An order that the hotline has at the end: words of its content, the states it was told of later, and why then."""

    says: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    changed: tuple[tuple[str, ...], ...] | None = None


class Expect(Strict):
    """All there is at the end: an entry too many is a mistake as much as one too few."""

    messages: tuple[Told, ...] = ()
    incidents: tuple[Expected, ...] = ()
    hotline: tuple[Ordered, ...] = ()


class Scenario(Strict):
    """A timeline. `alerts` is tuned as in configs/tuning."""

    what: str
    happens: tuple[Happening, ...]
    until: Seconds
    expect: Expect
    alerts: dict[str, Any] = {}


def scenario(name: str) -> Scenario:
    return Scenario.model_validate(YAML(typ="safe", pure=True).load((FOLDER / name).read_text("utf-8")))


def reported(on: Stage, happening: Happening) -> Detection:
    fields: dict[str, Any] = {"purpose": happening.purpose, "status": happening.status}
    if happening.fall is not None:
        made = unfinished(fall(happening.at, x=happening.fall, **fields), happening)
    else:
        fields["site"] = happening.place.split("/")[0]
        kind = happening.alarm or happening.clears
        if happening.clears:
            fields["status"] = "clear"
        if happening.level:
            fields["level"] = happening.level
        if happening.device:
            fields["subject"] = happening.device
        if happening.rule:
            fields |= {"rule": happening.rule, "condition": f"{happening.rule}:{happening.device or kind}"}
        made = seen(kind, happening.at, place=happening.place, **fields)
    shift = on.start - START
    return msgspec.structs.replace(made, at=made.at + shift, start=made.start + shift, end=made.end + shift)


def unfinished(whole: Detection, happening: Happening) -> Detection:
    """A claim made while the object still fell, told as the detector tells it."""
    path = whole.path[: len(whole.path) - happening.missed]
    end = whole.end - timedelta(seconds=happening.missed / 10)
    seconds = (end - whole.start).total_seconds()
    numbers = {"seconds": seconds, "floors_down": round(5 * seconds**2 / 3, 2), "calibrated": 1.0}
    if happening.floors is not None:
        low, high = happening.floors
        numbers |= {"origin_floor": (low + high) / 2, "origin_low": low, "origin_high": high}
    id_ = derived("det", whole.condition, whole.start, end, whole.purpose)
    return msgspec.structs.replace(
        whole, id=id_, detector="falling_object", rule="fall", end=end, path=path, numbers=numbers
    )


async def happen(on: Stage, happening: Happening, serial: int, last: Detection | None) -> Detection | None:
    if happening.restart:
        on.begin()
    elif happening.robot:
        await on.robot_faults(times=1, errcode=happening.robot)
    elif happening.again:
        assert last is not None
        await on.publish(DETECTIONS, last)
    elif happening.person:
        incident = (await on.incidents())[happening.incident - 1]
        command = Command(
            id=f"press-{serial}",
            site=incident.site,
            at=on.now,
            incident=incident.id,
            action=happening.person,
            by=happening.who,
            channel="page",
            reason=happening.why,
            details={"to": happening.to} if happening.to else {},
        )
        await on.publish(COMMANDS, command)
    else:
        last = reported(on, happening)
        await on.publish(DETECTIONS, last)
    return last


async def play(on: Stage, told: Scenario) -> None:
    last: Detection | None = None
    for serial, happening in enumerate(sorted(told.happens, key=lambda h: h.at)):
        await on.until(happening.at)
        last = await happen(on, happening, serial, last)
    await on.until(told.until)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
async def test_scenario(name: str, store: Store) -> None:
    told = scenario(name)
    async with stage(store, desk(AlertSettings.model_validate(told.alerts))) as on:
        await play(on, told)
        messages = await on.messages()
        lines = [f"{m.at:g} s {m.robot}: {m.text}" for m in messages]
        assert [m.at for m in messages] == [m.at for m in told.expect.messages], "\n".join(lines)
        for message, expected in zip(messages, told.expect.messages, strict=True):
            for word in (expected.to, *expected.says):
                assert word in message.text, f"{expected} is not {message}"
            if "【" not in "".join(expected.says):
                assert "【" not in message.text, f"a live message is unmarked: {message}"

        incidents = await on.incidents()
        assert [i.priority for i in incidents] == [i.priority for i in told.expect.incidents], incidents
        for incident, wanted in zip(incidents, told.expect.incidents, strict=True):
            assert (incident.state, len(incident.alerts)) == (wanted.state, wanted.alarms)
            assert incident.why_linked == wanted.why
            assert wanted.title in incident.title
            assert incident.acknowledged_by == wanted.by or not wanted.by
            timeline = iter([action for _, action in await on.timeline(incident.id)])
            assert all(step in timeline for step in wanted.steps), await on.timeline(incident.id)
            assert {alert.purpose for alert in incident.alerts} == {incident.purpose}

        assert len(on.orders) == len(told.expect.hotline), on.orders
        for order, known in zip(on.orders, told.expect.hotline, strict=True):
            for word in known.says:
                assert word in str(order["body"])
            assert tuple(update["body"]["state"] for update in order["updates"]) == known.updates
            changed = tuple(tuple(update["body"]["changed"]) for update in order["updates"])
            assert known.changed is None or changed == known.changed
            assert all(changed), "an update says what it is about"
        assert {name: on.hotline.book.ledger()[name] for name in ("conflicts", "unsigned", "same_incident")} == {
            "conflicts": 0,
            "unsigned": 0,
            "same_incident": 0,
        }


def test_every_person_of_a_scenario_lives_on_the_estate() -> None:
    known = {person.name for person in estate().people.values()}
    for path in FOLDER.glob("*.yaml"):
        assert {told.to for told in scenario(path.name).expect.messages} <= known, path.name
