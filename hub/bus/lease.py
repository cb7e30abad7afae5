"""Groups on the disk: who holds what and how far each group has come, shared by all processes of a machine."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from hub.bus.group import Group
from hub.bus.sqlite import opened, told, transaction

R = TypeVar("R")

# One row of JSON per group: a few kilobytes, read and replaced as a whole, and an operator can look at it.
_SCHEMA: Final = """
CREATE TABLE "group" (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
"""


class Leases:
    """The groups' file. Every method may block for some milliseconds and is safe from any thread.

    A power cut may take the last commits (they come again then), a killed process none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._decoder = msgspec.json.Decoder(Group)
        self._version = -1
        self._generations: dict[str, int] = {}
        self._connection: sqlite3.Connection = opened(path, _SCHEMA, full=False)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def generation(self, name: str) -> int:
        """The group's generation now. Asks the file only when another process has written to it."""
        with self._lock, told(self._path):
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._generations.clear()
                self._version = version
            if name not in self._generations:
                row = self._connection.execute('SELECT generation FROM "group" WHERE name=?', (name,)).fetchone()
                self._generations[name] = row[0] if row else 0
            return self._generations[name]

    def get(self, name: str) -> Group:
        """The group as it stands; an empty one when there is none of that name."""
        with self._lock, told(self._path):
            return self._get(name)

    def change(self, name: str, step: Callable[[Group], tuple[Group, R]]) -> R:
        """Replace the group by what `step` makes of it in one transaction; returns the step's other half."""
        with self._lock, told(self._path), transaction(self._connection):
            before = self._get(name)
            after, answer = step(before)
            if after is not before:
                state = msgspec.json.encode(after).decode()
                self._connection.execute(
                    'INSERT OR REPLACE INTO "group" VALUES (?, ?, ?)', (name, after.generation, state)
                )
            self._generations[name] = after.generation
        return answer

    def _get(self, name: str) -> Group:
        row = self._connection.execute('SELECT state FROM "group" WHERE name=?', (name,)).fetchone()
        return Group() if row is None else self._decoder.decode(row[0])
