"""An incident as a work order, and how the hotline's answers are read."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from standardwebhooks import Webhook

from alerts.condition import begin
from alerts.incident import MOVES
from alerts.policy import AlertSettings
from alerts.telling import hotline_order
from bridge_12345.order import STATES, Attachment, Promised, body
from bridge_12345.outward import judge
from tests.small_estate import START, incident, seen

ZONE = ZoneInfo("Asia/Shanghai")


def promised(action: Any = "create", kind: str = "smoke", changed: tuple[str, ...] = (), **fields: Any) -> Promised:
    """Through the very bytes that alerts writes and the bridge reads."""
    one = incident(begin(seen(kind)), title="翠湖苑 烟感报警", **fields)
    order = hotline_order(
        one, action, START, AlertSettings(), place="翠湖苑 3号楼", by="zhang", note="看过", told=("王秀兰",),
        changed=changed,
    )  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(order), type=Promised)


def test_an_emergencys_copy_says_that_it_is_one() -> None:
    order = body(promised(), ZONE)
    assert (order["kind"], order["emergency"], order["handling"]) == ("incident", True, "已按应急流程处置")
    assert order["content"].startswith("【已按应急流程处置】本单为抄送件")
    assert "王秀兰" in order["content"]
    assert order["occurred_at"] == "2026-11-23T10:00:00+08:00"
    assert (order["incident"], order["ext_order_no"]) == (promised().incident.id, promised().incident.id)


def test_an_order_is_not_marked_as_handled() -> None:
    order = body(promised(kind="water"), ZONE)
    assert (order["emergency"], order["handling"]) == (False, "")
    assert "应急" not in order["content"]


def test_a_status_says_who_did_what_and_carries_evidence_when_there_is_some() -> None:
    file = Attachment(name="clip", mime="video/mp4", size=1, sha256="00", url="https://x")
    plain = body(promised("status", state="closed"), ZONE)
    assert (plain["kind"], plain["status"], plain["by"], plain["note"]) == ("status", "70", "zhang", "看过")
    assert "attachments" not in plain
    assert (plain["changed"], "title" in plain) == ([], False)
    said = body(promised("status", changed=("state", "priority", "title")), ZONE)
    assert said["changed"] == ["state", "priority", "title"]
    assert {"urgency", "title"} <= set(said)
    assert "category" not in said
    assert body(promised("status"), ZONE, [file])["attachments"][0]["url"] == "https://x"


def test_every_state_has_a_code_of_the_hotline() -> None:
    assert {"new", *(move.after for move in MOVES.values())} <= STATES.keys()


def test_long_texts_are_cut_to_the_forms_limits() -> None:
    one = promised(why_linked=("长" * 3000,))
    order = body(msgspec.structs.replace(one, incident=msgspec.structs.replace(one.incident, title="题" * 300)), ZONE)
    assert (len(order["title"]), len(order["content"])) == (100, 2000)


def test_the_signature_against_the_standards_vector() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = START.fromtimestamp(1614265330, START.tzinfo)
    signature = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (200, {"code": 0, "data": {"order_no": "140681-1"}}, "accepted"),
        (200, {"code": 0}, "accepted"),
        (200, {"code": 4090, "msg": "x"}, "refused"),
        (200, {"code": 5000, "msg": "系统繁忙"}, "later"),
        (200, {"code": -1}, "later"),
        (500, {"code": 0}, "later"),
        (200, {"code": "0"}, "later"),
        (200, [], "later"),
        (502, None, "later"),
        (429, None, "later"),
        (404, None, "refused"),
    ],
)
def test_answers(status: int, said: object, outcome: str) -> None:
    content = b"<html>" if said is None else json.dumps(said).encode()
    answer = judge(status, content)
    assert answer.outcome == outcome
    if outcome == "accepted":
        assert answer.text in ("140681-1", "")


def test_an_answer_nested_without_end_is_no_answer() -> None:
    assert judge(200, b"[" * 100_000).outcome == "later"
