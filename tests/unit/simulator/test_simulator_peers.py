"""The chat robot's and the hotline's judgement, without network: limits, signatures, once and only once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from simulator.orders import OrderBook
from simulator.robot import Robot, RobotFaults
from simulator.signature import signed, unsound

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = "2026-11-23T10:00:00.000Z"


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def markdown(text: str) -> dict[str, object]:
    return {"msgtype": "markdown", "markdown": {"content": text}}


def test_the_robot_takes_twenty_messages_a_minute() -> None:
    clock = Clock()
    robot = Robot(None, clock)
    codes = [robot.take("k", markdown(f"第{n}条"))[1]["errcode"] for n in range(22)]
    assert codes == [0] * 20 + [45009] * 2
    assert robot.take("another", markdown("x"))[1]["errcode"] == 0
    clock.now += 60
    assert robot.take("k", markdown("later"))[1]["errcode"] == 0
    assert [entry["text"] for entry in robot.messages[:2]] == ["第0条", "第1条"]
    assert len(robot.refused) == 2


@pytest.mark.parametrize(
    ("key", "body", "errcode"),
    [
        ("wrong", markdown("x"), 93000),
        ("", markdown("x"), 93000),
        ("k", None, 40008),
        ("k", {"msgtype": "voice"}, 40008),
        ("k", {"msgtype": ["markdown"]}, 40008),
        ("k", {"msgtype": "text", "text": "x"}, 40008),
        ("k", markdown(""), 44004),
        ("k", markdown("火" * 1366), 40058),
        ("k", {"msgtype": "text", "text": {"content": "x" * 2049}}, 40058),
        ("k", {"msgtype": "text", "text": {"content": "x" * 2048}}, 0),
    ],
)
def test_the_robot_refuses_as_documented(key: str, body: object, errcode: int) -> None:
    robot = Robot(["k"], Clock())
    status, answer = robot.take(key, body)
    assert (status, answer["errcode"]) == (200, errcode)
    assert bool(robot.messages) == (errcode == 0)


def test_the_robot_fails_as_often_as_it_is_told() -> None:
    robot = Robot(None, Clock())
    robot.faults = RobotFaults(times=2, status=503)
    assert [robot.take("k", markdown("x"))[0] for _ in range(3)] == [503, 503, 200]
    assert len(robot.messages) == 1
    robot.faults = RobotFaults(times=1, errcode=-1, accept=True)
    assert robot.take("k", markdown("taken, but the answer is lost"))[1]["errcode"] == -1
    assert len(robot.messages) == 2


@given(message=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), text=st.text())
def test_signatures_agree_with_the_library_both_ways(message: str, text: str) -> None:
    """The library is what the hub signs with; ours was written from the specification."""
    body, now = json.dumps({"text": text}).encode(), datetime.now(UTC)
    Webhook(SECRET).verify(body, signed(SECRET, message, body, now.timestamp()))
    theirs = {
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(message, now, body.decode()),
    }
    assert unsound(SECRET, theirs, body, now.timestamp()) is None
    assert unsound(SECRET, theirs, body + b" ", now.timestamp()) == "the signature does not match"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", signed(SECRET, message, body, now.timestamp()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": ""}, "missing"),
        ({"webhook-timestamp": "now"}, "whole number"),
        ({"webhook-timestamp": "1699999000"}, "away"),
        ({"webhook-signature": "v1,AAAA"}, "does not match"),
        ({"webhook-signature": "火"}, "does not match"),
    ],
)
def test_unsound_signatures_say_why(change: dict[str, str], reason: str) -> None:
    headers = {**signed(SECRET, "m1", b"{}", 1_700_000_000), **change}
    assert reason in (unsound(SECRET, headers, b"{}", 1_700_000_000) or "")


def order(kind: str = "incident", incident: str = "inc_1", **more: str) -> bytes:
    return json.dumps({"kind": kind, "incident": incident, **more}).encode()


def test_an_order_is_opened_once_however_often_it_is_sent() -> None:
    book = OrderBook()
    outcome, first = book.take("wh_1", order(), AT)
    assert (outcome, first.code, first.created) == ("accepted", 0, True)
    again, answer = book.take("wh_1", order(), AT)
    assert (again, answer.order_no, answer.created) == ("repeats", first.order_no, False)
    assert book.take("wh_1", order(text="another"), AT)[0] == "conflicts"
    assert list(book.orders) == [first.order_no]


def test_a_new_id_for_the_same_incident_opens_no_second_order_and_is_counted() -> None:
    book = OrderBook()
    first = book.take("wh_1", order(), AT)[1]
    assert book.take("wh_2", order(), AT)[1].order_no == first.order_no
    assert book.ledger()["same_incident"] == 1
    assert book.ledger()["orders"] == 1


def test_a_status_updates_its_order_and_an_unknown_one_is_refused() -> None:
    book = OrderBook()
    number = book.take("wh_1", order(), AT)[1].order_no
    assert book.take("wh_2", order("status", state="closed"), AT)[0] == "accepted"
    assert book.orders[number]["updates"][0]["body"]["state"] == "closed"
    outcome, answer = book.take("wh_3", order("status", "inc_9"), AT)
    assert (outcome, answer.code) == ("refused", 4040)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"incident": 7}', b"\xff", b"[" * 100_000, order("other")])
def test_nonsense_is_refused_and_may_be_sent_better_under_the_same_id(body: bytes) -> None:
    book = OrderBook()
    outcome, answer = book.take("wh_1", body, AT)
    assert outcome == "refused"
    assert answer.code >= 4000
    assert book.take("wh_1", order(), AT)[0] == "accepted"


def test_the_ledger_balances() -> None:
    book = OrderBook()
    for webhook_id, body in (("a", order()), ("a", order()), ("a", order(x="1")), ("b", b"{}")):
        outcome, answer = book.take(webhook_id, body, AT)
        book.note(AT, webhook_id, body, outcome, answer)
    ledger = book.ledger()
    outcomes = ("accepted", "repeats", "conflicts", "unsigned", "refused", "failed")
    assert ledger["attempts"] == sum(ledger[name] for name in outcomes) == 4
    assert [ledger[name] for name in outcomes] == [1, 1, 1, 0, 1, 0]


def test_a_callback_names_both_numbers_and_keeps_count_of_its_delivery() -> None:
    book = OrderBook()
    number = book.take("wh_1", order(), AT)[1].order_no
    callback = book.callback(number, "70", "已办结", AT)
    told = {"order_no": number, "ext_order_no": "inc_1", "status": "70", "note": "已办结", "at": AT}
    assert json.loads(callback.body()) == told
    book.told(callback, delivered=False, answer="503")
    book.told(callback, delivered=True, answer="200")
    entry = book.orders[number]["callbacks"][0]
    assert (entry["attempts"], entry["delivered"]) == (2, True)
    assert book.orders[number]["status"] == "70"
