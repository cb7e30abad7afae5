"""What a message says on a phone: what, where, since when, why it was linked, where to look. All texts, by language."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from alerts.wording import floors, floors_named
from hub.model import Alert, Incident

FLOORS_AT_MOST: Final = 3
"""Ranges of floors that a title names when an incident is several falls."""

TEXTS: Final[dict[str, dict[str, str]]] = {
    "zh": {
        "thermal_fire": "热成像火情",
        "thermal_fire:pre_alarm": "热成像高温预警",
        "smoke": "烟感报警",
        "heat": "感温报警",
        "gas": "可燃气体报警",
        "co": "一氧化碳报警",
        "sos": "一键求助",
        "lift": "电梯困人",
        "falling_object": "高空抛物",
        "manhole": "井盖异动",
        "water": "水浸或水压异常",
        "electric": "电气火灾隐患",
        "door": "门磁报警",
        "camera": "摄像机异常",
        "system": "系统异常",
        "fault:smoke": "烟感失联或故障",
        "fault:heat": "感温探测器失联或故障",
        "fault:gas": "燃气探测器失联或故障",
        "fault:co": "一氧化碳探测器失联或故障",
        "fault:sos": "求助按钮失联或故障",
        "fault:lift": "电梯传感器失联或故障",
        "fault:water": "水浸水压传感器失联或故障",
        "fault:manhole": "井盖传感器失联或故障",
        "fault:electric": "电气火灾传感器失联或故障",
        "fault:door": "门磁失联或故障",
        "fault:camera": "摄像机失联",
        "fault:thermal_fire": "热成像摄像机失联",
        "fault:falling_object": "高空抛物摄像机失联",
        "fault": "设备失联或故障（{kind}）",
        "unknown": "报警（{kind}）",
        "pre_alarm": "{kind}（预警）",
        "seconds": "{n} 秒内",
        "minutes": "{n} 分钟内",
        "and": "{one}与{other}",
        "again": "{kind}再次发生",
        "another_rule": "{kind}的另一项判据也成立",
        "several": "多次{kind}",
        "linked": "{near} {span}：{what}",
        "same_device": "同一设备",
        "same_floor": "同一楼层",
        "same_unit": "同一单元",
        "same_building": "同一楼栋",
        "same_site": "同一小区",
        "priority_1": "紧急·红",
        "priority_2": "紧急·橙",
        "priority_3": "重要·黄",
        "priority_4": "提示·蓝",
        "mark_drill": "【演练】",
        "mark_test": "【测试】",
        "mark_canary": "【自检】",
        "mark_replay": "【回放】",
        "mark_other": "【非实警】",
        "opened": "请立即查看并接警",
        "reminder": "第 {n} 次提醒：仍无人接警",
        "escalated": "前面的人 {n} 秒内未接警，请您接手",
        "expired": "接警后一直没有后续处置，请重新接手",
        "linked_news": "有新的关联报警",
        "refined": "起始楼层判断有更新，请以此为准",
        "comma": "、",
        "more": "等",
        "from_floors": "（约 {floors}）",
        "inhibited": "已抑制（同一设备的{kind}仍在持续）：{reason}",
        "raised": "等级升高，请立即查看",
        "assigned": "{by}派给您处置：{reason}",
        "closed": "已办结（{by}）：{reason}",
        "false_alarm": "已判为误报（{by}）：{reason}",
        "place": "地点",
        "time": "时间",
        "why": "关联",
        "basis": "依据",
        "number": "编号",
        "to": "通知",
        "look": "打开事件",
        "unplaced": "未登记位置",
        "digest": "另有 {n} 条较低等级的消息",
        "nobody": "该地点没有可通知的网格员",
        "unreachable": "通讯录中已没有可通知的上级，继续提醒最后一人",
        "handled_by_emergency": "已按应急流程处置",
        "recovered": "设备已恢复",
        "evidence_ready": "证据已就绪",
        "condition_over": "报警条件已解除：{kind}",
        "unknown_purpose": "收到用途不明的记录（{purpose}），未对外发送",
    },
    "en": {
        "thermal_fire": "fire on thermal camera",
        "thermal_fire:pre_alarm": "hot spot on thermal camera",
        "smoke": "smoke alarm",
        "heat": "heat alarm",
        "gas": "gas alarm",
        "co": "carbon monoxide alarm",
        "sos": "call for help",
        "lift": "people trapped in lift",
        "falling_object": "falling object",
        "manhole": "manhole cover moved",
        "water": "water alarm",
        "electric": "electrical fire hazard",
        "door": "door alarm",
        "camera": "camera trouble",
        "system": "system ill",
        "fault:smoke": "smoke detector silent or faulty",
        "fault:heat": "heat detector silent or faulty",
        "fault:gas": "gas detector silent or faulty",
        "fault:co": "carbon monoxide detector silent or faulty",
        "fault:sos": "help button silent or faulty",
        "fault:lift": "lift sensor silent or faulty",
        "fault:water": "water sensor silent or faulty",
        "fault:manhole": "manhole sensor silent or faulty",
        "fault:electric": "electrical sensor silent or faulty",
        "fault:door": "door contact silent or faulty",
        "fault:camera": "camera silent",
        "fault:thermal_fire": "thermal camera silent",
        "fault:falling_object": "facade camera silent",
        "fault": "device silent or faulty ({kind})",
        "unknown": "alarm ({kind})",
        "pre_alarm": "{kind} (early warning)",
        "seconds": "within {n} s",
        "minutes": "within {n} min",
        "and": "{one} and {other}",
        "again": "{kind} again",
        "another_rule": "another rule of {kind} holds too",
        "several": "several: {kind}",
        "linked": "{near}, {span}: {what}",
        "same_device": "same device",
        "same_floor": "same floor",
        "same_unit": "same unit",
        "same_building": "same building",
        "same_site": "same site",
        "priority_1": "urgent, red",
        "priority_2": "urgent, orange",
        "priority_3": "important, yellow",
        "priority_4": "notice, blue",
        "mark_drill": "[DRILL] ",
        "mark_test": "[TEST] ",
        "mark_canary": "[SELF-TEST] ",
        "mark_replay": "[REPLAY] ",
        "mark_other": "[NOT REAL] ",
        "opened": "look now and acknowledge",
        "reminder": "reminder {n}: nobody has acknowledged",
        "escalated": "nobody before you acknowledged within {n} s: please take over",
        "expired": "acknowledged, but nothing followed: please take it again",
        "linked_news": "one more linked alarm",
        "refined": "a better look at the floor: go by this one",
        "comma": ", ",
        "more": " and more",
        "from_floors": " (about {floors})",
        "inhibited": "inhibited ({kind} of the same device is still on): {reason}",
        "raised": "more urgent now: look at once",
        "assigned": "{by} assigned this to you: {reason}",
        "closed": "closed by {by}: {reason}",
        "false_alarm": "false alarm says {by}: {reason}",
        "place": "Place",
        "time": "Time",
        "why": "Linked",
        "basis": "Because",
        "number": "Number",
        "to": "To",
        "look": "Open",
        "unplaced": "place not registered",
        "digest": "and {n} less urgent messages",
        "nobody": "no grid worker to tell at this place",
        "unreachable": "nobody further up to tell; the last one is reminded",
        "handled_by_emergency": "handled by emergency rules",
        "recovered": "the device is back",
        "evidence_ready": "evidence is ready",
        "condition_over": "condition over: {kind}",
        "unknown_purpose": "a record of unknown purpose ({purpose}); nothing of it leaves the hub",
    },
}


class Message(msgspec.Struct, frozen=True):
    """A message as a channel sends it: `title` is one line, `lines` follow; `link` leads to the incident's page."""

    title: str
    lines: tuple[str, ...]
    link: str
    priority: int
    purpose: str
    mention: str = ""
    """The phone number to call by name in a group chat; empty where nobody is."""
    language: str = "zh"


