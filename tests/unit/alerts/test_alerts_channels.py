"""Robots: what is asked, how it is signed, and that a refusal in a 200 is a refusal."""

from __future__ import annotations

import json

import pytest

from alerts.channels import CHANNELS, Address
from alerts.channels.dingtalk import DingTalk
from alerts.channels.dingtalk import sign as dingtalk_sign
from alerts.channels.feishu import Feishu
from alerts.channels.feishu import sign as feishu_sign
from alerts.channels.wecom import WeCom
from alerts.message import Message

MESSAGE = Message("题", ("行",), "https://hub.test/#/incident/i", 1, "live", "13800000001")


def test_signatures_against_the_vectors() -> None:
    assert dingtalk_sign("SECtest", 1700000000000) == "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g="
    assert feishu_sign("SECtest", 1700000000) == "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="


def test_wecom_calls_the_person_by_phone() -> None:
    request = WeCom().request(Address("wecom", "http://robot/send?key=K"), MESSAGE, 0)
    assert request.url == "http://robot/send?key=K"
    assert request.body == {
        "msgtype": "text",
        "text": {"content": "题\n行\nhttps://hub.test/#/incident/i", "mentioned_mobile_list": ["13800000001"]},
    }


def test_dingtalk_signs_in_the_address_and_feishu_in_the_body() -> None:
    ding = DingTalk().request(Address("dingtalk", "http://d/send?access_token=T", "SECtest"), MESSAGE, 1700000000)
    assert ding.url.endswith("&timestamp=1700000000000&sign=aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D")
    assert ding.body["at"] == {"atMobiles": ["13800000001"]}
    lark = Feishu().request(Address("feishu", "http://f/hook/T", "SECtest"), MESSAGE, 1700000000)
    assert (lark.body["timestamp"], lark.body["sign"]) == ("1700000000", "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk=")
    assert "sign" not in Feishu().request(Address("feishu", "http://f/hook/T"), MESSAGE, 0).body


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome"),
    [
        ("wecom", 200, {"errcode": 0, "errmsg": "ok"}, "accepted"),
        ("wecom", 200, {"errcode": 45009}, "later"),
        ("wecom", 200, {"errcode": -1}, "later"),
        ("wecom", 200, {"errcode": 93000}, "refused"),
        ("wecom", 200, {"errcode": "0"}, "refused"),
        ("wecom", 200, {}, "later"),
        ("wecom", 200, None, "later"),
        ("wecom", 200, [0], "later"),
        ("wecom", 502, None, "later"),
        ("wecom", 429, None, "later"),
        ("wecom", 404, None, "refused"),
        ("wecom", 500, {"errcode": 0}, "later"),
        ("dingtalk", 200, {"errcode": 0}, "accepted"),
        ("dingtalk", 200, {"errcode": 310000}, "refused"),
        ("dingtalk", 200, {"errcode": 130101}, "later"),
        ("feishu", 200, {"code": 0}, "accepted"),
        ("feishu", 200, {"code": 19024}, "refused"),
        ("feishu", 200, {"code": 9499}, "later"),
        ("feishu", 200, {"StatusCode": 0}, "later"),
    ],
)
def test_answers(kind: str, status: int, body: object, outcome: str) -> None:
    assert CHANNELS[kind].judge(status, body).outcome == outcome


@pytest.mark.parametrize("kind", list(CHANNELS))
def test_every_channel_makes_json_and_no_answer_but_its_own_yes_is_a_yes(kind: str) -> None:
    channel = CHANNELS[kind]
    json.dumps(channel.request(Address(kind, "http://x?y=z", "s"), MESSAGE, 1.0).body)
    bodies: tuple[object, ...] = (
        None,
        "",
        0,
        [],
        {},
        {"ok": True},
        {"errcode": None},
        {"code": None},
        {"errcode": 1, "code": 1},
    )
    for body in bodies:
        assert channel.judge(200, body).outcome in ("refused", "later")


@pytest.mark.parametrize("kind", list(CHANNELS))
def test_every_listed_channel_has_a_file_of_its_name(kind: str) -> None:
    module = __import__(f"alerts.channels.{kind}", fromlist=["x"])
    assert module.__doc__
