"""What the doctor says of one thing: whether it is well, and if not, what to do."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from hub.redact import redact

State = Literal["ok", "note", "warning", "trouble"]
"""`note`: not well and not ill, as a database that sleeps because nobody runs the hub."""

_MARKS: Final[dict[State, str]] = {"ok": "ok", "note": "--", "warning": "WARNING", "trouble": "TROUBLE"}


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's report. No credentials are ever shown, whatever a part put in here."""

    subject: str
    state: State
    says: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether the hub can do its work as far as this goes."""
        return self.state != "trouble"

    def line(self) -> str:
        """As people read it."""
        told = f"{_MARKS[self.state]:8}{self.subject:12}{self.says}"
        return redact(f"{told}\n{'':20}-> {self.remedy}" if self.remedy else told)

    def as_dict(self) -> dict[str, str | bool]:
        """As --json prints it."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "state": self.state,
            "says": redact(self.says),
            "remedy": redact(self.remedy),
        }
