"""From a detection on the bus to the phone, the hotline and back, with the real store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from hub.model import Command, Detection
from hub.store import Store
from hub.topics import COMMANDS, DETECTIONS
from simulator.hotline import HotlineFaults
from simulator.signature import signed
from tests.alarm_stage import SECRET, Stage, stage
from tests.small_estate import START, desk, fall, seen


@pytest.fixture
async def on(store: Store) -> AsyncIterator[Stage]:
    async with stage(store, desk()) as opened:
        yield opened


def now(on: Stage, detection: Detection) -> Detection:
    """The detection at the stage's time instead of START's."""
    shift = on.start - START
    return msgspec.structs.replace(
        detection, at=detection.at + shift, start=detection.start + shift, end=detection.end + shift
    )


def command(on: Stage, incident: str, action: str, **fields: str) -> Command:
    return Command(
        id=fields.get("id", f"cmd-{action}"),
        site="cuihu",
        at=on.now,
        incident=incident,
        action=action,
        by=fields.get("by", "zhang"),
        channel="page",
        reason=fields.get("reason", ""),
    )


async def test_one_fire_from_two_signs_reaches_worker_then_hotline(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("thermal_fire", 0)))
    await on.until(12)
    await on.publish(DETECTIONS, now(on, seen("smoke", 12)))
    (incident,) = await on.incidents()
    assert incident.why_linked == ("同一楼栋 12 秒内：热成像火情与烟感报警",)
    assert incident.priority == 1
    first, second = await on.messages()
    assert first.at == 0
    assert "翠湖苑 3号楼" in first.text
    assert "热成像火情" in first.text
    assert f"https://hub.test/#/incident/{incident.id}" in first.text
    assert "同一楼栋 12 秒内" in second.text
    (order,) = on.orders
    assert order["body"]["handling"] == "已按应急流程处置"
    assert order["body"]["handled_by"] == ["王秀兰"]
    assert [u["body"]["kind"] for u in order["updates"]] == ["status"]
    # What the page reads from the bus: versions that only grow, each once.
    versions = [i.version for i in await on.published("cuihu")]
    assert versions == sorted(set(versions))
    assert versions[-1] == incident.version


async def test_acknowledging_and_closing_reach_the_hotline_and_its_status_comes_back(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("gas", 0)))
    (incident,) = await on.incidents()
    await on.publish(COMMANDS, command(on, incident.id, "acknowledge"))
    await on.publish(COMMANDS, command(on, incident.id, "close", reason="阀门已关"))
    (order,) = on.orders
    assert [u["body"]["state"] for u in order["updates"]] == ["acknowledged", "closed"]
    assert order["updates"][-1]["body"]["note"] == "阀门已关"

    body = on.hotline.book.callback(order["order_no"], "70", "已办结", on.now.isoformat()).body()
    for _ in range(2):  # the hotline did not hear our answer and tells it again
        headers = signed(SECRET, "hl_1", body, on.now.timestamp())
        answer = await on.door.post("/hotline/status", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
    await on.settle()
    timeline = await on.timeline(incident.id)
    assert timeline.count(("12345", "hotline_status")) == 1
    async with on.store.connection() as connection:
        cursor = await connection.execute("SELECT order_no, status FROM work_order")
        assert await cursor.fetchall() == [(order["order_no"], "70")]
    # A status from the hotline is news for people, and sends nothing back.
    assert len(on.orders[0]["updates"]) == 2


async def test_a_callback_with_a_wrong_signature_or_too_old_changes_nothing(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("gas", 0)))
    (incident,) = await on.incidents()
    body = json.dumps({"ext_order_no": incident.id, "order_no": "1", "status": "70"}).encode()
    stale = signed(SECRET, "hl_2", body, on.now.timestamp() - 301)
    forged = signed("whsec_AAAA", "hl_2", body, on.now.timestamp())
    for headers in (stale, forged, {}):
        assert (await on.door.post("/hotline/status", content=body, headers=headers)).status_code == 401
    fresh = signed(SECRET, "hl_3", b"[1]", on.now.timestamp())
    assert (await on.door.post("/hotline/status", content=b"[1]", headers=fresh)).status_code == 422
    await on.settle()
    assert ("12345", "hotline_status") not in await on.timeline(incident.id)


async def test_a_refusal_is_no_delivery_and_another_way_is_tried(on: Stage) -> None:
    await on.robot_faults(times=1, errcode=93000)
    await on.publish(DETECTIONS, now(on, seen("smoke", 0)))
    (incident,) = await on.incidents()
    assert ("hub", "message_refused") in await on.timeline(incident.id)
    # The next person is not made to wait for the minute.
    (message,) = await on.messages()
    assert (message.at, "赵敏" in message.text) == (0, True)


async def test_too_fast_is_waited_out_and_sent_once(on: Stage) -> None:
    await on.robot_faults(times=1, errcode=45009)
    await on.publish(DETECTIONS, now(on, seen("water", 0)))
    assert await on.messages() == []
    await on.until(25)
    (message,) = await on.messages()
    assert message.at == 20
    async with on.store.connection() as connection:
        cursor = await connection.execute("SELECT state, tries FROM outbox WHERE channel = 'wecom'")
        assert await cursor.fetchall() == [("sent", 2)]


async def test_a_storm_of_lesser_messages_becomes_one_and_the_fire_is_not_delayed(on: Stage) -> None:
    water = [
        now(on, seen("water", 0, subject=f"cuihu/water-{n}", place=f"cuihu/b{n % 3 + 1}/u1/{n}")) for n in range(12)
    ]
    await on.bus.publish(DETECTIONS, [*water, now(on, seen("smoke", 0))])
    await on.settle()
    messages = await on.messages()
    assert "烟感报警" in messages[0].text
    assert len(messages) == 2
    assert "另有 11 条" in messages[1].text
    async with on.store.connection() as connection:
        cursor = await connection.execute(
            "SELECT state, count(*) FROM outbox WHERE channel = 'wecom' AND state <> 'waiting' GROUP BY 1 ORDER BY 1"
        )
        assert await cursor.fetchall() == [("merged", 11), ("sent", 2)]


async def test_the_hotline_that_is_down_gets_the_same_bytes_later(on: Stage) -> None:
    for building, status in (("b1", 500), ("b2", 503)):
        on.hotline.faults = HotlineFaults(times=1, status=status, accept=status == 503)
        since = (on.now - on.start).total_seconds()
        await on.publish(DETECTIONS, now(on, seen("gas", since, subject=building, place=f"cuihu/{building}/u1/1")))
        await on.until(since + 5)
    ledger = on.hotline.book.ledger()
    assert (ledger["conflicts"], ledger["unsigned"], ledger["orders"]) == (0, 0, 2)
    assert ledger["repeats"] == 1


async def test_the_same_detection_again_changes_nothing(on: Stage) -> None:
    detection = now(on, seen("smoke", 0))
    await on.publish(DETECTIONS, detection)
    before = await on.incidents()
    await on.publish(DETECTIONS, detection, detection)
    assert await on.incidents() == before
    assert len(await on.messages()) == 1


async def test_a_fall_claimed_again_by_another_worker_is_one_and_a_second_fall_is_a_row_of_its_own(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, fall(0)))
    await on.publish(DETECTIONS, now(on, fall(0, x=104, missed=2)))
    await on.publish(DETECTIONS, now(on, fall(0.9, x=100)))
    (incident,) = await on.incidents()
    assert [alert.detections for alert in incident.alerts] == [1, 1]
    async with on.store.connection() as connection:
        cursor = await connection.execute("SELECT body ->> 'detections' FROM alert ORDER BY began_at")
        assert await cursor.fetchall() == [("2",), (None,)]


async def test_the_selftest_reaches_the_store_and_opens_nothing(on: Stage) -> None:
    probe = seen("selftest", 0, purpose="test", rule="selftest", words={"selftest": "st-1"})
    await on.publish(DETECTIONS, now(on, probe))
    assert await on.incidents() == []
    async with on.store.connection() as connection:
        row = await (await connection.execute("SELECT id, stages, finished_at FROM selftest")).fetchone()
    assert row is not None
    assert row[0] == "st-1"
    assert set(row[1]) == {"detector", "router", "store"}
    assert row[2] is not None


async def test_an_unknown_purpose_leaves_nothing_and_says_that_the_system_is_ill(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("smoke", 0, purpose="rehearsal")))
    await on.until(200)
    (incident,) = await on.incidents()
    assert (incident.kind, incident.purpose) == ("system", "live")
    assert await on.messages() == []
    assert on.orders == []


async def test_an_acknowledgement_that_nothing_follows_rings_again(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("smoke", 0)))
    (incident,) = await on.incidents()
    await on.until(5)
    await on.publish(COMMANDS, command(on, incident.id, "acknowledge"))
    await on.until(604)
    assert len(await on.messages()) == 1
    await on.until(606)
    (again,) = await on.incidents()
    assert (again.state, again.acknowledged_by) == ("new", "")
    assert "没有后续处置" in (await on.messages())[-1].text
    on.begin()
    await on.until(640)
    assert "第 1 次提醒" in (await on.messages())[-1].text


async def test_two_acknowledge_and_the_first_wins(on: Stage) -> None:
    await on.publish(DETECTIONS, now(on, seen("smoke", 0)))
    (incident,) = await on.incidents()
    await on.publish(COMMANDS, command(on, incident.id, "acknowledge", id="a", by="zhang"))
    await on.publish(COMMANDS, command(on, incident.id, "acknowledge", id="b", by="li"))
    await on.publish(COMMANDS, command(on, incident.id, "acknowledge", id="a", by="zhang"))
    (after,) = await on.incidents()
    assert after.acknowledged_by == "zhang"
    async with on.store.connection() as connection:
        cursor = await connection.execute(
            "SELECT who, details ->> 'refused' FROM incident_step WHERE action = 'acknowledge' ORDER BY id"
        )
        assert await cursor.fetchall() == [("zhang", None), ("li", "already acknowledged by zhang")]


async def test_a_device_that_comes_back_closes_its_own_incident(on: Stage) -> None:
    silent = seen("smoke", 0, level="fault", condition="silent:x", rule="silent")
    await on.publish(DETECTIONS, now(on, silent))
    (incident,) = await on.incidents()
    assert incident.priority == 4
    assert await on.messages() == []
    clear = seen("smoke", 60, level="fault", condition="silent:x", status="clear")
    await on.until(60)
    await on.publish(DETECTIONS, now(on, clear))
    (after,) = await on.incidents()
    assert after.state == "closed"
    assert after.alerts[0].ended_at == on.start + timedelta(seconds=60)
