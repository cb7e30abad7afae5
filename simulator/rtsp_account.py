"""Who may watch a camera: user name and password, asked for in the Basic or the Digest way (RFC 7616, MD5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal

import msgspec


class Account(msgspec.Struct, frozen=True):
    """The one account of a simulated camera."""

    user: str
    password: str
    scheme: Literal["basic", "digest"] = "basic"


def challenge(account: Account, nonce: str) -> str:
    """The WWW-Authenticate line's value."""
    if account.scheme == "basic":
        return 'Basic realm="camera"'
    return f'Digest realm="camera", nonce="{nonce}"'


def refusal(account: Account, nonce: str, method: str, header: str) -> str | None:
    """Why an Authorization header's value is not accepted, or None when it is."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != account.scheme:
        return "no credentials" if not header else f"{scheme} is not the way that was asked for"
    if account.scheme == "basic":
        right = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
        return None if hmac.compare_digest(rest.strip(), right) else "wrong user or password"
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', rest))
    if said.get("nonce") != nonce:
        return "an old nonce"
    secret = _md5(f"{account.user}:camera:{account.password}")
    right = _md5(f"{secret}:{nonce}:{_md5(method + ':' + said.get('uri', ''))}")
    return None if hmac.compare_digest(said.get("response", ""), right) else "wrong user or password"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
