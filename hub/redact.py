"""Keeping passwords out of logs, errors and pages."""

from __future__ import annotations

import re
from typing import Final

_USERINFO: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@]*(?:@[^/\s@]*)*@", re.IGNORECASE)
_PARAMETER: Final = re.compile(
    r"((?:password|passwd|pwd|secret|token|access_token|key|sign|signature)=)[^&\s\"']+", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with the user and password of every address in it, and secrets in its query, replaced by ***.

    A password may itself hold '@': everything up to the last '@' before the host's slash is taken as user info.
    """
    return _PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1***@", text))
