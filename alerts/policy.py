"""What counts as an emergency, how urgent each kind is, and who is told of it by which way."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hub.settings.quantity import Seconds

Hotline = Literal["never", "copy", "order"]
Level = Literal["device", "floor", "unit", "building", "site"]

RINGING: Final = 2
"""Priorities up to this one ring and climb until somebody acknowledges."""
TELLING: Final = 3
"""Priorities up to this one are told to the grid worker; 4 (blue) only shows on the page."""


class KindPolicy(BaseModel):
    """How one kind of alarm is judged and who hears of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: int = Field(
        default=3, ge=1, le=4, description="响应优先级：1 红，2 橙，3 黄，4 蓝（只在页面显示，不响铃）"
    )
    early: int = Field(default=3, ge=1, le=4, description="预警（pre_alarm）时的优先级")
    fault: int = Field(default=4, ge=2, le=4, description="设备失联或故障时的优先级；故障从不按 1 级响铃")
    emergency: bool = Field(default=False, description="紧急情况：先告知值班室和网格员并提示拨打 119，热线只收抄送件")
    control_room: bool = Field(default=True, description="是否在值班页面出现")
    worker: bool = Field(default=True, description="是否通知网格员")
    hotline: Hotline = Field(default="never", description="12345 热线：never 不发，copy 发已处置抄送件，order 直接派单")


BUILT_IN: Final[dict[str, dict[str, Any]]] = {
    "thermal_fire": {"priority": 1, "early": 2, "fault": 3, "emergency": True, "hotline": "copy"},
    "smoke": {"priority": 1, "early": 2, "emergency": True, "hotline": "copy"},
    "heat": {"priority": 1, "early": 2, "emergency": True, "hotline": "copy"},
    "gas": {"priority": 1, "early": 2, "emergency": True, "hotline": "copy"},
    "co": {"priority": 1, "early": 2, "emergency": True, "hotline": "copy"},
    "sos": {"priority": 1, "early": 2, "emergency": True, "hotline": "copy"},
    "lift": {"priority": 2, "early": 3, "emergency": True, "hotline": "copy"},
    "falling_object": {"priority": 2, "early": 3, "fault": 3, "emergency": True, "hotline": "copy"},
    "manhole": {"priority": 2, "early": 3, "hotline": "order"},
    "water": {"priority": 3, "early": 4, "hotline": "order"},
    "electric": {"priority": 3, "early": 3},
    "door": {"priority": 4, "early": 4, "worker": False},
    "camera": {"priority": 3, "early": 4, "fault": 3},
    "system": {"priority": 2, "early": 3, "fault": 3, "worker": False},
}
"""Kinds as detectors name them; a kind that is not here is judged by `other`."""