def mark(purpose: str, language: str) -> str:
    """What stands in front of everything that is not live; empty for live alone."""
    if purpose == "live":
        return ""
    texts = TEXTS[language]
    return texts.get("mark_" + purpose, texts["mark_other"])


def kind_name(alert: Alert, language: str) -> str:
    """What an alert is called: "烟感报警", "热成像高温预警", "烟感失联或故障"."""
    texts = TEXTS[language]
    if alert.level == "fault":
        return texts.get(f"fault:{alert.kind}") or texts["fault"].format(kind=alert.kind)
    name = texts.get(alert.kind) or texts["unknown"].format(kind=alert.kind)
    if alert.level == "pre_alarm":
        return texts.get(f"{alert.kind}:pre_alarm") or texts["pre_alarm"].format(kind=name)
    return name


def title(alerts: tuple[Alert, ...], place_words: str, language: str) -> str:
    """An incident's title: its place and the kinds it is made of, the most urgent first, each once.

    A fall says the floors that it may have begun at: never one that it only may, and never a flat.
    """
    texts = TEXTS[language]
    names: dict[str, dict[str, None]] = {}
    for alert in alerts:
        from_floors = names.setdefault(kind_name(alert, language), {})
        if (range_ := floors(alert)) is not None:
            from_floors[floors_named(range_, language)] = None
    said = [name + _from(tuple(of), texts) for name, of in names.items()]
    return f"{place_words} {texts['comma'].join(said)}".strip()


def _from(floors: tuple[str, ...], texts: dict[str, str]) -> str:
    if not floors:
        return ""
    more = texts["more"] if len(floors) > FLOORS_AT_MOST else ""
    return texts["from_floors"].format(floors=texts["comma"].join(floors[:FLOORS_AT_MOST]) + more)


class Frame(msgspec.Struct, frozen=True):
    """What all messages of a site share: the place in words, the page's address, the clocks' zone, the language."""

    place: str
    page: str
    zone: ZoneInfo
    language: str


def compose(incident: Incident, news: str, who: str, mention: str, frame: Frame) -> Message:
    """The message about an incident. `news` is why it is sent now, `who` the person it is for, `mention` the phone."""
    language = frame.language
    texts = TEXTS[language]
    head = f"{mark(incident.purpose, language)}[{texts[f'priority_{incident.priority}']}] {incident.title}"
    lines = [news, f"{texts['place']}: {frame.place}", f"{texts['time']}: {clock(incident.opened_at, frame.zone)}"]
    lines += [f"{texts['why']}: {reason}" for reason in incident.why_linked[-3:]]
    latest = [alert.reason for alert in incident.alerts if alert.reason]
    if latest:
        lines.append(f"{texts['basis']}: {latest[-1][:200]}")
    lines.append(f"{texts['number']}: {incident.number}")
    if who:
        lines.append(f"{texts['to']}: {who}")
    there = link(frame.page, incident.id)
    return Message(head, tuple(lines), there, incident.priority, incident.purpose, mention, language)


def link(page: str, incident: str) -> str:
    """The incident's place on the control-room page."""
    return f"{page.rstrip('/')}/#/incident/{incident}" if page else ""


def clock(at: datetime, zone: ZoneInfo) -> str:
    """An instant as people at the site read it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
