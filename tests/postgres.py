"""A real PostgreSQL for tests: one server for the session, a fresh clone of the migrated database for each test.

    def test_x(database: str)          the DSN of an empty, migrated database on the embedded PostgreSQL 18
    async def test_x(store: Store)     the same, opened

    @every_postgres                    on each server there is: embedded, Debian's, and TimescaleDB where one is named
    async def test_x(store: Store)     by HUB_TEST_TIMESCALE_DSN (a user who may create databases)

Tests that use any of these carry the marker `postgres`. A server that is missing is a skip, and a failure when CI=true.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal, NoReturn

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hub.store import Store
from hub.store.embedded import EmbeddedPostgres
from hub.store.migrate import migrate

Engine = Literal["embedded", "debian", "timescale"]

every_postgres: Final = pytest.mark.parametrize(
    "postgres_server", ["embedded", "debian", "timescale"], indirect=True, scope="session"
)

_TEMPLATE: Final = "hub_template"


class Server(msgspec.Struct, frozen=True):
    """A running server. `admin` may create databases; `template` is empty where a migrated one can't be cloned."""

    engine: Engine
    admin: str
    template: str = ""

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database; its DSN."""
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(query)
        return make_conninfo(self.admin, dbname=name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class Servers:
    """Starts each server when the first test asks for it, and ends all of them with the session."""

    def __init__(self) -> None:
        self._running: dict[Engine, Server] = {}
        # A loop of our own, on the main thread: the server ends when the thread that started it does.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._open = AsyncExitStack()

    def get(self, engine: Engine) -> Server:
        if engine not in self._running:
            self._running[engine] = self._timescale() if engine == "timescale" else self._started(engine)
        return self._running[engine]

    def close(self) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()

    def _started(self, engine: Engine) -> Server:
        binaries = debian_binaries() if engine == "debian" else None
        folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
        folder.chmod(0o755)  # or `nobody` could not reach it and we would test the user namespace only
        self._open.callback(shutil.rmtree, folder)
        # Killed processes are tested, power cuts are not: a database per test is quicker without waiting for disks.
        postgres = EmbeddedPostgres(folder, binaries=binaries, settings={"fsync": "off"})
        self._runner.run(self._open.enter_async_context(postgres))
        server = Server(engine, make_conninfo(postgres.dsn, dbname="postgres"), _TEMPLATE)
        self._runner.run(migrate(server.create(_TEMPLATE), "off"))
        return server

    def _timescale(self) -> Server:
        dsn = os.environ.get("HUB_TEST_TIMESCALE_DSN")
        if not dsn:
            pytest.skip("no TimescaleDB: HUB_TEST_TIMESCALE_DSN names none")
        return Server("timescale", dsn)  # its background workers hold a template open: no cloning


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest, postgres_servers: Servers) -> Server:
    """The server under test: the embedded one unless `every_postgres` or a parameter says otherwise."""
    engine: Engine = getattr(request, "param", "embedded")
    return postgres_servers.get(engine)


@pytest.fixture
def database(postgres_server: Server) -> Iterator[str]:
    """The DSN of a fresh, migrated database, dropped after the test."""
    name = f"hub_test_{uuid.uuid4().hex}"
    if postgres_server.template:
        dsn = postgres_server.create(name, postgres_server.template)
    else:
        dsn = postgres_server.create(name)
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(migrate(dsn, "on"))
    yield dsn
    postgres_server.drop(name)


@pytest.fixture
def empty_database(postgres_server: Server) -> Iterator[str]:
    """The DSN of a fresh database without any table, dropped after the test."""
    name = f"hub_test_{uuid.uuid4().hex}"
    yield postgres_server.create(name)
    postgres_server.drop(name)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """The same database, opened."""
    async with Store.open(database) as opened:
        yield opened


@pytest.hookimpl(tryfirst=True)  # before `-m postgres` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


def missing(what: str) -> NoReturn:
    """Skip, with the reason; in CI everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI must have it")
    pytest.skip(what)


def debian_binaries() -> Path:
    """The newest PostgreSQL that Debian's packages put here; skips the test when there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not folders:
        missing("no PostgreSQL of Debian's in /usr/lib/postgresql")
    return folders[-1].parent
