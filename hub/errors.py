"""What went wrong, named for what the caller does next.

    HubError
    ├── ConfigError      an operator edits YAML; every mistake is listed; the program ends with code 2
    ├── MessageError     this message can never succeed: dead-letter it and carry on
    └── TransientError   the world is down: wait, then the same message again

Anything else is a bug. It is dead-lettered loudly and never stands in the way of the alarms behind it.
Only ``hub/service.py`` acts on these; nobody else retries.
"""

from __future__ import annotations

import msgspec


class Mistake(msgspec.Struct, frozen=True):
    """One thing to mend in a YAML file. Lines and columns count from 1, as editors show them."""

    file: str
    line: int
    column: int
    path: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        what = f"{self.path}: {self.problem}" if self.path else self.problem
        return f"{where}  {what}" + (f"; {self.remedy}" if self.remedy else "")


class HubError(Exception):
    """Something the hub itself noticed and can put into words."""


class ConfigError(HubError):
    """The configuration can't be used as it stands. `mistakes` lists all that is wrong, not only the first."""

    def __init__(self, mistakes: list[Mistake] | str) -> None:
        self.mistakes = [] if isinstance(mistakes, str) else mistakes
        super().__init__(mistakes if isinstance(mistakes, str) else "\n".join(map(str, mistakes)))


class MessageError(HubError):
    """This message can never succeed. `reason` is a short word that metrics count by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class TransientError(HubError):
    """The world is down for the moment. The same message is worth another try."""
