"""The web process: the server, its pulse, the ear on the incidents, and the self-test, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
import uvicorn

from control_room import account, selftest
from control_room.certificate import TlsFiles, tls_files
from control_room.config import WebConfig
from control_room.incidents import shown
from control_room.office import Office
from control_room.page import create_app
from hub.bus import Bus, Delivery
from hub.errors import ConfigError
from hub.model import Incident
from hub.progress import Progress
from hub.service import Loop
from hub.settings.revision import Settings
from hub.store import Store
from hub.topics import INCIDENTS

log = structlog.get_logger()

LAST_WORDS = 2
"""Seconds that open requests get when the process ends."""


async def run(
    bus: Bus,
    store: Store,
    settings: Settings,
    config: WebConfig,
    progress: Progress,
    opened: Callable[[str], None] | None = None,
) -> None:
    """Serve until cancelled. `opened` is told the address once people can reach it.

    Raises ConfigError when the address is taken, or when it is off loopback and no TLS can be had.
    """
    listening = listen(config)
    with contextlib.closing(listening):
        port = listening.getsockname()[1]
        app_office, server = await _server(bus, store, settings, config, port)
        address = f"{'https' if app_office.tls else 'http'}://{_shown_host(config)}:{port}"
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(app_office.pulse.run(progress.beat("pulse"))),
                tasks.create_task(hear(app_office, progress.beat("incidents"))),
            ]
            if config.broker is not None:
                client_id = f"property-hub-selftest-{config.instance}"
                beat = progress.beat("selftest")
                helpers.append(tasks.create_task(selftest.publish(config.broker, client_id, beat)))
            serving = tasks.create_task(server.serve(sockets=[listening]))
            try:
                # The socket listens already: who comes before the server looks is only kept waiting.
                log.info("page_open", address=address)
                if opened is not None:
                    opened(address)
                await asyncio.shield(serving)
            finally:
                # The streams first: the server waits for its open connections, and a stream never ends by itself.
                app_office.stream.close()
                server.should_exit = True
                for helper in helpers:
                    helper.cancel()
                await asyncio.wait([serving], timeout=LAST_WORDS + 3)


def listen(config: WebConfig) -> socket.socket:
    """The listening socket; port 0 takes a free one. Raises ConfigError when the address can't be had."""
    host = "127.0.0.1" if config.host == "localhost" else config.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, config.port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"the page can't listen on {config.host} port {config.port}: {error.strerror}. "
            "Is another hub running? Stop it, or choose another port under 'web.port'"
        ) from error
    return listening


async def hear(office: Office, beat: Callable[[], None]) -> None:
    """Pass incidents on to the open pages as they change. Each process has its own group, for its own pages."""

    def beaten() -> None:
        beat()
        office.listened_at = office.monotonic()

    async def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        for delivery in deliveries:
            incident: Incident = delivery.decode()
            city = office.settings.current.city
            office.stream.say("incident", msgspec.json.encode(shown(incident, city)))

    group = f"control-room-{office.config.instance}"
    await Loop(office.bus, [INCIDENTS], group, beaten, start="latest").run(handle)


async def _server(
    bus: Bus, store: Store, settings: Settings, config: WebConfig, port: int
) -> tuple[Office, uvicorn.Server]:
    tls: TlsFiles | None = tls_files(config, datetime.now(UTC))
    if (note := await account.ensure_first(store, config.data)) is not None:
        log.warning("first_password_written", file=str(note), account=account.FIRST_NAME)
    app = create_app(bus, store, settings, config, tls)
    options = uvicorn.Config(
        app,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=config.proxy,
        server_header=False,
        timeout_graceful_shutdown=LAST_WORDS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    return app.state.office, _Server(options)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: who starts the process decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _shown_host(config: WebConfig) -> str:
    if config.host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return config.names[0] if config.names else socket.gethostname()
    return f"[{config.host}]" if ":" in config.host and not config.host.startswith("[") else config.host
