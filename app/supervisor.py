"""Keeping the hub's processes alive: started, watched, restarted with growing patience, ended together.

A process that holds one record for longer than it ever should is hung: it is killed here, its note of what was in
hand (hub/inflight.py) outlives it, and its successor knows what to be careful with.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

import structlog

from hub import inflight

log = structlog.get_logger()

PARENT: Final = "HUB_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1

HUNG_AFTER: Final = 60.0
"""Seconds that one record or batch may stay in hand."""


class Child:
    """One process to keep alive. `notes` are the in-hand notes it writes; empty for programs that are not ours."""

    def __init__(
        self, name: str, command: Sequence[str], notes: Sequence[Path] = (), env: dict[str, str] | None = None
    ):
        self.name = name
        self.command = tuple(command)
        self.notes = tuple(notes)
        self.env = env or {}
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Runs its children until stopped. `grace` is how long a child may take to end by itself, in seconds."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        grace: float = 3.0,
        told: Callable[[str, str], None] = lambda _name, _what: None,
        output: IO[str] | None = None,
    ) -> None:
        """`output`: where the children write what they say; None: where we do."""
        self.children = tuple(children)
        self.grace = grace
        self._told = told
        self._output = output
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Supervisor:
        self._tasks = [asyncio.create_task(self._keep(child), name=child.name) for child in self.children]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait(self) -> None:
        """Until cancelled; a failure of the supervisor itself comes out here."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """End all children: asked first, killed after `grace` seconds."""
        self._stopping.set()
        for child in self.children:
            _signal(child, signal.SIGTERM)
        running = [child for child in self.children if child.pid is not None]
        waits = {asyncio.create_task(child.process.wait()): child for child in running if child.process}
        if waits:
            _, late = await asyncio.wait(waits, timeout=self.grace)
            for wait in late:
                log.warning("process_killed", process=waits[wait].name, reason=f"did not end within {self.grace:g} s")
                _signal(waits[wait], signal.SIGKILL)
            await asyncio.gather(*waits)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, child: Child) -> None:
        patience = 0.2
        while not self._stopping.is_set():
            began = time.monotonic()
            child.starts += 1
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env={**os.environ, **child.env, PARENT: str(os.getpid())},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; we tell them, in order
                stdout=self._output,
                stderr=self._output,
            )
            code = await self._watch(child, child.process)
            if self._stopping.is_set():
                return
            if time.monotonic() - began > 30:
                patience = 0.2
            log.error("process_ended", process=child.name, code=code, restart_in=round(patience, 1))
            self._told(child.name, f"ended with code {code}; starting it again")
            await asyncio.sleep(patience)
            patience = min(patience * 2, 10.0)

    async def _watch(self, child: Child, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.create_task(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait({ended}, timeout=2.0)
                if done:
                    return ended.result()
                for note in child.notes:
                    held = inflight.read(note)
                    if held is not None and time.monotonic() - held.since > HUNG_AFTER:
                        log.error("process_hung", process=child.name, topic=held.topic, offset=held.offset)
                        self._told(child.name, f"hangs on record {held.topic}/{held.partition}/{held.offset}: killed")
                        process.kill()
                        return await ended
        finally:
            ended.cancel()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process and child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


def die_with_parent() -> None:
    """Called first thing in a child: end when the supervisor does, however that ended. Linux only; elsewhere no-op."""
    expected = os.environ.get(PARENT)
    if expected is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(expected):
        sys.exit("the process that started this one has gone")
