"""Which processes on this machine are still there: each holds a lock that the kernel lets go of when it dies.

So nobody waits for the lease of a process that was killed; one that hangs still holds its lock, and its lease decides.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

from hub.errors import TransientError

FORGET_SECONDS: Final = 3600.0
"""A lock nobody holds is swept away after this: every lease has ended long before."""


class Presence:
    """This process in `directory`, from now until `close` or its death. It works across containers, as no pid would."""

    def __init__(self, directory: Path) -> None:
        """Raises TransientError when the directory can't be written to."""
        self._directory = directory
        self.name = uuid4().hex
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path(self.name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TransientError(f"{directory}: {error}") from error
        self._sweep()

    def gone(self, name: str) -> bool:
        """Whether the process of this name is dead for certain. A name nobody knows is not."""
        if name in ("", self.name):
            return False
        try:
            file = os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # Shared, so that two who ask at once do not take each other for the living.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(file)

    def close(self) -> None:
        """This process is done with the bus."""
        os.close(self._file)
        self._path(self.name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        for path in self._directory.glob("*.lock"):
            try:
                old = time.time() - path.stat().st_mtime > FORGET_SECONDS
            except OSError:
                continue
            if old and self.gone(path.stem):
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.lock"
