"""What may be published: a record's key, value and headers, and how large it may be."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.bus import MAX_PAYLOAD
from hub.errors import MessageError
from hub.topics import Topic
from hub.wire import Headers


def checked(topic: Topic[Any], noun: msgspec.Struct) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of a noun. Raises MessageError("too_large") above MAX_PAYLOAD."""
    key, value, headers = topic.encode(noun)
    if len(value) > MAX_PAYLOAD:
        raise MessageError("too_large", f"{len(value)} bytes on {topic.name}; at most {MAX_PAYLOAD} pass")
    return key, value, headers
