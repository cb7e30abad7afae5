"""How each role is put together: a page of constructor calls.

A role's packages are imported when it is put together, so that a process loads no more than its own: five processes
that each loaded everything took seconds of a small machine's start.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.engines import Log
from hub.errors import ConfigError
from hub.inflight import Inflight
from hub.progress import Progress
from hub.settings.deployment import Deployment, Robot
from hub.settings.revision import Settings
from hub.store import Store

if TYPE_CHECKING:
    from alerts.channels import Address
    from control_room.config import WebConfig

VERSION: Final = "0.1.0"
BROKER_KIND: Final = "HUB_BROKER_KIND"
AMQTT: Final = "演示用 MQTT 服务（amqtt），断线时可能丢失消息；正式使用请安装 mosquitto"
"""Said wherever amqtt stands in for a broker: it loses messages that were under way when a connection breaks."""


class Context(msgspec.Struct, frozen=True):
    """What every role stands on."""

    deployment: Deployment
    bus: Log
    store: Store
    settings: Settings
    progress: Progress
    inflight: Inflight
    instance: str


def web_config(deployment: Deployment, instance: str = "web") -> WebConfig:
    """How the page is served. Raises ConfigError when the broker's password can't be read."""
    from control_room.config import Broker, WebConfig

    part, mqtt = deployment.web, deployment.mqtt
    kind = broker_kind(deployment)
    return WebConfig(
        data=deployment.data,
        evidence=deployment.evidence_directory,
        host=part.host,
        port=part.port,
        certificate=part.tls.certificate if part.tls else None,
        key=part.tls.key if part.tls else None,
        proxy=part.proxy,
        instance=instance,
        version=VERSION,
        roles=tuple(role for role in WORK if role != "bridge" or deployment.bridge.hotline is not None),
        broker=Broker(
            host=mqtt.host,
            port=mqtt.port,
            username=mqtt.username,
            password=mqtt.password.read() if mqtt.password else None,
            ca=mqtt.tls.ca if mqtt.tls else None,
            kind=kind,
            note=AMQTT if kind == "amqtt" else "",
        ),
        link_secret=link_secret(deployment.data),
    )


def page_address(deployment: Deployment) -> str:
    """What people open, without a slash at the end."""
    part, config = deployment.web, web_config(deployment)
    host = f"[{part.host}]" if ":" in part.host else part.host
    return (part.public_url or f"{'https' if config.tls else 'http'}://{host}:{part.port}").rstrip("/")


def broker_kind(deployment: Deployment) -> str:
    """mosquitto or amqtt where the hub started the broker itself (hub/whole says which), external elsewhere."""
    return os.environ.get(BROKER_KIND, "") if deployment.mqtt.broker == "embedded" else "external"


async def ingest_all(context: Context) -> None:
    """The doors: MQTT, the cameras, and what keeps readings in the store."""
    import ingest.service

    deployment = context.deployment
    kind = broker_kind(deployment)
    doors = ingest.service.Doors(
        broker=ingest.service.broker_of(deployment.mqtt, kind if kind != "external" else ""),
        subscribed=ingest.service.subscribed_of(deployment.mqtt),
        address=deployment.stream_address,
    )
    await ingest.service.run(context.bus, context.store, context.settings, context.progress, doors)


async def detect(context: Context) -> None:
    """The detectors over video, thermal frames and readings."""
    import detectors.worker

    await detectors.worker.run(context.bus, context.store, context.settings, context.progress, context.inflight)


async def web(context: Context) -> None:
    """The page, its stream and its self-test."""
    import control_room.service

    config = web_config(context.deployment, context.instance)
    await control_room.service.run(context.bus, context.store, context.settings, config, context.progress)


async def alert(context: Context) -> None:
    """The router, its timers and the messages to people."""
    import alerts.service

    deployment = context.deployment
    place = alerts.service.Place(
        worker=f"alerts-{context.instance}",
        page=page_address(deployment),
        robots={name: _address(robot) for name, robot in deployment.channels.robots.items()},
        evidence=deployment.evidence_directory,
    )
    await alerts.service.run(context.bus, context.store, context.settings, place, context.progress)


async def bridge(context: Context) -> None:
    """The hotline: its copies, its orders, its answers."""
    import bridge_12345.service
    from bridge_12345.outward import Peer

    part = context.deployment.bridge
    if part.hotline is None:
        raise ConfigError("bridge.hotline is not set: there is no hotline to talk to")
    peer = Peer(
        url=part.hotline.url,
        secret=part.hotline.secret.read(),
        zone=context.settings.current.city.zone,
        # The web role serves evidence; `bridge.public_url` is set where the hotline reaches it elsewhere.
        evidence_base=part.public_url or page_address(context.deployment),
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
    from alerts.channels import Address

    url = robot.url
    if robot.key is not None:
        url += ("&" if "?" in url else "?") + f"key={robot.key.read()}"
    return Address(robot.kind, url, robot.secret.read() if robot.secret else "")


WORK: Final[dict[str, Callable[[Context], Coroutine[Any, Any, None]]]] = {
    "ingest": ingest_all,
    "detect": detect,
    "alerts": alert,
    "bridge": bridge,
    "web": web,
}
