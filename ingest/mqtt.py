"""The door for sensors: MQTT at QoS 1, where a message is acknowledged only when the bus has what it says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hub import metrics
from hub.errors import ConfigError, MessageError
from hub.model import DeadLetter, Reading, ThermalFrame
from hub.topics import READINGS, THERMAL
from ingest.decoders import Decode
from ingest.outlet import Outlet, letter
from ingest.register import Message, Register
from ingest.said import Said
from ingest.seen import Heard, Seen

log = structlog.get_logger()

WAITING_MESSAGES: Final = 10_000
WAITING_BYTES: Final = 64 * 2**20
AT_ONCE: Final = 500
HOLD_SECONDS: Final = 5.0
"""So long one message waits for room while we are full. The broker meanwhile can't send: it keeps what it has."""
KEEP_ALIVE: Final = 30
EXPIRY_SECONDS: Final = 7 * 86400
"""So long the broker keeps our session and its messages while we are away (MQTT 5; older ones as it is set up)."""


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and who we are to it. `protocol` v3.1.1 for brokers that know no MQTT 5, as amqtt."""

    host: str
    port: int
    client_id: str = "property-hub"
    protocol: Literal["v5", "v3.1.1"] = "v5"
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Subscribed(msgspec.Struct, frozen=True):
    """One subscription and how its messages are read. `filter` may begin with $share/<group>/ on a cluster."""

    filter: str
    decode: Decode

    @property
    def topics(self) -> str:
        """The filter without its share."""
        return self.filter.split("/", 2)[2] if self.filter.startswith("$share/") else self.filter


class _Taken(msgspec.Struct, frozen=True):
    message: MQTTMessage
    arrived: float
    connection: int


class _Batch:
    """What a number of messages came to."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.frames: list[ThermalFrame] = []
        self.heard: list[Heard] = []
        self.dead: list[DeadLetter] = []


class MqttDoor:
    """One connection to one broker. paho's thread takes messages in; the loop publishes and acknowledges them."""

    def __init__(
        self, broker: Broker, subscribed: tuple[Subscribed, ...], register: Register, outlet: Outlet, seen: Seen
    ) -> None:
        """Raises ConfigError when the TLS files can't be used."""
        self._broker = broker
        self._subscribed = subscribed
        self._register = register
        self._outlet = outlet
        self._seen = seen
        self._decoders: dict[str, Decode | None] = {}
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._room = threading.Condition()
        self._waiting: list[_Taken] = []
        self._bytes = 0
        self._closing = False
        self._connection = 0
        self.connected = False
        self._client = _client(broker)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    @property
    def waiting(self) -> int:
        """Messages taken and not yet on their way to the log."""
        return len(self._waiting)

    async def run(self, beat: Callable[[], None]) -> None:
        """Take messages until cancelled. paho connects again by itself, after 1 to 30 s."""
        host, port = self._broker.host, self._broker.port
        if self._broker.protocol == "v5":
            self._client.connect_async(host, port, KEEP_ALIVE, clean_start=False, properties=_properties())
        else:
            self._client.connect_async(host, port, KEEP_ALIVE)
        self._client.loop_start()
        try:
            while True:
                beat()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._news.wait()
                self._news.clear()
                while taken := self._take():
                    beat()
                    await self._serve(taken)
        finally:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._room:
            self._closing = True
            self._room.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    async def _serve(self, taken: list[_Taken]) -> None:
        batch = _Batch()
        for one in taken:
            self._read(one, batch)
        await self._outlet.keep(READINGS, batch.readings)
        await self._outlet.keep(THERMAL, batch.frames)
        for dead in batch.dead:
            await self._outlet.bury(dead)
        for one in taken:
            # After a reconnect the broker sends again what it has no answer to, and may have used the number anew:
            # an answer belongs to the connection its message came by.
            if one.connection == self._connection:
                self._client.ack(one.message.mid, one.message.qos)
        metrics.MESSAGES_RECEIVED.inc(len(taken))
        for reading in batch.readings:
            metrics.READINGS_RECEIVED.labels(reading.kind).inc()
        for heard in batch.heard:
            self._seen.hear(heard)

    def _read(self, one: _Taken, batch: _Batch) -> None:
        payload = bytes(one.message.payload)
        name = ""
        try:
            name = _topic(one.message)
            decode = self._decoder(name)
            said = decode(name, payload)
            message = Message(name, payload, one.arrived, one.message.dup)
            if isinstance(said, Said):
                readings, heard = self._register.readings(said, message)
                batch.readings += readings
            else:
                frame, heard = self._register.frame(said, message)
                batch.frames.append(frame)
            batch.heard.append(heard)
        except MessageError as error:
            batch.dead.append(letter("ingest:mqtt", payload, error, name))

    def _decoder(self, topic: str) -> Decode:
        if topic not in self._decoders:
            if len(self._decoders) > 100_000:
                self._decoders.clear()
            found = (s.decode for s in self._subscribed if topic_matches_sub(s.topics, topic))
            self._decoders[topic] = next(found, None)
        decode = self._decoders[topic]
        if decode is None:
            raise MessageError("topic", f"{topic[:200]!r} belongs to no subscription")
        return decode

    def _take(self) -> list[_Taken]:
        with self._room:
            taken, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            self._bytes -= sum(len(one.message.payload) for one in taken)
            self._room.notify_all()
        return taken

    # From here on: called by paho, in its thread.

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        taken = _Taken(message, time.time(), self._connection)
        with self._room:
            self._room.wait_for(self._has_room, HOLD_SECONDS)
            self._waiting.append(taken)
            self._bytes += len(message.payload)
            first = len(self._waiting) == 1
        if first:
            self._loop.call_soon_threadsafe(self._news.set)

    def _has_room(self) -> bool:
        return self._closing or (len(self._waiting) < WAITING_MESSAGES and self._bytes < WAITING_BYTES)

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._connection += 1
        self.connected = not reason.is_failure
        if reason.is_failure:
            log.error("mqtt_refused", host=self._broker.host, port=self._broker.port, reason=str(reason))
            return
        log.info("mqtt_connected", host=self._broker.host, port=self._broker.port, resumed=flags.session_present)
        client.subscribe([(one.filter, 1) for one in self._subscribed])

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        log.warning("mqtt_unreachable", host=self._broker.host, port=self._broker.port)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._connection += 1
        self.connected = False
        if not self._closing:
            log.warning("mqtt_lost", host=self._broker.host, port=self._broker.port, reason=str(reason))

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for one, reason in zip(self._subscribed, reasons, strict=False):
            if reason.is_failure:
                log.error("mqtt_subscription_refused", filter=one.filter, reason=str(reason))


def _client(broker: Broker) -> Client:
    if broker.protocol == "v5":
        client = Client(CallbackAPIVersion.VERSION2, client_id=broker.client_id, protocol=MQTTv5, manual_ack=True)
    else:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTv311,
            manual_ack=True,
            clean_session=False,
        )
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls:
        try:
            context = ssl.create_default_context(cafile=broker.ca)
            if broker.certificate is not None:
                context.load_cert_chain(broker.certificate, broker.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"mqtt.tls: the certificates can't be used: {error}") from error
        client.tls_set_context(context)
    client.reconnect_delay_set(1, 30)
    return client


def _properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = EXPIRY_SECONDS
    properties.ReceiveMaximum = min(65535, WAITING_MESSAGES)
    return properties


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError as error:
        raise MessageError("not_utf8", f"the topic is no UTF-8: {error}") from error
