"""The machine itself: Python, packages, the data folder, and what time it believes it is."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from app.examination.finding import Finding
from app.wiring import VERSION
from hub.settings.deployment import DiskPart

OLDEST_PYTHON: Final = (3, 11)
_PACKAGES: Final = ("aiokafka", "av", "fastapi", "msgspec", "numpy", "paho-mqtt", "psycopg", "pydantic", "uvicorn")
_TIME_ERROR: Final = 5
"""adjtimex(2): the kernel's clock is not held by anybody."""


def programs() -> Iterator[Finding]:
    """Versions of Python, of the hub and of the packages that matter most when something is reported."""
    said = f"property-hub {VERSION} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("hub", "trouble", said, f"install Python {oldest} or newer, then: make clean demo")
    else:
        yield Finding("hub", "ok", said)
    found, absent = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    if absent:
        yield Finding(
            "packages",
            "trouble",
            f"missing: {', '.join(absent)}",
            "pip install --require-hashes -r requirements/hub.txt",
        )
    yield Finding("packages", "ok", ", ".join(found))


def data_folder(data: Path, disk: DiskPart) -> Iterator[Finding]:
    """Whether the data folder, or the nearest folder above that is there, can be written, and how full its disk is."""
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding("data", "trouble", f"{there} can't be written by this user", "change its owner, or set 'data:'")
        return
    yield Finding("data", "ok", f"{data} can be written" + ("" if there == data else " (the first start makes it)"))
    usage = shutil.disk_usage(there)
    share, free = usage.free / usage.total, usage.free / 2**30
    said = f"{free:.1f} GiB free, {share:.0%} of the disk"
    if share < disk.shrink_free or usage.free < disk.reserve:
        yield Finding(
            "disk",
            "trouble",
            said,
            "free some space now, or lower retention.video.size in hub.yaml: nothing makes room by itself",
        )
    elif share < disk.warn_free:
        yield Finding("disk", "warning", said, "free some space, or lower retention.video.size in hub.yaml")
    else:
        yield Finding("disk", "ok", said)


def running(data: Path) -> str:
    """The process id of the hub that works in this data folder; "" when there is none."""
    try:
        with (data / "hub.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return ""
    except BlockingIOError:
        return (data / "hub.lock").read_text().strip() or "unknown"
    except OSError:
        return ""


def held_clock() -> Finding:
    """Whether something holds this machine's clock to the right time, as the kernel says."""
    remedy = "run chrony or systemd-timesyncd: alarms of two machines are linked by their time"
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))  # modes 0: only asks
    except (OSError, AttributeError):
        return Finding("clock", "note", "this system does not say whether its clock is held", remedy)
    if answer == _TIME_ERROR:
        return Finding("clock", "warning", "nothing holds this machine's clock to the right time", remedy)
    if answer < 0:
        return Finding("clock", "note", "this process may not ask whether the clock is held", remedy)
    return Finding("clock", "ok", "this machine's clock is held by time synchronisation")
