"""The settings in force: one numbered, immutable revision, swapped whole."""

from __future__ import annotations

import msgspec

from hub.settings.city import City
from hub.settings.tuning import Tuning


class Revision(msgspec.Struct, frozen=True):
    """What passed the check, under one number. Every decision carries the number that made it."""

    number: int
    digest: str
    city: City
    tuning: Tuning


class Settings:
    """One per process: holds the revision that this process works with."""

    def __init__(self, revision: Revision) -> None:
        self._current = revision

    @property
    def current(self) -> Revision:
        """The revision in force. Take it once per message, so that one decision has one revision."""
        return self._current
