"""The settings in force: one numbered, immutable revision, swapped whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import structlog

from hub import metrics
from hub.bus import Bus, Delivery
from hub.errors import ConfigError
from hub.service import Loop
from hub.settings.check import Checked, Parses, check, examine
from hub.settings.city import City
from hub.settings.deployment import FILE
from hub.settings.tuning import Tuning
from hub.settings.tuning_form import Sections
from hub.store import Store
from hub.topics import SETTINGS

log = structlog.get_logger()

_LOOK_AGAIN: Final = 0.5
_NEWEST: Final = """
SELECT number, digest, body FROM settings_revision
WHERE accepted AND number > %s ORDER BY number DESC LIMIT 1"""
_APPLIED: Final = """
INSERT INTO settings_applied (role, instance, number, at) VALUES (%s, %s, %s, %s)
ON CONFLICT (role, instance) DO UPDATE SET number = excluded.number, at = excluded.at"""


class Revision(msgspec.Struct, frozen=True):
    """What passed the check, under one number. Every decision carries the number that made it."""

    number: int
    digest: str
    city: City
    tuning: Tuning


class Body(msgspec.Struct, frozen=True):
    """A revision as the store keeps it: the text of every file, so that each value keeps its position."""

    files: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over names and texts, in the order of the names."""
        told = hashlib.sha256()
        for name in sorted(self.files):
            told.update(f"{name}\0{self.files[name]}\0".encode())
        return told.hexdigest()


def body_of(checked: Checked) -> Body:
    """What is stored of a checked folder: all but hub.yaml, which each host has for itself."""
    return Body({name: document.text for name, document in checked.documents.items() if name != FILE})


def revision_of(checked: Checked, number: int = 0) -> Revision:
    """A checked folder as a revision. Raises ConfigError with every mistake."""
    if checked.mistakes:
        raise ConfigError(list(checked.mistakes))
    return Revision(number, body_of(checked).digest, checked.city, checked.tuning)


def from_folder(folder: Path, sections: Sections) -> Revision:
    """The settings of a folder, for tools that run beside no hub. Raises ConfigError with every mistake."""
    return revision_of(check(folder, sections))


class Settings:
    """One per process: holds the revision that this process works with, and follows the announcements."""

    def __init__(self, revision: Revision, store: Store | None = None, role: str = "", instance: str = "") -> None:
        """Without a store the revision stays as it is: for tools and tests."""
        self._current = revision
        self._store = store
        self._role = role
        self._instance = instance
        self._parses = Parses()

    @property
    def current(self) -> Revision:
        """The revision in force. Take it once per message, so that one decision has one revision."""
        return self._current

    @classmethod
    async def open(cls, store: Store, role: str, instance: str, *, wait: float = 30.0) -> Self:
        """The newest accepted revision of the store; waits for the first one, at most `wait` seconds.

        Raises ConfigError when there is none by then, or when this version of the hub can't read it.
        """
        parses = Parses()
        for _ in range(max(1, round(wait / _LOOK_AGAIN))):
            revision = await newest(store, parses, above=-1)
            if revision is not None:
                settings = cls(revision, store, role, instance)
                settings._parses = parses
                await settings._told()
                return settings
            await asyncio.sleep(_LOOK_AGAIN)
        raise ConfigError("no settings are stored yet: the process that reads the folder has not checked it")

    async def refresh(self) -> bool:
        """Take the newest accepted revision, if it is newer than ours. Raises TransientError."""
        assert self._store is not None, "opened without a store"
        try:
            revision = await newest(self._store, self._parses, above=self._current.number)
        except ConfigError as error:
            # Another version of the hub accepted it. The page shows that we did not follow.
            log.error("settings_unreadable", role=self._role, instance=self._instance, error=str(error))
            return False
        if revision is None:
            return False
        self._current = revision
        await self._told()
        return True

    async def follow(self, bus: Bus, beat: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled: each announcement on the settings topic makes us look into the store."""

        async def handle(_: Sequence[Delivery[Any]]) -> None:
            await self.refresh()

        # Every process hears every announcement, so each is a group of its own. From the earliest: what was
        # announced between opening and subscribing is not missed, and hearing an old one again costs one query.
        await Loop(bus, [SETTINGS], f"settings-{self._role}-{self._instance}", beat).run(handle)

    async def _told(self) -> None:
        """Answer that we work by this revision now."""
        assert self._store is not None
        async with self._store.connection() as connection:
            row = (self._role, self._instance, self._current.number, datetime.now(UTC))
            await connection.execute(_APPLIED, row)
        metrics.SETTINGS_REVISION.set(self._current.number)
        log.info("settings_in_force", role=self._role, instance=self._instance, number=self._current.number)


async def newest(store: Store, parses: Parses, above: int) -> Revision | None:
    """The newest accepted revision with a number higher than `above`. Raises ConfigError, TransientError."""
    async with store.connection() as connection:
        cursor = await connection.execute(_NEWEST, (above,))
        row = await cursor.fetchone()
    if row is None:
        return None
    number, digest, body = row
    files: Mapping[str, str] = body["files"]
    raw = {name: text.encode() for name, text in files.items()}
    checked = await asyncio.to_thread(lambda: examine(raw, None, known=parses.of(raw)))
    if checked.mistakes:
        raise ConfigError(list(checked.mistakes))
    return Revision(number, digest, checked.city, checked.tuning)
