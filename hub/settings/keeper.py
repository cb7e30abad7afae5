"""The one process that reads the settings folder: checks what changed, stores what is sound, announces it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from watchfiles import awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from hub import metrics
from hub.bus import Bus
from hub.errors import ConfigError, Mistake, TransientError
from hub.model import SettingsRevision
from hub.settings.check import Checked, Decoders, Parses, examine, read_folder
from hub.settings.revision import body_of
from hub.settings.tuning_form import Sections
from hub.store import Store
from hub.topics import SETTINGS

log = structlog.get_logger()

QUIET_MS: Final = 300
"""An editor writes a file in several steps; we look once it has been quiet for so long."""
POLL_SECONDS: Final = 30.0
"""Network shares tell of no change: look without being told, too."""
_LONGEST_BURST_MS: Final = 5000
_AGAIN_SECONDS: Final = 2.0
_LOCK: Final = 0x53_65_74_74_69_6E_67_73  # "Settings": two keepers, by mistake, still count one after the other

_LAST: Final = "SELECT number, digest FROM settings_revision WHERE accepted ORDER BY number DESC LIMIT 1"
_INSERT: Final = """
INSERT INTO settings_revision (number, at, author, reason, digest, body, accepted)
VALUES (%s, %s, %s, %s, %s, %s, true)"""
_STATE: Final = """
INSERT INTO settings_state (one, last_ok, mistakes, checked_at) VALUES (true, %s, %s, %s)
ON CONFLICT (one) DO UPDATE
SET last_ok = excluded.last_ok, mistakes = excluded.mistakes, checked_at = excluded.checked_at"""


class Keeper:
    """Watches one folder. A bad folder keeps the old revision and says so; `last_ok` stays false while it is bad."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        bus: Bus,
        sections: Sections,
        decoders: Decoders | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._folder = folder
        self._store = store
        self._bus = bus
        self._sections = sections
        self._decoders = decoders
        self._environ = environ
        self._parses = Parses()
        self._seen: str | None = None
        self._announced = -1

    async def start(self) -> int:
        """Check and store the folder as it is; the number in force. Raises ConfigError with every mistake in it."""
        checked = await self.look()
        if checked is not None and checked.mistakes:
            raise ConfigError(list(checked.mistakes))
        return self._announced

    async def run(self) -> None:
        """Serve until cancelled: look whenever the folder changed, and every 30 s."""
        while True:
            try:
                await self.look()
                watch = awatch(
                    self._folder,
                    step=QUIET_MS,
                    debounce=_LONGEST_BURST_MS,
                    rust_timeout=round(POLL_SECONDS * 1000),
                    yield_on_timeout=True,
                )
                async with aclosing(watch):
                    async for _ in watch:
                        await self.look()
            except TransientError as error:
                # The store or the bus is away. What is on the disk stays there, so looking again is all it takes.
                log.warning("settings_wait", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            except (OSError, WatchfilesRustInternalError) as error:
                log.warning("settings_unwatched", folder=str(self._folder), error=str(error))
                await asyncio.sleep(POLL_SECONDS)

    async def look(self, author: str = "", reason: str = "") -> Checked | None:
        """Check the folder if it changed since the last look; store and announce what is new. None if unchanged.

        Raises TransientError; the next look then does it all again.
        """
        try:
            files = await asyncio.to_thread(read_folder, self._folder)
        except ConfigError as error:
            await self._told(tuple(error.mistakes))
            return None
        seen = _digest(files)
        if seen == self._seen:
            return None
        checked = await asyncio.to_thread(self._examine, files)
        if checked.mistakes:
            await self._told(checked.mistakes)
        else:
            await self._accept(checked, author or "files", reason)
        self._seen = seen
        return checked

    def _examine(self, files: Mapping[str, bytes]) -> Checked:
        return examine(
            files,
            self._sections,
            self._decoders,
            folder=self._folder,
            environ=self._environ,
            known=self._parses.of(files),
        )

    async def _accept(self, checked: Checked, author: str, reason: str) -> None:
        body = body_of(checked)
        now = datetime.now(UTC)
        async with self._store.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            number, digest = await _last(connection)
            if digest != body.digest:
                number, digest = number + 1, body.digest
                row = (number, now, author, reason, digest, Jsonb(msgspec.to_builtins(body)))
                await connection.execute(_INSERT, row)
            await connection.execute(_STATE, (True, Jsonb([]), now))
        metrics.SETTINGS_OK.set(1)
        if number != self._announced:
            # Announced at every start again: the process may have died between storing and announcing.
            sites = ("", *checked.city.sites)
            await self._bus.publish(
                SETTINGS, [SettingsRevision(site=site, at=now, number=number, digest=digest) for site in sites]
            )
            self._announced = number
            log.info("settings_stored", number=number, digest=digest[:12], warnings=len(checked.warnings))

    async def _told(self, mistakes: tuple[Mistake, ...]) -> None:
        """Say that the folder is not what is in force, and why."""
        metrics.SETTINGS_OK.set(0)
        log.error("settings_refused", mistakes=[str(mistake) for mistake in mistakes])
        async with self._store.connection() as connection:
            row = (False, Jsonb(msgspec.to_builtins(list(mistakes))), datetime.now(UTC))
            await connection.execute(_STATE, row)


def _digest(files: Mapping[str, bytes]) -> str:
    told = hashlib.sha256()
    for name in sorted(files):
        told.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(files[name]).digest())
    return told.hexdigest()


async def _last(connection: AsyncConnection[Any]) -> tuple[int, str]:
    """Number and digest of the newest accepted revision; (0, "") before the first."""
    cursor = await connection.execute(_LAST)
    row = await cursor.fetchone()
    return (int(row[0]), str(row[1])) if row is not None else (0, "")
