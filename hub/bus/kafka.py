"""The bus of a whole city: Apache Kafka, through aiokafka.

A record is kept when all in-sync replicas have it; the producer is idempotent, so that its own repeats are none.
Members use the range assignor (aiokafka's default tears linked topics apart) and one consumer for all their topics.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from hub.bus import Delivery, Position, Span, Subscription
from hub.bus.group import NEVER
from hub.bus.kafka_member import Arrival, KafkaMember, ended
from hub.bus.record import checked
from hub.errors import ConfigError, HubError, MessageError, TransientError
from hub.model import ThermalFrame, VideoChunk
from hub.topics import Topic, partition_of

T = TypeVar("T", bound=msgspec.Struct)

LARGEST: Final = 10 * 2**20
"""Bytes of one request, record or fetch: a payload of 8 MiB with its key and headers fits."""

_PERMANENT: Final = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.ClusterAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.InvalidTopicError,
    errors.SaslAuthenticationFailed,
    errors.TopicAuthorizationFailedError,
    errors.UnsupportedVersionError,
)
_PRODUCER_IS_LOST: Final = (
    errors.InvalidProducerEpoch,
    errors.InvalidProducerIdMapping,
    errors.OutOfOrderSequenceNumber,
    errors.ProducerClosed,
    errors.ProducerFenced,
    errors.UnknownProducerId,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STRAGGLERS: Final = timedelta(seconds=5)
"""How far apart the clocks of publishers may be for a read by time to find everything."""


class Access(msgspec.Struct, frozen=True):
    """How to sign in: TLS when there is a context, SASL PLAIN when there is a user."""

    tls: ssl.SSLContext | None = None
    user: str = ""
    password: str = ""

    def options(self) -> dict[str, Any]:
        """As aiokafka's clients want it."""
        kind = {(0, 0): "PLAINTEXT", (1, 0): "SSL", (0, 1): "SASL_PLAINTEXT", (1, 1): "SASL_SSL"}
        options: dict[str, Any] = {"security_protocol": kind[self.tls is not None, bool(self.user)]}
        options["ssl_context"] = self.tls
        if self.user:
            options |= {"sasl_mechanism": "PLAIN", "sasl_plain_username": self.user}
            options["sasl_plain_password"] = self.password
        return options


@contextmanager
def told() -> Iterator[None]:
    """Kafka's errors in our words: what access or configuration causes is a HubError, all else may pass by itself."""
    try:
        yield
    except errors.MessageSizeTooLargeError as error:
        raise MessageError("too_large", str(error)) from error
    except _PERMANENT as error:
        raise HubError(f"Kafka refuses: {error!r}") from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise TransientError(f"Kafka: {error!r}") from error


