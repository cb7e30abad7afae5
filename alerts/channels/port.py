"""What a channel is: how it words a message as a request, and how it reads the answer. No network in here."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from alerts.message import Message


class Address(msgspec.Struct, frozen=True):
    """One robot: its kind, its URL (with its key: never log it), and the secret it signs with, if any."""

    kind: str
    url: str
    secret: str = ""


class Request(msgspec.Struct, frozen=True):
    """A POST with a JSON body."""

    url: str
    body: dict[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """What the far side said: taken, refused for good, or not now (`wait` seconds; `limited` when we are too fast)."""

    outcome: Literal["accepted", "refused", "later"]
    text: str
    wait: float = 0.0
    limited: bool = False


class Channel(Protocol):
    """One kind of robot. `per_minute` messages are allowed by one robot."""

    per_minute: int

    def request(self, address: Address, message: Message, now: float) -> Request:
        """The request that sends this message at `now` (seconds since 1970)."""

    def judge(self, status: int, body: object) -> Answer:
        """What an HTTP answer means. Success is what the body says, never the status alone."""


def unavailable(status: int) -> Answer | None:
    """The answer for an HTTP status that says nothing about the message itself; None for 200."""
    if status == 200:
        return None
    if status == 429 or status >= 500:
        return Answer("later", f"HTTP {status}", limited=status == 429)
    return Answer("refused", f"HTTP {status}")


def plain(message: Message, limit: int) -> str:
    """The message as plain text of at most `limit` bytes of UTF-8. The link is never what is cut off."""
    link = f"\n{message.link}" if message.link else ""
    text = "\n".join((message.title, *message.lines))
    room = limit - len(link.encode())
    if len(text.encode()) > room:
        text = text.encode()[: max(0, room - 3)].decode("utf-8", "ignore") + "…"
    return text + link
