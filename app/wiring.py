"""How each role is put together: a page of constructor calls."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

import alerts.service
import bridge_12345.service
import control_room.service
from alerts.channels import Address
from app.engines import Log
from bridge_12345.outward import Peer
from control_room.config import Broker, WebConfig
from hub.errors import ConfigError
from hub.inflight import Inflight
from hub.progress import Progress
from hub.settings.deployment import Deployment, Robot
from hub.settings.revision import Settings
from hub.store import Store

VERSION: Final = "0.1.0"


class Context(msgspec.Struct, frozen=True):
    """What every role stands on."""

    deployment: Deployment
    bus: Log
    store: Store
    settings: Settings
    progress: Progress
    inflight: Inflight
    instance: str


async def alert(context: Context) -> None:
    """The router, its timers and the messages to people."""
    deployment = context.deployment
    place = alerts.service.Place(
        worker=f"alerts-{context.instance}",
        page=(deployment.web.public_url or f"http://{deployment.web.host}:{deployment.web.port}").rstrip("/"),
        robots={name: _address(robot) for name, robot in deployment.channels.robots.items()},
        evidence=deployment.evidence_directory,
    )
    await alerts.service.run(context.bus, context.store, context.settings, place, context.progress)


async def bridge(context: Context) -> None:
    """The hotline: its copies, its orders, its answers."""
    part = context.deployment.bridge
    if part.hotline is None:
        raise ConfigError("bridge.hotline is not set: there is no hotline to talk to")
    peer = Peer(
        url=part.hotline.url,
        secret=part.hotline.secret.read(),
        zone=context.settings.current.city.zone,
        evidence_base=part.public_url or "",
        evidence_secret=link_secret(context.deployment.data),
    )
    door = bridge_12345.service.Door(
        host=part.host,
        port=part.port,
        certificate=part.tls.certificate if part.tls else None,
        key=part.tls.key if part.tls else None,
    )
    await bridge_12345.service.run(
        context.bus, context.store, peer, door, f"bridge-{context.instance}", context.progress
    )


def link_secret(data: Path) -> bytes:
    """The key that evidence addresses are signed with: made once, kept for this hub alone."""
    path = data / "secrets" / "evidence-link"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()


def _address(robot: Robot) -> Address:
    url = robot.url
    if robot.key is not None:
        url += ("&" if "?" in url else "?") + f"key={robot.key.read()}"
    return Address(robot.kind, url, robot.secret.read() if robot.secret else "")


WORK: Final[dict[str, Callable[[Context], Awaitable[None]]]] = {"alerts": alert, "bridge": bridge}
