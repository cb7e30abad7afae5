"""How an incident reads as a 12345 work order: the fields of the hotline's form, and the codes of its states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from hub.model import Incident

HANDLED_BY_EMERGENCY: Final = "已按应急流程处置"

STATES: Final[dict[str, str]] = {
    "new": "20",
    "acknowledged": "40",
    "verifying": "40",
    "confirmed": "40",
    "dispatched": "40",
    "on_scene": "40",
    "handled": "50",
    "closed": "70",
    "false_alarm": "70",
}
"""Our states in the hotline's codes (受理 20, 办理中 40, 已回复 50, 已办结 70): practice, each city may differ."""

_WORDS: Final[dict[str, str]] = {
    "new": "待接警",
    "acknowledged": "已接警",
    "verifying": "核实中",
    "confirmed": "已确认",
    "dispatched": "已派人处置",
    "on_scene": "已到现场",
    "handled": "已处置",
    "closed": "已办结",
    "false_alarm": "不属实（误报）",
}

_CATEGORIES: Final[dict[str, str]] = {
    "thermal_fire": "消防安全",
    "smoke": "消防安全",
    "heat": "消防安全",
    "co": "燃气安全",
    "gas": "燃气安全",
    "falling_object": "高空抛物",
    "lift": "电梯安全",
    "sos": "紧急求助",
    "water": "供水排水",
    "manhole": "市政设施",
    "electric": "用电安全",
}

_FIELDS: Final = {"kind": "category", "priority": "urgency", "title": "title"}
"""What of an incident can change, and the field of the form that then goes with the status."""


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """What `alerts` promised the hotline: the body of an outbox row of the channel "hotline"."""

    incident: Incident
    action: Literal["create", "status"]
    handled_by_emergency: bool
    at: datetime
    place: str = ""
    by: str = ""
    note: str = ""
    told: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that the hotline may look at: its hash and a signed address that expires."""

    name: str
    mime: str
    size: int
    sha256: str
    url: str


def body(promised: Promised, zone: ZoneInfo, attachments: Sequence[Attachment] = ()) -> dict[str, Any]:
    """The JSON of the webhook. A creation has the whole form, a status what changed; both say who and when.

    `changed` of a status names what it is about: "state", "priority", "kind", "title", or "evidence".
    """
    incident = promised.incident
    files = [msgspec.to_builtins(one) for one in attachments]
    common = {
        "kind": "incident" if promised.action == "create" else "status",
        "incident": incident.id,
        "ext_order_no": incident.id,
        "number": incident.number,
        "seq": incident.version,
        "at": _clock(promised.at, zone),
        "state": incident.state,
        "state_text": _WORDS.get(incident.state, incident.state),
        "status": STATES.get(incident.state, "40"),
        "by": promised.by,
        "note": promised.note,
    }
    known = {
        "category": _CATEGORIES.get(incident.kind, "其他"),
        "urgency": {1: 1, 2: 1, 3: 2}.get(incident.priority, 3),
        "title": incident.title[:100],
    }
    if promised.action == "status":
        news = {field: known[field] for name, field in _FIELDS.items() if name in promised.changed}
        return {**common, "changed": list(promised.changed), **news, **({"attachments": files} if files else {})}
    emergency = promised.handled_by_emergency
    return {
        **common,
        **known,
        "source_channel": "物联感知",
        "appeal_type": 2,
        "content": content(promised, zone)[:2000],
        "event_addr": promised.place,
        "grid_code": incident.grid,
        "occurred_at": _clock(incident.opened_at, zone),
        "emergency": emergency,
        "handling": HANDLED_BY_EMERGENCY if emergency else "",
        "handled_by": list(promised.told),
        "attachments": files,
    }


def content(promised: Promised, zone: ZoneInfo) -> str:
    """诉求内容: what happened, why the signs belong together, and who was told before the hotline."""
    incident = promised.incident
    lines = [f"【{HANDLED_BY_EMERGENCY}】本单为抄送件，请勿按普通诉求流转。"] if promised.handled_by_emergency else []
    lines.append(f"{_clock(incident.opened_at, zone)}，{incident.title}。")
    lines += [f"{alert.reason}。" for alert in incident.alerts if alert.reason]
    lines += [f"关联依据：{reason}。" for reason in incident.why_linked]
    if promised.handled_by_emergency:
        people = "、".join(promised.told)
        lines.append(f"已先行通知值班室{'及' + people if people else '；网格员未确认收到'}。")
    return "\n".join(lines)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
