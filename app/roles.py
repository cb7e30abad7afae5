"""One role in this process: its engines opened, its settings followed, its progress told, its work begun."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import structlog

from app import upkeep
from app.ending import first, plainly, stop_event
from app.engines import open_bus, store_dsn
from app.supervisor import die_with_parent
from app.wiring import WORK, Context
from hub import log as logs
from hub import metrics
from hub.errors import TransientError
from hub.inflight import Inflight
from hub.progress import Progress
from hub.redact import redact
from hub.settings.deployment import Deployment
from hub.settings.keeper import Keeper
from hub.settings.revision import Settings
from hub.store import Store

log = structlog.get_logger()

ROLES: Final = ("ingest", "detect", "alerts", "bridge", "web")
KEEPER: Final = "web"
"""The role that reads the settings folder: one process, so that no two hosts decide on two states of a file."""

UPKEEPER: Final = "alerts"
"""The role that looks after what all stand on: the store's days, the lag of each group, the disk."""


def note_of(deployment: Deployment, role: str) -> Path:
    """Where a role notes what it has in hand."""
    return deployment.data / "inflight" / f"{role}.note"


async def run_role(role: str, config: Path) -> int:
    """Run one role until SIGINT or SIGTERM. Raises ConfigError when the configuration can't be used."""
    die_with_parent()
    # `kill -USR1` writes to the log where each thread stands.
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or sys.stderr)
    deployment = Deployment.load(config)
    logs.configure(role, deployment.log.level)
    stop = stop_event()
    try:
        await first(stop.wait(), _serve(role, config, deployment))
    except BaseExceptionGroup as several:
        log.error("role_failed", error=redact(repr(several)))
        raise plainly(several) from several
    return 0


async def _serve(role: str, config: Path, deployment: Deployment) -> None:
    instance = os.environ.get("HUB_INSTANCE") or socket.gethostname()
    async with AsyncExitStack() as stack:
        store = await _opened(stack, store_dsn(deployment))
        bus = await stack.enter_async_context(open_bus(deployment))
        progress = Progress(role, instance)
        inflight = Inflight(note_of(deployment, role))
        stack.callback(inflight.close)
        port = deployment.metrics.port
        if port is not None and (role == KEEPER or not metrics.shared()):
            stack.enter_context(metrics.served(deployment.metrics.host, port))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        if role == KEEPER:
            from app.sections import DECODERS, SECTIONS

            keeper = Keeper(config.parent, store, bus, SECTIONS, DECODERS)
            await keeper.start()
            tasks.create_task(keeper.run(), name="settings")
        settings = await Settings.open(store, role, instance)
        tasks.create_task(settings.follow(bus, progress.beat("settings")), name="follow")
        tasks.create_task(progress.tell(store), name="progress")
        if role == UPKEEPER:
            tasks.create_task(upkeep.run(bus, store, deployment), name="upkeep")
        context = Context(deployment, bus, store, settings, progress, inflight, instance)
        tasks.create_task(WORK[role](context), name=role)


async def _opened(stack: AsyncExitStack, dsn: str) -> Store:
    while True:
        try:
            return await stack.enter_async_context(Store.open(dsn, connections=6))
        except TransientError as error:
            # The database may be starting, or a neighbour still migrating it: there is nothing to do without it.
            log.warning("waiting_for_store", error=redact(str(error)))
            await asyncio.sleep(1.0)
