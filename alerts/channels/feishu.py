"""飞书 group robot: signed in the body, `code` says whether it took the message."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

from alerts.channels.port import Address, Answer, Request, plain, unavailable
from alerts.message import Message

TEXT_BYTES: Final = 18000
TOO_FAST: Final = frozenset({9499, 11232})
"""Sending too fast (from memory, not from a document: anything else unknown counts as a refusal)."""


class Feishu:
    """POST .../open-apis/bot/v2/hook/T with `timestamp` and `sign` in the body."""

    per_minute = 100

    def request(self, address: Address, message: Message, now: float) -> Request:
        """See Channel."""
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": plain(message, TEXT_BYTES)}}
        if address.secret:
            stamp = int(now)
            body |= {"timestamp": str(stamp), "sign": sign(address.secret, stamp)}
        return Request(address.url, body)

    def judge(self, status: int, body: object) -> Answer:
        """See Channel."""
        if (other := unavailable(status)) is not None:
            return other
        code = body.get("code") if isinstance(body, dict) else None
        said = f"code {code}: {body.get('msg', '')}" if isinstance(body, dict) else "no JSON"
        if code == 0:
            return Answer("accepted", said)
        if code in TOO_FAST:
            return Answer("later", said, wait=20.0, limited=True)
        return Answer("later" if code is None else "refused", said)


def sign(secret: str, stamp: int) -> str:
    """base64(HMAC-SHA256(key="<s>\\n<secret>", "")): the text is the key, as Feishu's document has it."""
    digest = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
