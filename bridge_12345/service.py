"""The bridge role: orders out to the hotline, its answers in, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import structlog
import uvicorn

from bridge_12345.inward import Inward, application
from bridge_12345.outward import Outward, Peer
from hub import outbox
from hub.bus import Bus
from hub.errors import ConfigError, TransientError
from hub.progress import Progress
from hub.redact import redact
from hub.store import Store

log = structlog.get_logger()

IDLE = 0.3
"""Seconds between two looks for promises to the hotline."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where the hotline's callbacks come in. `certificate` and `key` are PEM files; None for plain http."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


class _Server(uvicorn.Server):
    """Leaves signals to the program that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(bus: Bus, store: Store, peer: Peer, door: Door, worker: str, progress: Progress) -> None:
    """Serve until cancelled. Raises ConfigError when the port can't be had."""
    inward = Inward(bus, store, peer.secret)
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(_posting(Outward(store, client, peer, worker), store, bus, worker, progress))
        tasks.create_task(_listening(inward, door))


async def _posting(outward: Outward, store: Store, bus: Bus, worker: str, progress: Progress) -> None:
    beat, released = progress.beat("outward"), False
    while True:
        beat()
        sent = 0
        try:
            if not released:
                await outbox.release(store, worker)
                released = True
            sent = await outward.round()
            if sent:
                # The receipts, without waiting for the other role to publish them.
                await outbox.forward(store, bus)
        except TransientError as error:
            log.warning("waiting", loop="bridge", error=redact(str(error)))
        if not sent:
            await asyncio.sleep(IDLE)


async def _listening(inward: Inward, door: Door) -> None:
    try:
        listener = socket.create_server((door.host, door.port))
    except OSError as error:
        raise ConfigError(
            f"bridge: no door on {door.host}:{door.port} ({error.strerror}); change 'bridge.host' or 'bridge.port'"
        ) from error
    config = uvicorn.Config(
        application(inward),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_certfile=str(door.certificate) if door.certificate else None,
        ssl_keyfile=str(door.key) if door.key else None,
    )
    server = _Server(config)
    with listener:
        log.info("bridge_listens", host=door.host, port=listener.getsockname()[1])
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