class LinkRule(BaseModel):
    """Alerts of these kinds at one place within this time are signs of one incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[str, ...] = Field(default=(), description="一起判断的报警类型；留空表示任何同类报警")
    same: Level = Field(default="building", description="多近算同一地点：device、floor、unit、building、site")
    within: Seconds = Field(default=180.0, gt=0, le=3600, description="相隔多久以内算同一起事件")
    faults: bool = Field(default=False, description="这条规则只关联设备故障；其他规则只关联报警")
    enabled: bool = Field(default=True, description="是否启用")


BUILT_IN_LINKS: Final[dict[str, dict[str, Any]]] = {
    "fire": {"kinds": ("thermal_fire", "smoke", "heat", "co"), "same": "building", "within": "3 min"},
    "gas": {"kinds": ("gas", "co", "thermal_fire"), "same": "unit", "within": "3 min"},
    "fall": {"kinds": ("falling_object",), "same": "building", "within": "10 min"},
    "again": {"same": "device", "within": "5 min"},
    "silence": {"same": "site", "within": "2 min", "faults": True},
}


class AlertSettings(BaseModel):
    """What operators tune about alarms (section `alerts`): kinds, links, reminders, the hotline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["zh", "en"] = Field(default="zh", description="消息使用的语言")
    kinds: dict[str, KindPolicy] = Field(
        default_factory=lambda: {name: KindPolicy.model_validate(kind) for name, kind in BUILT_IN.items()},
        description="各类报警的处置策略，按类型命名",
    )
    other: KindPolicy = Field(
        default_factory=lambda: KindPolicy(priority=2, early=3), description="未列出类型的处置策略"
    )
    links: dict[str, LinkRule] = Field(
        default_factory=lambda: {name: LinkRule.model_validate(rule) for name, rule in BUILT_IN_LINKS.items()},
        description="关联规则，按名称",
    )
    longest_span: Seconds = Field(
        default=4 * 3600.0, gt=60, le=86400, description="一起事件最长持续多久；之后的报警另立事件"
    )
    repeat_after: Seconds = Field(default=30.0, ge=5, le=600, description="无人接警时再次推送的间隔")
    next_person_after: Seconds = Field(default=60.0, ge=10, le=1800, description="无人接警时通知下一级人员的间隔")
    acknowledged_for: Seconds = Field(
        default=600.0, ge=60, le=7200, description="接警后无后续动作，多久视为失效并重新提醒"
    )
    again_after: Seconds = Field(default=1800.0, ge=60, le=86400, description="事件关闭后报警仍持续，多久另立事件")
    merge_within: Seconds = Field(default=2.0, ge=0, le=30, description="同一摄像机重复报告同一次坠落的最大时间差")
    merge_pixels: float = Field(
        default=48.0, gt=0, le=500, description="同一摄像机重复报告同一次坠落的最大轨迹距离，像素"
    )
    hotline_waits: Seconds = Field(
        default=120.0, ge=10, le=3600, description="网格员未收到消息时，热线抄送件最多等多久"
    )
    clip_before: Seconds = Field(default=10.0, ge=1, le=60, description="证据片段在报警前多久开始")
    clip_after: Seconds = Field(default=5.0, ge=1, le=60, description="证据片段在报警后多久结束")

    @field_validator("kinds", mode="before")
    @classmethod
    def _over_built_in(cls, value: Any) -> Any:
        return _layered(BUILT_IN, value)

    @field_validator("links", mode="before")
    @classmethod
    def _links_over_built_in(cls, value: Any) -> Any:
        return _layered(BUILT_IN_LINKS, value)

    @model_validator(mode="after")
    def _never_the_hotline_alone(self) -> AlertSettings:
        for name, kind in (*self.kinds.items(), ("other", self.other)):
            if not kind.emergency:
                continue
            if kind.hotline == "order":
                raise ValueError(
                    f"kinds.{name}: an emergency is never a 12345 order; 12345 is no emergency line. "
                    "Write 'hotline: copy' (told after the control room and the grid worker) or 'hotline: never'"
                )
            if not (kind.control_room and kind.worker):
                left = "the control room" if not kind.control_room else "the grid worker"
                alone = "to the hotline alone" if kind.hotline != "never" else "without " + left
                raise ValueError(
                    f"kinds.{name}: an emergency would be told {alone}; "
                    "write 'control_room: true' and 'worker: true', or 'emergency: false'"
                )
        return self

    def kind(self, name: str) -> KindPolicy:
        """The policy for a kind, or the one for kinds that are not listed."""
        return self.kinds.get(name, self.other)

    def priority(self, kind: str, level: str) -> int:
        """1 (red) to 4 (blue) for a kind at a level: "fire", "alarm", "pre_alarm", "fault" or "notice"."""
        policy = self.kind(kind)
        if level == "fire":
            return 1 if kind not in self.kinds else policy.priority
        return {"alarm": policy.priority, "pre_alarm": policy.early, "fault": policy.fault}.get(level, 4)


def _layered(base: dict[str, dict[str, Any]], value: Any) -> Any:
    # Maps merge: naming one kind or rule in YAML leaves all the others as they are built in.
    if not isinstance(value, dict):
        return value
    return {
        name: {**base.get(name, {}), **value[name]}
        if isinstance(value.get(name, {}), dict) and name in value
        else value.get(name, base.get(name, {}))
        for name in (*base, *(name for name in value if name not in base))
    }
