"""Every five seconds a test reading goes the whole way, from the broker to the page, which shows its age."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from control_room.config import Broker
from hub.model import TEST

log = structlog.get_logger()

EVERY: Final = 5
"""Seconds."""
TOPIC: Final = "property/hub/selftest/selftest"


def payload(now: float) -> tuple[str, bytes]:
    """The id and the bytes of the test reading of this moment (seconds since 1970).

    Numbered by the clock, so that it counts on without a gap over restarts and never repeats.
    """
    number = int(now // EVERY)
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"t": at, "seq": number, "values": {"selftest": number}, "purpose": TEST}
    return str(number), json.dumps(body).encode()


async def publish(broker: Broker, client_id: str, beat: Callable[[], None]) -> None:
    """Publish test readings until cancelled. A broker that is away is the news, not an error: nothing is queued."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv311, clean_session=True)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.ca is not None:
        client.tls_set(ca_certs=str(broker.ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.reconnect_delay_set(1, 4)
    client.connect_async(broker.host, broker.port, keepalive=20)
    client.loop_start()
    try:
        while True:
            beat()
            await asyncio.sleep(EVERY - time.time() % EVERY)
            if client.is_connected():
                client.publish(TOPIC, payload(time.time())[1], qos=1)
            else:
                log.warning("selftest_not_published", reason="the broker is away")
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
