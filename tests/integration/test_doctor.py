"""The doctor beside real engines: when nothing runs, when all runs, and when something is wrong."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict

from app.doctor import Finding, examine
from app.examination.engines import bus
from app.whole import sole
from hub.bus.embedded import EmbeddedBus
from hub.bus.kafka import KafkaBus
from hub.model import Command
from hub.settings.deployment import Deployment
from hub.store import Store
from hub.store.embedded import EmbeddedPostgres
from hub.store.migrate import migrate
from hub.topics import ALL, COMMANDS
from ingest import broker
from ingest.broker import EmbeddedBroker
from tests.postgres import missing

CITY = "city: {name: 云川市}\nstreets: {}\ncommunities: {}\ngrids: {}\npeople: {}\n"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def written(folder: Path, hub: str) -> Path:
    """A settings folder with an empty city and this hub.yaml."""
    (folder / "city.yaml").write_text(CITY)
    (folder / "hub.yaml").write_text(hub)
    return folder / "hub.yaml"


def told(found: list[Finding], subject: str) -> list[tuple[str, str]]:
    return [(f.state, f.says) for f in found if f.subject == subject]


async def test_when_nothing_runs_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    port = free_port()
    file = written(tmp_path, f"data: var\nmqtt: {{port: {port}}}\n")
    found = await examine(file)
    assert all(f.ok for f in found), [f.line() for f in found if not f.ok]
    states = {f.subject: f.state for f in found}
    assert {states[name] for name in ("running", "store", "bus", "mqtt")} == {"note"}
    assert any(f"nothing on 127.0.0.1:{port}" in says for _, says in told(found, "mqtt"))
    assert not (tmp_path / "var").exists()


async def test_beside_a_running_hub_every_engine_is_well(tmp_path: Path) -> None:
    file = written(tmp_path, "data: var\n")
    data = tmp_path / "var"
    with sole(data):
        async with (
            EmbeddedPostgres(data / "store") as server,
            EmbeddedBroker(data / "mqtt") as running,
            EmbeddedBus(data / "bus") as log,
        ):
            await migrate(server.dsn)
            async with Store.open(server.dsn, connections=1) as store, store.connection() as connection:
                await connection.execute(
                    "INSERT INTO progress (role, instance, at)"
                    " VALUES ('web', 'a', now()), ('detect', 'a', now() - interval '300 s')"
                )
            await log.publish(
                COMMANDS,
                [
                    Command(
                        id="c", site="cuihu", at=datetime.now(UTC), incident="i", action="note", by="me", channel="page"
                    )
                ],
            )
            file.write_text(f"data: var\nmqtt: {{port: {running.port}}}\n")
            found = await examine(file)
    assert told(found, "running") == [("ok", f"running, process {os.getpid()}")]
    for subject in ("store", "tables", "store clock", "bus", "mqtt queue"):
        assert [state for state, _ in told(found, subject)] == ["ok"], subject
    assert "PostgreSQL 18" in told(found, "store")[0][1]
    assert "kept all 1500" in told(found, "mqtt queue")[0][1]
    state, says = told(found, "roles")[0]
    assert state == "trouble"
    assert "detect 30" in says
    assert "web " in says
    secret = (data / "store" / "password").read_text().strip().rpartition(":")[2]
    assert secret not in "".join(f.line() + str(f.as_dict()) for f in found)


async def test_what_can_not_be_reached_is_trouble_with_a_remedy(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(4)]
    file = written(
        tmp_path,
        f"data: var\nstore: {{kind: postgres, dsn: 'postgresql://hub@127.0.0.1:{ports[0]}/hub'}}\n"
        f"bus: {{kind: kafka, servers: ['127.0.0.1:{ports[1]}']}}\n"
        f"mqtt: {{broker: external, port: {ports[2]}}}\n"
        f"channels: {{robots: {{a: {{kind: wecom, url: 'http://127.0.0.1:{ports[3]}/send'}}}}}}\n",
    )
    found = await examine(file)
    for subject in ("store", "bus", "mqtt", "peers"):
        bad = [f for f in found if f.subject == subject and not f.ok]
        assert len(bad) == 1, subject
        assert bad[0].remedy


async def test_a_database_without_our_tables_is_told_what_to_run(empty_database: str, tmp_path: Path) -> None:
    words = conninfo_to_dict(empty_database)
    asked = urlencode({name: str(words[name]) for name in ("host", "port", "passfile") if words.get(name)})
    address = f"postgresql://{words['user']}@/{words['dbname']}?{asked}"
    found = await examine(written(tmp_path, f"data: var\nstore: {{kind: postgres, dsn: '{address}'}}\n"))
    state, says = told(found, "tables")[0]
    assert state == "trouble"
    assert "0001" in says
    assert [f.remedy for f in found if f.subject == "tables"] == ["run: property-hub migrate"]


@asynccontextmanager
async def stingy(folder: Path) -> AsyncIterator[int]:
    """A mosquitto that keeps fifty messages for who is away; its port."""
    program = broker.mosquitto()
    if program is None:
        missing("no mosquitto")
    port = free_port()
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 50\n")
    child = await asyncio.create_subprocess_exec(program, "-c", str(file), stderr=asyncio.subprocess.DEVNULL)
    try:
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        yield port
    finally:
        child.terminate()
        await child.wait()


@pytest.mark.mosquitto
async def test_a_broker_that_forgets_is_found_out(tmp_path: Path) -> None:
    async with stingy(tmp_path) as port:
        found = await examine(written(tmp_path, f"data: var\nmqtt: {{broker: external, port: {port}}}\n"))
    queue = [f for f in found if f.subject == "mqtt queue"]
    assert [f.state for f in queue] == ["warning"]
    assert "of 1500" in queue[0].says
    assert "max_queued_messages 0" in queue[0].remedy


async def test_something_else_on_the_brokers_port_is_in_the_way(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await examine(written(tmp_path, f"data: var\nmqtt: {{port: {port}}}\n"))
    assert ("trouble", f"something else listens on 127.0.0.1:{port} already") in told(found, "mqtt")


@pytest.mark.kafka
async def test_kafka_without_and_with_the_topics(kafka_servers: str, tmp_path: Path) -> None:
    file = written(tmp_path, f"data: var\nbus: {{kind: kafka, servers: ['{kafka_servers}']}}\n")
    deployment = Deployment.load(file, {})
    async with KafkaBus(kafka_servers) as kafka:
        assert set(await kafka.missing_topics(ALL)) <= {topic.name for topic in ALL}
        await kafka.ensure_topics(ALL)
        assert await kafka.missing_topics(ALL) == []
    assert [f.state async for f in bus(deployment, "")] == ["ok"]
