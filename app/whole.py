"""The whole hub on one machine: engines first, then settings, then every role as a supervised process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import structlog

from app.ending import first, stop_event
from app.engines import store_dsn
from app.roles import ROLES, note_of
from app.sections import DECODERS, SECTIONS
from app.supervisor import Child, Supervisor
from app.wiring import BROKER_KIND, page_address
from hub import log as logs
from hub.errors import ConfigError, HubError
from hub.settings.check import check, report
from hub.settings.deployment import Deployment
from hub.store.embedded import EmbeddedPostgres
from hub.store.migrate import migrate
from ingest.broker import EmbeddedBroker

log = structlog.get_logger()

Told = Callable[[str, str], None]


def _untold(_name: str, _what: str) -> None:
    return None


async def run_all(config: Path) -> int:
    """Run everything until SIGINT or SIGTERM. Raises ConfigError when the configuration can't be used."""
    deployment = load(config)
    logs.configure("hub", deployment.log.level)
    stop = stop_event()
    async with running(config, deployment) as hub:
        log.info("running", page=page_address(deployment), data=str(deployment.data))
        await first(stop.wait(), hub.wait())
        log.info("stopping")
    return 0


def load(config: Path) -> Deployment:
    """The deployment, once the whole settings folder has passed its check. Raises ConfigError with all mistakes."""
    deployment = Deployment.load(config)
    checked = check(config.parent, SECTIONS, DECODERS)
    if checked.mistakes:
        raise ConfigError(report(checked, f"{config.parent}/"))
    return deployment


async def migrate_store(config: Path) -> list[str]:
    """Bring the tables of an external or running database up to date; the names of what was applied."""
    deployment = Deployment.load(config)
    if deployment.store.kind == "postgres":
        return await migrate(store_dsn(deployment))
    async with EmbeddedPostgres(deployment.store_directory) as server:
        return await migrate(server.dsn)


@asynccontextmanager
async def running(
    config: Path, deployment: Deployment, told: Told = _untold, output: IO[str] | None = None
) -> AsyncIterator[Supervisor]:
    """Engines and all roles, up when the block begins, gone when it has ended."""
    async with AsyncExitStack() as stack:
        stack.enter_context(sole(deployment.data))
        metrics = deployment.data / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(parents=True)
        told("store", "starting the database")
        if deployment.store.kind == "embedded":
            await stack.enter_async_context(_kept(deployment.store_directory))
        for name in await migrate(store_dsn(deployment)):
            log.info("migrated", migration=name)
        env = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), "PYTHONUNBUFFERED": "1"}
        if deployment.mqtt.broker == "embedded":
            told("mqtt", "starting the MQTT broker")
            broker = await stack.enter_async_context(
                EmbeddedBroker(deployment.data / "mqtt", deployment.mqtt.port, deployment.mqtt.host)
            )
            env["HUB_MQTT__PORT"] = str(broker.port)
            env[BROKER_KIND] = broker.kind
        # The web process reads the settings folder and is the first to start: the others wait for its revision.
        told("roles", "starting " + ", ".join(ROLES))
        children = [
            Child(
                role,
                [sys.executable, "-m", "app", "run", role, "--config", str(config)],
                [note_of(deployment, role)],
                env,
            )
            for role in ("web", *(role for role in ROLES if role != "web"))
        ]
        supervisor = await stack.enter_async_context(Supervisor(children, told=told, output=output))
        yield supervisor


async def _ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})


@contextmanager
def sole(data: Path) -> Iterator[None]:
    """Only one hub works in a data folder. Raises ConfigError that names the process in the way."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "hub.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise HubError(
                f"another hub, process {holder}, is at work in {data}: end it, or use another data folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@asynccontextmanager
async def _kept(directory: Path) -> AsyncIterator[None]:
    """The embedded database, started again whenever it ends by itself."""
    up = asyncio.Event()

    async def keep() -> None:
        while True:
            async with EmbeddedPostgres(directory) as server:
                up.set()
                log.critical("database_ended", words=await server.ended())
            await asyncio.sleep(1.0)

    keeper = asyncio.create_task(keep(), name="database")
    try:
        await first(up.wait(), _ended(keeper))
        if not up.is_set():
            await keeper  # it failed before it was up: the reason comes out here
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
