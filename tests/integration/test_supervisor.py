"""Processes kept alive: restarted when they end, killed when they hang, gone when we go."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from app.supervisor import Child, Supervisor
from hub.inflight import Held

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_process_that_dies_is_started_again_and_all_end_together() -> None:
    said: list[str] = []
    child = Child("sleeper", SLEEPS)
    async with Supervisor([child], told=lambda name, what: said.append(f"{name}: {what}")):
        await until(lambda: child.pid is not None)
        before = child.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: child.pid not in (None, before))
        after = child.pid
        assert child.starts == 2
    assert after is not None
    assert not psutil.pid_exists(after)
    assert said
    assert said[0].startswith("sleeper: ended with code -9")


async def test_one_that_ignores_the_request_is_killed() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = Child("deaf", [sys.executable, "-c", deaf])
    begun = time.monotonic()
    async with Supervisor([child], grace=0.5):
        await until(lambda: child.pid is not None)
        await asyncio.sleep(0.5)
    assert time.monotonic() - begun < 20
    assert child.pid is None


async def test_one_that_holds_a_record_too_long_is_killed_and_its_note_stays(tmp_path: Path) -> None:
    note = tmp_path / "x.note"
    held = Held("video", 3, 17, 17, time.monotonic() - 3600)
    note.write_bytes(msgspec.json.encode(held) + b"\0")
    said: list[str] = []
    child = Child("hung", SLEEPS, [note])
    async with Supervisor([child], told=lambda _name, what: said.append(what)):
        await until(lambda: any("hangs on record video/3/17" in line for line in said))
        await until(lambda: child.starts >= 2)
    assert note.read_bytes().startswith(b'{"topic":"video"')


async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = f"""
import asyncio, os, sys
from app.supervisor import Child, Supervisor
inner = "from app.supervisor import die_with_parent; die_with_parent(); import os, time; " \\
    "open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
async def main():
    async with Supervisor([Child("inner", [sys.executable, "-c", inner])]) as s:
        await s.wait()
asyncio.run(main())
"""
    outer = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await until(lambda: pids.exists() and pids.read_text())
    inner = int(pids.read_text())
    outer.kill()
    await outer.wait()
    await until(lambda: not psutil.pid_exists(inner) or psutil.Process(inner).status() == psutil.STATUS_ZOMBIE)
