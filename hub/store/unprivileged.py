"""Who our PostgreSQL runs as: it refuses to be root, and so do we for it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from hub.errors import ConfigError
from hub.store.binaries import Binaries

_NOBODY: Final = 65534
_LAUNCHER: Final = Path(__file__).with_name("launch.py")


class Identity(msgspec.Struct, frozen=True):
    """`plain`: as ourselves. `user`: as another user. `namespace`: as ourselves on the disk, but without root's
    rights, under another user's number inside a user namespace."""

    mode: Literal["plain", "user", "namespace"]
    uid: int
    gid: int

    def command(self, program: Path | str, *words: str, dies_with_us: int = 0) -> list[str]:
        """The command line that starts `program` as this identity; `dies_with_us` is the signal it then gets.

        Linux sends it when the *thread* that started the program ends: start it from the main one.
        """
        head = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(dies_with_us)]
        return [*head, str(self.uid), str(self.gid), self.mode, str(program), *words]

    def own(self, path: Path) -> None:
        """Make `path` and all in it this identity's. The topmost comes last, so that half a job is done again."""
        uid, gid = (self.uid, self.gid) if self.mode == "user" else (os.geteuid(), os.getegid())
        if path.lstat().st_uid == uid:
            return
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(os.path.join(folder, name), uid, gid, follow_symlinks=False)
        os.chown(path, uid, gid, follow_symlinks=False)


def chosen(directory: Path, binaries: Binaries) -> Identity:
    """Ourselves; as root, `nobody` when that user can reach the programs and `directory`, else a user namespace.

    No right of any file or folder that is not ours is changed for it. Raises ConfigError when root can do neither.
    """
    if os.geteuid() != 0:
        return Identity("plain", os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam("nobody")
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        uid = gid = _NOBODY
    tries: dict[Literal["user", "namespace"], str] = {}
    for mode in ("user", "namespace"):
        identity = Identity(mode, uid, gid)
        problem = _refusal(identity, "/bin/sh", "-c", 'cd "$0" && exec "$1" --version', directory, binaries.postgres)
        if problem is None:
            return identity
        tries[mode] = problem
    raise ConfigError(
        "PostgreSQL must not run as root. User nobody can't run it "
        f"({tries['user']}), and no user namespace can be made ({tries['namespace']}):"
        f" start the hub as an ordinary user, or put it and {directory} where nobody can read"
    )


def _refusal(identity: Identity, program: str, *words: str | Path) -> str | None:
    command: Sequence[str] = identity.command(program, *map(str, words))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
