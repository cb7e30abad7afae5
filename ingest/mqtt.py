"""The door for sensors: MQTT at QoS 1, where a message is acknowledged only when the bus has what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec
from paho.mqtt.client import MQTTMessage, topic_matches_sub

from hub import metrics
from hub.errors import MessageError
from hub.model import DeadLetter, Reading, ThermalFrame
from hub.topics import READINGS, THERMAL
from ingest.decoders import Decode
from ingest.mqtt_link import Broker, MqttLink, Taken
from ingest.outlet import Outlet, letter
from ingest.register import Message, Register
from ingest.said import Said
from ingest.seen import Heard, Seen

AT_ONCE: Final = 500
GATHER_SECONDS: Final = 0.005
"""Where several messages came together, so long more may join them: each batch is one write on the log. A message that
comes alone waits for nobody."""
_MOST_TOPICS: Final = 100_000


class Subscribed(msgspec.Struct, frozen=True):
    """One subscription and how its messages are read. `filter` may begin with $share/<group>/ on a cluster."""

    filter: str
    decode: Decode

    @property
    def topics(self) -> str:
        """The filter without its share."""
        return self.filter.split("/", 2)[2] if self.filter.startswith("$share/") else self.filter


class _Batch:
    """What a number of messages came to."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.frames: list[ThermalFrame] = []
        self.heard: list[Heard] = []
        self.dead: list[DeadLetter] = []


class MqttDoor:
    """One broker's messages onto the log.

    `kept` counts messages that are on the log, as what they say or as dead letters.
    """

    def __init__(
        self, broker: Broker, subscribed: tuple[Subscribed, ...], register: Register, outlet: Outlet, seen: Seen
    ) -> None:
        """Raises ConfigError when the TLS files can't be used."""
        self._subscribed = subscribed
        self._register = register
        self._outlet = outlet
        self._seen = seen
        self._decoders: dict[str, Decode | None] = {}
        self._news = asyncio.Event()
        loop = asyncio.get_running_loop()
        filters = [one.filter for one in subscribed]
        self._link = MqttLink(broker, filters, lambda: _tell(loop, self._news))
        self.kept = 0

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._link.connected

    @property
    def waiting(self) -> int:
        """Messages taken from the broker and not yet on their way to the log."""
        return self._link.waiting

    async def run(self, beat: Callable[[], None]) -> None:
        """Take messages until cancelled."""
        self._link.start()
        try:
            while True:
                beat()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._news.wait()
                self._news.clear()
                while taken := self._link.take(AT_ONCE):
                    beat()
                    await self._serve(taken)
                    if 1 < len(taken) < AT_ONCE and self._link.waiting < AT_ONCE:
                        await asyncio.sleep(GATHER_SECONDS)
        finally:
            await asyncio.to_thread(self._link.close)

    async def _serve(self, taken: list[Taken]) -> None:
        batch = _Batch()
        for one in taken:
            self._read(one, batch)
        await self._outlet.keep(READINGS, batch.readings)
        await self._outlet.keep(THERMAL, batch.frames)
        for dead in batch.dead:
            await self._outlet.bury(dead)
        self._link.acknowledge(taken)
        self.kept += len(taken)
        metrics.MESSAGES_RECEIVED.inc(len(taken))
        for reading in batch.readings:
            metrics.READINGS_RECEIVED.labels(reading.kind).inc()
        for heard in batch.heard:
            self._seen.hear(heard)

    def _read(self, one: Taken, batch: _Batch) -> None:
        payload = bytes(one.message.payload)
        name = ""
        try:
            name = _topic(one.message)
            said = self._decoder(name)(name, payload)
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
            if len(self._decoders) >= _MOST_TOPICS:
                self._decoders.clear()
            found = (s.decode for s in self._subscribed if topic_matches_sub(s.topics, topic))
            self._decoders[topic] = next(found, None)
        decode = self._decoders[topic]
        if decode is None:
            raise MessageError("topic", f"{topic[:200]!r} belongs to no subscription")
        return decode


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError as error:
        raise MessageError("not_utf8", f"the topic is no UTF-8: {error}") from error


def _tell(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the hub has ended
        loop.call_soon_threadsafe(news.set)
