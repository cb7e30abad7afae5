"""Every text in every language, marks on all that is not live, and nothing cut off that matters."""

from __future__ import annotations

import string
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerts.channels.port import plain
from alerts.condition import begin
from alerts.message import TEXTS, Frame, compose, kind_name, mark
from alerts.policy import AlertSettings
from hub.model import PURPOSES
from tests.small_estate import incident, seen

FRAME = Frame("翠湖苑 3号楼 12层", "https://hub.test/", ZoneInfo("Asia/Shanghai"), "zh")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_all_languages_say_the_same_things() -> None:
    for language in TEXTS:
        assert TEXTS[language].keys() == TEXTS["zh"].keys(), language
        for key, text in TEXTS[language].items():
            assert fields(text) == fields(TEXTS["zh"][key]), (language, key)


@pytest.mark.parametrize("language", list(TEXTS))
def test_every_kind_and_priority_has_its_words(language: str) -> None:
    for kind in AlertSettings().kinds:
        assert kind in TEXTS[language]
        for level in ("alarm", "pre_alarm", "fault", "fire"):
            assert kind_name(begin(seen(kind, level=level)), language)
    assert "unheard-of" in kind_name(begin(seen("unheard-of")), language)


@pytest.mark.parametrize("purpose", [*sorted(PURPOSES - {"live"}), "unheard-of"])
def test_what_is_not_live_is_marked_in_front_of_everything(purpose: str) -> None:
    one = incident(begin(seen("smoke", purpose=purpose)), title="翠湖苑 烟感报警")
    message = compose(one, "请看", "", "", FRAME)
    assert message.title.startswith(mark(purpose, "zh"))
    assert message.title.startswith("【")
    assert mark("live", "zh") == ""


def test_a_message_says_where_when_why_and_leads_to_the_page() -> None:
    one = incident(
        begin(seen("smoke")), title="翠湖苑 烟感报警", why_linked=("同一楼栋 12 秒内：热成像火情与烟感报警",)
    )
    text = plain(compose(one, "请立即查看并接警", "王秀兰", "138", FRAME), 2048)
    assert text.splitlines() == [
        "[紧急·红] 翠湖苑 烟感报警",
        "请立即查看并接警",
        "地点: 翠湖苑 3号楼 12层",
        "时间: 2026-11-23 10:00:00",
        "关联: 同一楼栋 12 秒内：热成像火情与烟感报警",
        "依据: smoke 的依据",
        "编号: 20261123-001",
        "通知: 王秀兰",
        f"https://hub.test/#/incident/{one.id}",
    ]


@pytest.mark.parametrize("limit", [200, 201, 202, 203, 2048])
def test_a_long_message_keeps_its_title_and_its_link(limit: int) -> None:
    message = compose(incident(begin(seen("smoke")), title="翠湖苑"), "火" * 3000, "", "", FRAME)
    text = plain(message, limit)
    assert len(text.encode()) <= limit
    assert text.startswith("[紧急·红] 翠湖苑")
    assert text.endswith(message.link)
    assert "\ufffd" not in text


def test_no_page_no_link() -> None:
    frame = msgspec.structs.replace(FRAME, page="")
    assert compose(incident(begin(seen("smoke"))), "", "", "", frame).link == ""
