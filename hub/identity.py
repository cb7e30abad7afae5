"""Ids that come from what was seen, so that seeing it twice is still once."""

from __future__ import annotations

import hashlib


def derived(kind: str, *parts: object) -> str:
    """An id of 26 characters, `kind` letters in front, that the same parts always give again.

    Parts are joined with a separator that no id or topic contains, so ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()
    return f"{kind}_{digest}"
