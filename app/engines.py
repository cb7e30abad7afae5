"""The engines a hub stands on, as its deployment file names them: the bus and the store."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from hub import topics
from hub.bus.embedded import EmbeddedBus
from hub.errors import ConfigError
from hub.ledger import Log as Log
from hub.settings.deployment import BusPart, ClientTls, Deployment
from hub.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from hub.bus.kafka import Access


@asynccontextmanager
async def open_bus(deployment: Deployment) -> AsyncIterator[Log]:
    """The bus of this deployment, with the retention that its file asks for."""
    for topic in topics.ALL:
        limits = deployment.retention.get(topic.name)  # type: ignore[call-overload]  # the names are the Literal's
        if limits is not None:
            topic.keep_seconds = limits.keep or topic.keep_seconds
            topic.keep_bytes = int(limits.size or topic.keep_bytes)
    part = deployment.bus
    if part.kind == "embedded":
        async with EmbeddedBus(deployment.bus_directory) as embedded:
            yield embedded
        return
    from hub.bus.kafka import KafkaBus  # aiokafka is only loaded where there is a Kafka

    async with KafkaBus(",".join(part.servers), prefix=part.prefix, access=kafka_access(part)) as kafka:
        await kafka.ensure_topics(topics.ALL, replication=part.replication)
        yield kafka


def kafka_access(part: BusPart) -> Access:
    """How we sign in at Kafka. Raises ConfigError when a password or TLS file can't be read."""
    from hub.bus.kafka import Access

    return Access(
        tls=client_tls(part.tls) if part.tls else None,
        user=part.username or "",
        password=part.password.read() if part.password else "",
    )


def client_tls(part: ClientTls) -> ssl.SSLContext:
    """How we trust a peer, and show who we are. Raises ConfigError when a file can't be used."""
    try:
        context = ssl.create_default_context(cafile=str(part.ca) if part.ca else None)
        if part.certificate is not None:
            context.load_cert_chain(str(part.certificate), str(part.key) if part.key else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"a TLS file can't be used: {error}") from error
    return context


def store_dsn(deployment: Deployment) -> str:
    """Where the database is, with its password: never print it. Raises ConfigError when the password can't be had."""
    part = deployment.store
    if part.kind == "embedded":
        return EmbeddedPostgres(deployment.store_directory).dsn
    assert part.dsn is not None
    return make_conninfo(part.dsn, **({"password": part.password.read()} if part.password else {}))
