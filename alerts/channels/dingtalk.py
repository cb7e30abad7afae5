"""钉钉 group robot: signed in the address, `errcode` says whether it took the message."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final
from urllib.parse import quote_plus

from alerts.channels.port import Address, Answer, Request, plain, unavailable
from alerts.message import Message

TEXT_BYTES: Final = 20000
BUSY: Final = -1
TOO_FAST: Final = frozenset({130101, 130102})
"""Sending too fast (from memory, not from a document: anything else unknown counts as a refusal)."""


class DingTalk:
    """POST .../robot/send?access_token=T&timestamp=ms&sign=S. After 20 in a minute it blocks for ten."""

    per_minute = 20

    def request(self, address: Address, message: Message, now: float) -> Request:
        """See Channel."""
        url = address.url
        if address.secret:
            stamp = int(now * 1000)
            url += f"&timestamp={stamp}&sign={quote_plus(sign(address.secret, stamp))}"
        at: dict[str, Any] = {"atMobiles": [message.mention]} if message.mention else {}
        return Request(url, {"msgtype": "text", "text": {"content": plain(message, TEXT_BYTES)}, "at": at})

    def judge(self, status: int, body: object) -> Answer:
        """See Channel."""
        if (other := unavailable(status)) is not None:
            return other
        code = body.get("errcode") if isinstance(body, dict) else None
        said = f"errcode {code}: {body.get('errmsg', '')}" if isinstance(body, dict) else "no JSON"
        if code == 0:
            return Answer("accepted", said)
        if code in TOO_FAST:
            return Answer("later", said, wait=600.0, limited=True)
        return Answer("later" if code == BUSY or code is None else "refused", said)


def sign(secret: str, stamp: int) -> str:
    """base64(HMAC-SHA256(secret, "<ms>\\n<secret>")), as DingTalk's document on custom robots has it."""
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
