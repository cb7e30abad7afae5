"""How a process of the hub comes to its end: asked, or by a failure that must be heard."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from hub.errors import HubError


def stop_event() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM; the second ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    return stop


async def first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until one of them is done; the others are cancelled. What one failed with comes out."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def plainly(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a person must hear of several failures: the hub's own words where there are any, else the first."""
    named = group.subgroup(HubError)
    found: BaseException = named or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
