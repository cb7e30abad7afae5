"""What is reachable, in which version, and what to do about the rest. Changes nothing, sends nothing to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from app.examination.broker import broker
from app.examination.configuration import secrets, settings
from app.examination.engines import bus, store
from app.examination.finding import Finding
from app.examination.machine import data_folder, held_clock, programs, running
from app.examination.peers import cameras, peers
from hub.errors import ConfigError
from hub.settings.deployment import Deployment

__all__ = ["Finding", "examine"]


async def examine(config: Path) -> list[Finding]:
    """Every finding, in the order people read them: the machine, the settings, the engines, the peers.

    Works beside a running hub and without one. What is wrong is a finding and never an exception.
    """
    found = list(programs())
    checked, told = await asyncio.to_thread(settings, config.parent)
    found += told
    try:
        deployment = Deployment.load(config)
    except ConfigError as error:
        if not error.mistakes:  # else `settings` has told them
            found.append(Finding("settings", "trouble", str(error), "name the deployment file with --config"))
        return [*found, held_clock()]
    hub = running(deployment.data)
    parts = [
        store(deployment, hub),
        bus(deployment, hub),
        broker(deployment, hub),
        peers(deployment),
        *([cameras(deployment, checked.city)] if checked is not None else []),
    ]
    found += secrets(deployment)
    found += data_folder(deployment.data, deployment.disk)
    found.append(held_clock())
    state = f"running, process {hub}" if hub else "no hub runs on this data folder"
    found.append(Finding("running", "ok" if hub else "note", state, "" if hub else "property-hub run starts it"))
    for part in await asyncio.gather(*map(_all, parts)):
        found += part
    return found


async def _all(part: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in part]
