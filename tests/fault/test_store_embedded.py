"""The hub is killed, and its database neither stays behind for ever nor stands in the way of the next start."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store import Store
from hub.store.binaries import found
from hub.store.embedded import PORT, EmbeddedPostgres
from hub.store.postmaster import Postmaster
from hub.store.unprivileged import chosen

pytestmark = pytest.mark.postgres

HUB = """
import asyncio, sys
from pathlib import Path
from hub.store import Store
from hub.store.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}) as server:
        async with Store.open(server.dsn) as store, store.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS note (number int)")
            print(server.pid, flush=True)
            for number in range(10**9):
                await connection.execute("INSERT INTO note VALUES (%s)", (number,))
                print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
    folder.chmod(0o755)
    yield folder / "postgres"
    shutil.rmtree(folder)


def hub_that_writes(directory: Path) -> tuple[subprocess.Popen[str], int]:
    """A hub process that says the number of each row once it is committed, and its server's process id."""
    process = subprocess.Popen([sys.executable, "-c", HUB, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def killed_after(process: subprocess.Popen[str], rows: int, server: int | None = None) -> int:
    """SIGKILL the hub once it said so many rows, and `server` just before; the highest it said before it died."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(rows)]
    if server is not None:
        os.kill(server, signal.SIGKILL)
    process.kill()
    said += [line for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    return int(said[-1])


async def count(server: EmbeddedPostgres) -> int:
    async with Store.open(server.dsn) as store, store.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM note")).fetchone()
    assert row is not None
    return int(row[0])


async def test_the_server_of_a_killed_hub_ends_by_itself(directory: Path) -> None:
    process, _ = hub_that_writes(directory)
    last = killed_after(process, 50)
    postmaster = Postmaster(directory / "data")
    deadline = time.monotonic() + 30
    while postmaster.pid() is not None:
        assert time.monotonic() < deadline, "the server outlived its hub"
        await asyncio.sleep(0.02)
    assert not (directory / "data" / "postmaster.pid").exists()  # a clean shutdown, nothing to recover
    async with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
        assert await count(server) >= last + 1


@pytest.mark.parametrize("rows", [1, 20, 200])
async def test_a_hub_started_again_at_once_has_everything_that_was_committed(directory: Path, rows: int) -> None:
    process, _ = hub_that_writes(directory)
    last = killed_after(process, rows)
    async with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
        assert await count(server) >= last + 1


async def test_hub_and_server_killed_together_lose_nothing_committed(directory: Path) -> None:
    process, pid = hub_that_writes(directory)
    last = killed_after(process, 50, pid)
    async with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
        assert await count(server) >= last + 1


async def test_an_orphan_that_goes_on_is_ended_and_replaced(directory: Path) -> None:
    """As after a hub whose server was not tied to its life: on another system, or by an older version."""
    async with (
        EmbeddedPostgres(directory, settings={"fsync": "off"}) as server,
        Store.open(server.dsn) as store,
        store.connection() as connection,
    ):
        await connection.execute("CREATE TABLE note (number int)")
        await connection.execute("INSERT INTO note VALUES (1)")
    programs = found()
    identity = chosen(directory, programs)
    words = ["-D", str(directory / "data"), "-k", str(directory / "socket"), "-p", str(PORT), "-c", "listen_addresses="]
    orphan = await asyncio.create_subprocess_exec(
        *identity.command(programs.postgres, *words), stderr=subprocess.DEVNULL, start_new_session=True
    )
    postmaster = Postmaster(directory / "data")
    deadline = time.monotonic() + 30
    while not postmaster.ready(orphan.pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    async with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
        assert server.pid != orphan.pid
        assert await orphan.wait() == 0  # asked, not killed
        assert await count(server) == 1
