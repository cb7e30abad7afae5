"""Signed webhooks (Standard Webhooks 1.0): HMAC-SHA256 over id, time and body. Our own few lines on purpose.

The hub signs with a library; a peer that used the same one could not notice that it signs wrongly.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

TOLERANCE: Final = 300.0
"""Seconds by which a message's time may differ from ours."""


def key_of(secret: str) -> bytes:
    """The key in a secret written as `whsec_<base64>` or plain base64. Raises ValueError."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def signed(secret: str, message: str, body: bytes, now: float) -> dict[str, str]:
    """The three headers that go with a body. `message` is its id, the same in every repeat."""
    stamp = str(int(now))
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{_sign(secret, message, stamp, body)}",
    }


def unsound(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """What is wrong with a signed message, or None. Header names are in lower case."""
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not stamp or "webhook-signature" not in headers:
        return "a webhook header is missing"
    if not stamp.isascii() or not stamp.isdigit():
        return "webhook-timestamp is no whole number of seconds"
    if abs(now - int(stamp)) > TOLERANCE:
        return f"webhook-timestamp is {now - int(stamp):.0f} s away"
    right = f"v1,{_sign(secret, message, stamp, body)}"
    given = headers["webhook-signature"].split(" ")
    if any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
        return None
    return "the signature does not match"


def _sign(secret: str, message: str, stamp: str, body: bytes) -> str:
    text = f"{message}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(key_of(secret), text, hashlib.sha256).digest()).decode()
