"""The MQTT broker: who it is, whether it lets us in, and whether it keeps messages while the hub is away."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final

from paho.mqtt.client import Client

from app.engines import client_tls
from app.examination.finding import Finding
from app.examination.peers import reachable
from hub.errors import ConfigError, HubError
from hub.settings.deployment import Deployment, MqttPart
from ingest import broker as brokers
from ingest import queue_probe

Prepare = Callable[[Client], None]

PATIENCE: Final = 5.0
_INSTALL: Final = "install mosquitto (Debian: apt-get install mosquitto), and start the hub again"
_KEEP_ALL: Final = (
    "write 'max_queued_messages 0' into mosquitto.conf (on other brokers: an unlimited queue) and restart it"
)


async def broker(deployment: Deployment, hub: str) -> AsyncIterator[Finding]:
    """What is to be said of the broker. The probe leaves nothing behind. `hub`: the running hub's process id, or ""."""
    part = deployment.mqtt
    embedded = part.broker == "embedded"
    if embedded:
        program = brokers.mosquitto()
        if program is None:
            said = "no mosquitto here: amqtt stands in. It is for demonstration and can lose messages"
            yield Finding("mqtt", "warning", said, _INSTALL)
        else:
            yield Finding("mqtt", "ok", f"mosquitto is {program}; the hub starts it")
    where = f"{part.host}:{part.port}"
    if problem := await reachable(part.host, part.port):
        if embedded and not hub:
            yield Finding("mqtt", "note", f"nothing on {where}", "the broker starts with the hub: property-hub run")
        else:
            yield Finding(
                "mqtt", "trouble", f"{where}: {problem}", "start the broker, or correct mqtt.host and mqtt.port"
            )
        return
    if embedded and not hub:
        remedy = f"end it, choose another mqtt.port, or write 'broker: external' to use it at {where}"
        yield Finding("mqtt", "trouble", f"something else listens on {where} already", remedy)
        return
    yield await _probed(part, where)


async def _probed(part: MqttPart, where: str) -> Finding:
    try:
        prepare = _prepared(part)
        found = await asyncio.to_thread(queue_probe.probe, part.host, part.port, prepare=prepare, timeout=PATIENCE)
    except ConfigError as error:
        return Finding("mqtt", "trouble", str(error), "correct mqtt.tls or mqtt.password in hub.yaml")
    except HubError as error:
        remedy = "check user, password and TLS, and that this user may publish and subscribe below hub-probe/"
        return Finding("mqtt", "trouble", f"the queue could not be probed: {error}", remedy)
    if found.kept < found.sent:
        said = f"{where} kept {found.kept} of {found.sent} messages while nobody was there; the others are lost"
        return Finding("mqtt queue", "warning", said, _KEEP_ALL)
    return Finding("mqtt queue", "ok", f"{where} kept all {found.sent} messages while nobody was there")


def _prepared(part: MqttPart) -> Prepare:
    """How a client of the probe gets in. Raises ConfigError."""
    password = part.password.read() if part.password else None
    context: ssl.SSLContext | None = client_tls(part.tls) if part.tls else None

    def prepare(client: Client) -> None:
        if part.username is not None:
            client.username_pw_set(part.username, password)
        if context is not None:
            client.tls_set_context(context)

    return prepare
