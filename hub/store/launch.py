"""The step between the hub and its PostgreSQL: gives up root, ties the server's life to ours, becomes the server.

Run as a program: `launch.py PARENT SIGNAL UID GID MODE PROGRAM ARG...`, MODE being `plain`, `user` (run as UID and
GID) or `namespace` (stay who we are, but appear as UID and GID inside a user namespace). A program of its own
and not code between fork and exec, which in a process with threads may dead-lock.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h


def main(words: list[str]) -> None:
    """Never returns: becomes PROGRAM, or ends with the reason on stderr."""
    parent, signal, uid, gid = (int(word) for word in words[:4])
    mode, command = words[4], words[5:]
    os.umask(0o077)
    if mode == "user":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    elif mode == "namespace":
        _enter_namespace(uid, gid)
    # After the change of user, which would undo it.
    if signal and sys.platform == "linux":
        _checked(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal), "prctl")
        if os.getppid() != parent:
            sys.exit("the hub ended while PostgreSQL was being started")
    os.chdir("/")
    os.execv(command[0], command)  # noqa: S606  # becoming it is the point


def _enter_namespace(uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _checked(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")


def _checked(result: int, call: str) -> None:
    if result != 0:
        sys.exit(f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
