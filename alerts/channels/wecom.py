"""企业微信 group robot: answers HTTP 200 always; whether it took the message is what `errcode` says."""

from __future__ import annotations

from typing import Any, Final

from alerts.channels.port import Address, Answer, Request, plain, unavailable
from alerts.message import Message

TEXT_BYTES: Final = 2048
"""developer.work.weixin.qq.com, document 91770: text at most 2,048 bytes, 20 messages a minute for one robot."""
TOO_FAST: Final = 45009
BUSY: Final = -1


class WeCom:
    """POST .../cgi-bin/webhook/send?key=K. Text, not markdown: only text calls a person by their phone number."""

    per_minute = 20

    def request(self, address: Address, message: Message, now: float) -> Request:
        """See Channel."""
        text: dict[str, Any] = {"content": plain(message, TEXT_BYTES)}
        if message.mention:
            text["mentioned_mobile_list"] = [message.mention]
        return Request(address.url, {"msgtype": "text", "text": text})

    def judge(self, status: int, body: object) -> Answer:
        """See Channel."""
        if (other := unavailable(status)) is not None:
            return other
        code = body.get("errcode") if isinstance(body, dict) else None
        said = f"errcode {code}: {body.get('errmsg', '')}" if isinstance(body, dict) else "no JSON"
        if code == 0:
            return Answer("accepted", said)
        if code == TOO_FAST:
            return Answer("later", said, wait=20.0, limited=True)
        if code == BUSY or code is None:
            return Answer("later", said)
        return Answer("refused", said)
