"""The connection to the MQTT broker: one thread that reads, acknowledges, keeps it alive and makes it anew.

paho's protocol with a loop of our own around it: what the hub has kept is acknowledged many at once by the thread that
also reads, and packets are read and written in bulk. With paho's own loop each acknowledgement woke it once more, and
each of its small reads let another Python thread in for milliseconds: half the rate.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hub.errors import ConfigError
from ingest.mqtt_socket import GatheringSocket

log = structlog.get_logger()

WAITING_MESSAGES: Final = 10_000
WAITING_BYTES: Final = 64 * 2**20
HOLD_SECONDS: Final = 5.0
"""While we are full nothing is read, so the broker can't send and keeps what it has; but each so many seconds one
packet is, or the broker's answer to our ping would never be seen and it would take us for dead."""
READS_AT_ONCE: Final = 200
KEEP_ALIVE: Final = 30
TICK: Final = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
EXPIRY_SECONDS: Final = 7 * 86400
"""So long the broker keeps our session and its messages while we are away (MQTT 5; older ones as it is set up)."""


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and who we are to it.

    `protocol`: v3.1.1 is what every broker speaks, and with paho takes half the time for each message; v5 tells the
    broker how long to keep our session, where its own setting would be too short.
    """

    host: str
    port: int
    client_id: str = "property-hub"
    protocol: Literal["v3.1.1", "v5"] = "v3.1.1"
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Taken(msgspec.Struct, frozen=True):
    """A message in our hands, not yet acknowledged. `arrived` in seconds since 1970."""

    message: MQTTMessage
    arrived: float
    connection: int


class MqttLink:
    """`news` is called, in the link's thread, when there is something to `take` again after there was nothing."""

    def __init__(self, broker: Broker, filters: Sequence[str], news: Callable[[], None]) -> None:
        """Raises ConfigError when the TLS files can't be used."""
        self._broker = broker
        self._filters = tuple(filters)
        self._news = news
        self._client = _client(broker)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._lock = threading.Lock()
        self._waiting: list[Taken] = []
        self._bytes = 0
        self._kept: list[Taken] = []
        self._connection = 0
        self._closing = threading.Event()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self.connected = False

    @property
    def waiting(self) -> int:
        """Messages in our hands that nobody took yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Connect, and connect again whenever it is lost, until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Hang up. What was not acknowledged comes again to the next link of this client id. Blocks for a moment."""
        self._closing.set()
        self._wake()
        self._thread.join()
        self._wake_read.close()
        self._wake_write.close()

    def take(self, limit: int) -> list[Taken]:
        """The oldest messages, at most `limit`."""
        with self._lock:
            taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
            full = self._full
            self._bytes -= sum(len(one.message.payload) for one in taken)
        if full:
            self._wake()
        return taken

    def acknowledge(self, kept: Sequence[Taken]) -> None:
        """The bus has these: tell the broker. Messages of an earlier connection are left alone.

        After a reconnect the broker sends again what it has no answer to, and may have used the number anew: an answer
        belongs to the connection its message came by.
        """
        with self._lock:
            self._kept += kept
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # it has been woken already, or is closed
            self._wake_write.send(b"\0")

    # From here on: the link's own thread.

    def _run(self) -> None:
        wait = FIRST_WAIT
        while not self._closing.is_set():
            reason = self._connect()
            if not reason:
                reason = self._pump()
                wait = FIRST_WAIT if self.connected else wait
            self.connected = False
            self._connection += 1
            if self._closing.is_set():
                break
            pause = wait * random.uniform(0.5, 1.5)  # noqa: S311  # jitter, not a secret
            host, port = self._broker.host, self._broker.port
            log.warning("mqtt_lost", host=host, port=port, reason=reason, seconds=round(pause, 2))
            self._closing.wait(pause)
            wait = min(wait * 2, LONGEST_WAIT)
        self._client.disconnect()

    def _connect(self) -> str:
        """Reach the broker; why that failed, or nothing."""
        host, port = self._broker.host, self._broker.port
        try:
            if self._broker.protocol == "v5":
                self._client.connect(host, port, KEEP_ALIVE, clean_start=False, properties=_properties())
            else:
                self._client.connect(host, port, KEEP_ALIVE)
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        return ""

    def _pump(self) -> str:
        """Serve the connection until it is lost; why it was."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        gathering = self._client.gathering
        assert gathering is not None, "it has just been connected"
        number = gathering.fileno()
        poll.register(number, 0)
        misc_at = hold_until = time.monotonic()
        try:
            while not self._closing.is_set():
                now = time.monotonic()
                if not self._full:
                    hold_until = now + HOLD_SECONDS
                reading = not self._full or now >= hold_until
                ahead = reading and gathering.pending() > 0
                poll.modify(number, select.POLLIN * reading | select.POLLOUT * (gathering.unsent > 0))
                ready = dict(poll.poll(0 if ahead else TICK * 1000))
                if self._wake_read.fileno() in ready:
                    self._wake_read.recv(4096)
                if (ahead or ready.get(number, 0) & ~select.POLLOUT) and (code := self._read(once=self._full)):
                    return code
                self._answer()
                if time.monotonic() >= misc_at:
                    misc_at = time.monotonic() + TICK
                    if code := _told(self._client.loop_misc()):
                        return code
                if self._client.want_write() and (code := _told(self._client.loop_write())):
                    return code
                if self._client.socket() is None:
                    return "closed"
                gathering.flush()
        except OSError as error:
            return str(error)
        return ""

    def _read(self, *, once: bool) -> str:
        for _ in range(1 if once else READS_AT_ONCE):
            if code := _told(self._client.loop_read()):
                return code
            gathering = self._client.gathering
            if self._client.socket() is None or gathering is None:
                return "closed"
            if gathering.pending() == 0:
                break
        return ""

    def _answer(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, []
        for one in kept:
            if one.connection == self._connection:
                self._client.ack(one.message.mid, one.message.qos)

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= WAITING_MESSAGES or self._bytes >= WAITING_BYTES

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        taken = Taken(message, time.time(), self._connection)
        with self._lock:
            self._waiting.append(taken)
            self._bytes += len(message.payload)
            first = len(self._waiting) == 1
        if first:
            self._news()

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.error("mqtt_refused", host=self._broker.host, port=self._broker.port, reason=str(reason))
            return
        log.info("mqtt_connected", host=self._broker.host, port=self._broker.port, resumed=flags.session_present)
        self.connected = True
        client.subscribe([(one, 1) for one in self._filters])

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for one, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                log.error("mqtt_subscription_refused", filter=one, reason=str(reason))


class _Client(Client):
    """paho's client on a socket that gathers."""

    gathering: GatheringSocket | None = None

    def _create_socket(self) -> GatheringSocket:  # type: ignore[override]  # it needs no more of a socket than this
        inner = super()._create_socket()
        assert isinstance(inner, socket.socket), "plain TCP or TLS"
        self.gathering = GatheringSocket(inner)
        return self.gathering


def _told(code: int) -> str:
    """paho's result in words; nothing when it is success."""
    return "" if code == 0 else getattr(code, "name", str(code)).removeprefix("MQTT_ERR_").lower()


def _client(broker: Broker) -> _Client:
    newest = broker.protocol == "v5"
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        protocol=MQTTv5 if newest else MQTTv311,
        clean_session=None if newest else False,
        manual_ack=True,
        reconnect_on_failure=False,
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
    return client


def _properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = EXPIRY_SECONDS
    properties.ReceiveMaximum = min(65535, WAITING_MESSAGES)
    return properties
