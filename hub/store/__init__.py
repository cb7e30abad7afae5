"""The database as the services see it: a connection, a transaction, and errors named for what to do next.

Each service keeps its own SQL beside its code; the tables are in `migrations/`. Sessions think in UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from hub.errors import ConfigError, HubError, MessageError, TransientError

OLDEST_SERVER: Final = 15
"""The oldest major version of PostgreSQL the queries are tested on (Debian 12's)."""

_SESSION: Final = (
    "SELECT set_config('TimeZone', 'UTC', false), set_config('application_name', 'property-hub', false), "
    # A process that was frozen in the middle of a transaction must not keep its rows locked for ever.
    "set_config('idle_in_transaction_session_timeout', '60s', false)"
)
_RECONNECT_SECONDS: Final = 5.0
# psycopg_pool doubles its pause up to this; with its default of 300 s an outage of two minutes would be noticed
# to have ended up to two minutes late. A round that gave up is begun anew by whoever asks next.


class Store:
    """A pool of connections to one PostgreSQL database. Made by `Store.open`.

    What goes wrong inside `connection` and `transaction` leaves them as TransientError (the server is away, restarts,
    dead-locked or full: the same work may succeed later) or MessageError("unstorable") (a value PostgreSQL can't
    hold, as a NUL in a text); the foreign error is the cause. Others, as a broken constraint, pass unchanged.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]], dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn
        """With its password, for those who open another connection. Print `described(dsn)` instead."""

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, connections: int = 4, wait: float = 10.0) -> AsyncIterator[Store]:
        """The store at `dsn`, a URL or `key=value` words, with at most `connections` at once.

        `wait`: seconds that opening, and later waiting for a free connection, may take. Raises TransientError when
        the server can't be reached, ConfigError when `dsn` can't be read or the server is older than OLDEST_SERVER.
        """
        await _greet(dsn, wait)
        pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            dsn,
            kwargs={"autocommit": True, "connect_timeout": max(2, round(wait))},
            min_size=1,
            max_size=connections,
            open=False,
            timeout=wait,
            reconnect_timeout=_RECONNECT_SECONDS,
            configure=_configure,
            check=AsyncConnectionPool.check_connection,  # a restarted server costs a reconnect, not an error each
        )
        async with pool:
            yield cls(pool, dsn)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """A connection on which every statement stands for itself (autocommit)."""
        connection: AsyncConnection[tuple[Any, ...]] | None = None
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.Error as error:
            raise translated(error, lost=connection is None or connection.closed) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """A connection in a transaction: committed at the end of the block, rolled back when the block raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """One round trip to the server. Raises TransientError when it does not answer."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


def described(dsn: str) -> str:
    """Where a DSN leads, without its password: what logs and error messages may say."""
    try:
        words = conninfo_to_dict(dsn)
    except psycopg.Error:
        return "a PostgreSQL address that can't be read"
    user, host = words.get("user"), words.get("host") or words.get("hostaddr") or "the default socket"
    name = words.get("dbname") or user or "the default database"
    port = f":{words['port']}" if words.get("port") else ""
    return f"{name} at {host}{port}" + (f" as {user}" if user else "")


def translated(error: psycopg.Error, *, lost: bool = False) -> psycopg.Error | HubError:
    """The hub's name for a foreign error; the error itself when it is a bug or an answer. `lost`: connection gone."""
    if lost or isinstance(error, psycopg.OperationalError | psycopg.errors.ReadOnlySqlTransaction):
        return TransientError(f"the store: {_told(error)}")
    if isinstance(error, psycopg.DataError):
        return MessageError("unstorable", _told(error))
    return error


async def connect(dsn: str, wait: float = 10.0) -> AsyncConnection[tuple[Any, ...]]:
    """One connection outside any pool (autocommit, UTC). Raises as `Store.open` does; the caller closes it."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.Error:
        # libpq's text quotes the part it could not read, and that may be the password.
        raise ConfigError("the store's address is neither a postgresql:// URL nor key=value words") from None
    try:
        connection = await AsyncConnection.connect(dsn, autocommit=True, connect_timeout=max(2, round(wait)))
    except psycopg.Error as error:
        raise TransientError(f"the store {described(dsn)} can't be reached: {_told(error)}") from error
    try:
        await _configure(connection)
        major = connection.info.server_version // 10000
        if major < OLDEST_SERVER:
            raise ConfigError(
                f"the store {described(dsn)} is PostgreSQL {major}; the hub needs {OLDEST_SERVER} or newer"
            )
    except BaseException:
        await connection.close()
        raise
    return connection


async def _greet(dsn: str, wait: float) -> None:
    # The pool would only say that it waited in vain; a connection of our own says why.
    connection = await connect(dsn, wait)
    await connection.close()


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_SESSION)


def _told(error: psycopg.Error) -> str:
    said = str(error).strip() or type(error).__name__
    return " ".join(said.split())
