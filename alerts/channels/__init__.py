"""The ways to a person's phone: one file for each kind of chat robot, listed here."""

from __future__ import annotations

from typing import Final

from alerts.channels.dingtalk import DingTalk
from alerts.channels.feishu import Feishu
from alerts.channels.port import Address, Answer, Channel, Request
from alerts.channels.wecom import WeCom

CHANNELS: Final[dict[str, Channel]] = {"wecom": WeCom(), "dingtalk": DingTalk(), "feishu": Feishu()}

__all__ = ["CHANNELS", "Address", "Answer", "Channel", "Request"]
