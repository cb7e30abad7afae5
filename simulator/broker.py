"""The simulated devices' link to the MQTT broker: QoS 1, reconnecting, with a count of what the broker took."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessageInfo, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class Link:
    """Publishes for many devices through one connection. MQTT 3.1.1, which every broker speaks.

    While the broker is away messages wait here in order. `sent` counts what was handed over, `taken` what the
    broker has acknowledged.
    """

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        *,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv311)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 4)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._connected = threading.Event()
        self._progress = threading.Condition()
        self.sent = self.taken = 0

    async def __aenter__(self) -> Self:
        self._client.connect_async(self._host, self._port, keepalive=20)
        self._client.loop_start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._stop)

    async def connected(self, seconds: float) -> None:
        """Wait for the first connection. TimeoutError when there is none within `seconds`."""
        if not await asyncio.to_thread(self._connected.wait, seconds):
            raise TimeoutError(f"no MQTT broker at {self._host}:{self._port} within {seconds:g} s")

    def publish(self, topic: str, payload: bytes) -> MQTTMessageInfo:
        """Send at QoS 1; returns at once."""
        self.sent += 1
        return self._client.publish(topic, payload, qos=1)

    async def settled(self, seconds: float) -> None:
        """Wait until the broker has taken all that was sent. TimeoutError if that takes longer."""
        if not await asyncio.to_thread(self._all_taken, seconds):
            raise TimeoutError(f"the broker took {self.taken} of {self.sent} messages within {seconds:g} s")

    def _all_taken(self, seconds: float) -> bool:
        with self._progress:
            return self._progress.wait_for(lambda: self.taken >= self.sent, seconds)

    def _stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: Client, data: Any, flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        if not code.is_failure:
            self._connected.set()

    def _on_publish(self, client: Client, data: Any, mid: int, code: ReasonCode, properties: Properties | None) -> None:
        with self._progress:
            self.taken += 1
            self._progress.notify_all()