def _milliseconds(instant: datetime) -> int:
    # Kafka counts whole milliseconds; what begins within one begins with the next.
    return -((_EPOCH - instant) // timedelta(milliseconds=1))


def _now_utc() -> datetime:
    return datetime.now(UTC)


class KafkaBus:
    """`servers` is "host:port,host:port". `session` (seconds): how long a member may make no progress.

    `prefix` stands before each topic and group name, for several hubs on one cluster. Call `ensure_topics` once
    before the first use, with the cluster's replication factor.
    """

    def __init__(
        self,
        servers: str,
        *,
        prefix: str = "",
        session: float = 10.0,
        access: Access | None = None,
        now: Callable[[], datetime] = _now_utc,
    ) -> None:
        self._prefix = prefix
        self._session = session
        self._now = now
        self._options: dict[str, Any] = {"bootstrap_servers": servers, **(access or Access()).options()}
        self._producers: dict[bool, AIOKafkaProducer] = {}
        self._readers: list[AIOKafkaConsumer] = []
        self._admin: AIOKafkaAdminClient | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> KafkaBus:
        # While a broker is away the client writes a line for each of its tries, hundreds in a minute, at level ERROR.
        # What counts is raised, to whoever waits for it.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for producer in self._producers.values():
            await producer.stop()
        for reader in self._readers:
            await ended(reader)
        if self._admin is not None:
            await self._admin.close()

    async def ensure_topics(self, topics: Sequence[Topic[Any]], *, replication: int = 1) -> None:
        """Make the topics that are missing. Raises ConfigError when one is there with another number of partitions."""
        wanted = {self._name(topic): topic for topic in topics}
        with told():
            admin = await self._administrator()
            there = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics() if t["topic"] in wanted}
            for name, count in there.items():
                if count != wanted[name].partitions:
                    raise ConfigError(f"topic {name} has {count} partitions, not {wanted[name].partitions}: rename it")
            new = [
                NewTopic(name, topic.partitions, replication, topic_configs=_limits(topic))
                for name, topic in wanted.items()
                if name not in there
            ]
            if new:
                answer = await admin.create_topics(new)
                for name, code, *text in answer.topic_errors:
                    if code not in (0, errors.TopicAlreadyExistsError.errno):
                        raise errors.for_code(code)(f"{name}: {text}")

    async def missing_topics(self, topics: Sequence[Topic[Any]]) -> list[str]:
        """Names of those that are not there; makes none. Raises TransientError and HubError as the others do."""
        with told():
            there = {described["topic"] for described in await (await self._administrator()).describe_topics()}
        return [self._name(topic) for topic in topics if self._name(topic) not in there]

    async def publish(self, topic: Topic[T], nouns: Sequence[T]) -> list[Position]:
        """See Bus. When it fails some may have been kept: publish all again."""
        encoded = [checked(topic, noun) for noun in nouns]
        at = self._now()
        stamp = (at - _EPOCH) // timedelta(milliseconds=1)
        with told():
            producer = await self._producer(topic)
            try:
                sent = [
                    await producer.send(
                        self._name(topic), value, key, partition_of(key, topic.partitions), stamp, list(headers)
                    )
                    for key, value, headers in encoded
                ]
                # All are waited for, also when one failed: none may fail later with nobody to see it.
                answers = await asyncio.gather(*sent, return_exceptions=True)
            except _PRODUCER_IS_LOST:
                await self._forget(producer)
                raise
            positions = []
            for answer in answers:
                if isinstance(answer, BaseException):
                    if isinstance(answer, _PRODUCER_IS_LOST):
                        await self._forget(producer)
                    raise answer
                positions.append(Position(answer.partition, answer.offset))
        return positions

    @asynccontextmanager
    async def subscribe(
        self, topics: Sequence[Topic[Any]], group: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> AsyncIterator[Subscription]:
        """See Bus."""
        milliseconds = int(self._session * 1000)
        make = partial(
            AIOKafkaConsumer,
            **self._options,
            group_id=self._prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            max_poll_interval_ms=milliseconds,
            session_timeout_ms=max(6000, milliseconds),  # no broker allows less by default
            rebalance_timeout_ms=milliseconds * 3,
            heartbeat_interval_ms=max(50, milliseconds // 10),
            fetch_max_bytes=LARGEST * 2,
            max_partition_fetch_bytes=LARGEST,
        )
        names = {self._name(topic): topic for topic in topics}
        member = KafkaMember(group, make, names, start, self._session, told, self._committed(group))
        try:
            await member.enter()
            yield member
        finally:
            await member.leave()

    async def read(self, topic: Topic[T], key: str, begin: datetime, end: datetime) -> AsyncIterator[Delivery[T]]:
        """See Bus. Kafka keeps whole milliseconds."""
        wanted = key.encode()
        slot = TopicPartition(self._name(topic), partition_of(wanted, topic.partitions))
        async with self._reader() as reader:
            with told():
                reader.assign([slot])
                first = (await reader.offsets_for_times({slot: _milliseconds(begin)}))[slot]
                beyond = (await reader.offsets_for_times({slot: _milliseconds(end + _STRAGGLERS)}))[slot]
                stop = beyond.offset if beyond else (await reader.end_offsets([slot]))[slot]
            if first is None:
                return
            reader.seek(slot, first.offset)
            position = first.offset
            while position < stop:
                with told():
                    records = (await reader.getmany(slot, timeout_ms=10_000)).get(slot)
                if not records:
                    raise TransientError(f"Kafka gave no more of {slot} at {position} of {stop}")
                position = records[-1].offset + 1
                for record in records:
                    arrival = Arrival.of(record)
                    if record.offset < stop and record.key == wanted and begin <= arrival.at < end:
                        yield arrival.delivery(topic)

    async def spans(self, topic: Topic[Any], group: str) -> list[Span]:
        """See Ledger."""
        slots = [TopicPartition(self._name(topic), p) for p in range(topic.partitions)]
        committed = await self._committed(group)()
        async with self._reader() as reader:
            with told():
                starts, ends = await reader.beginning_offsets(slots), await reader.end_offsets(slots)
        return [Span(s.partition, starts[s], ends[s], committed.get((s.topic, s.partition), NEVER)) for s in slots]

    def _committed(self, group: str) -> Callable[[], Awaitable[dict[tuple[str, int], int]]]:
        async def ask() -> dict[tuple[str, int], int]:
            with told():
                found = await (await self._administrator()).list_consumer_group_offsets(self._prefix + group)
            return {(slot.topic, slot.partition): entry.offset for slot, entry in found.items()}

        return ask

    def _name(self, topic: Topic[Any]) -> str:
        return self._prefix + topic.name

    async def _producer(self, topic: Topic[Any]) -> AIOKafkaProducer:
        # What is compressed already (video), or noise (thermal pictures), is not compressed again.
        text = topic.noun not in (VideoChunk, ThermalFrame)
        async with self._starting:
            if text not in self._producers:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=2,
                    compression_type="lz4" if text else None,
                    max_batch_size=256 * 1024,
                    max_request_size=LARGEST,
                )
                await _started(producer)
                self._producers[text] = producer
            return self._producers[text]

    async def _forget(self, producer: AIOKafkaProducer) -> None:
        self._producers = {text: kept for text, kept in self._producers.items() if kept is not producer}
        with suppress(errors.KafkaError):
            await producer.stop()

    async def _administrator(self) -> AIOKafkaAdminClient:
        async with self._starting:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._options)
                try:
                    await admin.start()
                except errors.KafkaError:
                    await admin.close()
                    raise
                self._admin = admin
            return self._admin

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        # Making a consumer costs some 100 ms, so those that come back are kept for the next read.
        if self._readers:
            reader = self._readers.pop()
        else:
            reader = AIOKafkaConsumer(
                **self._options,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_bytes=LARGEST * 2,
                max_partition_fetch_bytes=LARGEST,
            )
            with told():
                await _started(reader)
        try:
            yield reader
        finally:
            reader.unsubscribe()
            self._readers.append(reader)


async def _started(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    try:
        await client.start()
    except errors.KafkaError:
        await (ended(client) if isinstance(client, AIOKafkaConsumer) else client.stop())
        raise


def _limits(topic: Topic[Any]) -> dict[str, str]:
    # Kafka drops whole segments, per partition, and only closed ones: they must be small against the limits.
    share = topic.keep_bytes // topic.partitions
    return {
        "max.message.bytes": str(LARGEST),
        "retention.ms": str(int(topic.keep_seconds * 1000)),
        "retention.bytes": str(share),
        "segment.bytes": str(min(2**30, max(LARGEST * 2, share // 8))),
        "segment.ms": str(int(min(86400.0, topic.keep_seconds / 6) * 1000)),
    }
