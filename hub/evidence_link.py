"""Addresses that show one piece of evidence to a peer: signed, for one incident alone, and only for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Final

KEEP: Final = 7 * 86400
"""Seconds for which an address given to the hotline holds: an order may be read days later."""


def sign(secret: bytes, base: str, evidence: str, incident: str, expires: datetime) -> str:
    """The address of `evidence` below `base` ("https://hub.example"), for whoever works on `incident`."""
    until = int(expires.timestamp())
    signature = _signature(secret, evidence, incident, until)
    return f"{base.rstrip('/')}/evidence/{evidence}?incident={incident}&expires={until}&signature={signature}"


def refusal(secret: bytes, evidence: str, incident: str, expires: str, signature: str, now: datetime) -> str | None:
    """Why this address shows nothing: a wrong signature or one whose time is over. None when it is good."""
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12:
        return "the address has no valid expiry"
    right = _signature(secret, evidence, incident, int(expires))
    if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
        return "the signature does not match"
    if now.timestamp() > int(expires):
        return "the address has expired"
    return None


def _signature(secret: bytes, evidence: str, incident: str, until: int) -> str:
    # Lengths in front, so that no two triples make one text.
    text = f"{len(evidence)}:{evidence}{len(incident)}:{incident}{until}".encode()
    return base64.urlsafe_b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode().rstrip("=")
