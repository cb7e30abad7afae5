"""How many messages a broker keeps for us while we are away.

A broker's default can be as low as a thousand (mosquitto's is), and what is beyond it is dropped without a word to
anyone. The probe subscribes with a persistent session, goes away, publishes, comes back and counts.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub.errors import TransientError

MESSAGES: Final = 1500
"""More than the smallest default in the field (1,000), few enough to be done in a second or two."""


class Probe(msgspec.Struct, frozen=True):
    """What came back of what was sent while we were away."""

    sent: int
    kept: int


def probe(
    host: str,
    port: int,
    *,
    messages: int = MESSAGES,
    prepare: Callable[[mqtt.Client], None] = lambda _client: None,
    timeout: float = 15.0,
) -> Probe:
    """Send `messages` QoS 1 messages to an absent persistent session of our own and count what is kept.

    `prepare` sets credentials and TLS on a client before it connects. Blocking. The session and its queue are
    removed afterwards. Raises TransientError when the broker can't be reached or stops answering.
    """
    name = f"hub-probe-{uuid.uuid4().hex[:12]}"
    topic = f"hub-probe/{name}"
    kept: list[int] = []
    complete = threading.Event()

    def received(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        kept.append(message.mid)
        if len(kept) >= messages:
            complete.set()

    def client(name: str, clean: bool) -> mqtt.Client:
        made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, protocol=mqtt.MQTTv311)
        prepare(made)
        return made

    _session(client(name, clean=False), host, port, timeout, lambda c: c.subscribe(topic, 1))
    publisher = client(f"{name}-out", clean=True)
    publisher.max_inflight_messages_set(100)
    _session(publisher, host, port, timeout, lambda c: [c.publish(topic, b"x" * 64, 1) for _ in range(messages)])
    listener = client(name, clean=False)
    listener.on_message = received
    _session(listener, host, port, timeout, lambda _c: complete.wait(2.0 if not complete.is_set() else 0.0))
    _session(client(name, clean=True), host, port, timeout, lambda _c: None)
    return Probe(messages, len(kept))


def _session(client: mqtt.Client, host: str, port: int, timeout: float, work: Callable[[mqtt.Client], Any]) -> None:
    connected = threading.Event()
    settled = threading.Event()
    client.on_connect = lambda _c, _u, _f, reason, _p: connected.set() if not reason.is_failure else None
    client.on_subscribe = lambda *_: settled.set()
    try:
        client.connect(host, port, keepalive=30)
    except OSError as error:
        raise TransientError(f"the MQTT broker {host}:{port} can't be reached: {error}") from error
    client.loop_start()
    try:
        if not connected.wait(timeout):
            raise TransientError(f"the MQTT broker {host}:{port} did not let the probe in within {timeout:g} s")
        done = work(client)
        if isinstance(done, list):
            for sent in done:
                sent.wait_for_publish(timeout)
        elif isinstance(done, tuple) and not settled.wait(timeout):
            raise TransientError(f"the MQTT broker {host}:{port} did not confirm a subscription within {timeout:g} s")
    finally:
        client.disconnect()
        client.loop_stop()
