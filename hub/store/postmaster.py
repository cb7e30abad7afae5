"""The server process of a data directory, ours or one that an earlier run left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from hub.errors import ConfigError

_IMMEDIATE_SECONDS: Final = 10.0
_READY_LINE: Final = 7  # postmaster.pid: pid, data, start time, port, socket folder, host, shared memory, status


class Postmaster:
    """What `postmaster.pid` in a data directory says, and whether it is still true."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._file = data / "postmaster.pid"

    def pid(self) -> int | None:
        """The living server's process id. None when there is none, as when its number now means another program."""
        lines = self._lines()
        if not lines or not lines[0].strip().lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))  # a single-user server writes it negative
        return pid if os.fsencode(self.data) in _command_line(pid) else None

    def ready(self, pid: int) -> bool:
        """Whether the server `pid` accepts connections."""
        lines = self._lines()
        return len(lines) > _READY_LINE and lines[0].strip() == str(pid) and lines[_READY_LINE].strip() == "ready"

    async def end(self, patience: float) -> bool:
        """End a server that was left behind, cleanly, within `patience` seconds; harder after that.

        Returns whether there was one. A file that names some other program by now is removed, for it would keep the
        next server from starting. The caller holds the directory's lock. Raises ConfigError when it does not end.
        """
        pid = self.pid()
        if pid is None:
            self._file.unlink(missing_ok=True)
            return False
        for sign, seconds in ((signal.SIGINT, patience), (signal.SIGQUIT, _IMMEDIATE_SECONDS)):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                return True
            except PermissionError as error:
                raise ConfigError(f"{self.data} is served by process {pid}, which belongs to another user") from error
            if await self._gone(pid, seconds):
                return True
        raise ConfigError(f"the PostgreSQL server {pid} in {self.data}, left by an earlier run, does not end")

    async def _gone(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while os.fsencode(self.data) in _command_line(pid):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []


def _command_line(pid: int) -> bytes:
    """The words of a process, b"" when it is gone or only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return b""
    done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)  # macOS
    return done.stdout
