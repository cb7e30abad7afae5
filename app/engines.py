"""The engines a hub stands on, as its deployment file names them: the bus and the store."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from psycopg.conninfo import make_conninfo

from hub.bus import Bus, Ledger
from hub.bus.embedded import EmbeddedBus
from hub.errors import ConfigError
from hub.settings.deployment import Deployment
from hub.store.embedded import EmbeddedPostgres


class Log(Bus, Ledger, Protocol):
    """A bus whose positions can be asked for."""


def open_bus(deployment: Deployment) -> AbstractAsyncContextManager[Any]:
    """The bus of this deployment, to be entered."""
    part = deployment.bus
    if part.kind == "embedded":
        return EmbeddedBus(deployment.bus_directory)
    from hub.bus.kafka import KafkaBus  # aiokafka is only loaded where there is a Kafka

    return KafkaBus(
        ",".join(part.servers),
        username=part.username,
        password=part.password.read() if part.password else None,
        ca=part.tls.ca if part.tls else None,
        tls=part.tls is not None,
    )


def store_dsn(deployment: Deployment) -> str:
    """Where the database is, with its password: never print it. Raises ConfigError when the password can't be had."""
    part = deployment.store
    if part.kind == "embedded":
        return EmbeddedPostgres(deployment.store_directory).dsn
    assert part.dsn is not None
    try:
        return make_conninfo(part.dsn, **({"password": part.password.read()} if part.password else {}))
    except ValueError:
        raise ConfigError("store.dsn is neither a postgresql:// address nor key=value words") from None
