"""The database that comes with the hub: nobody installs it, nobody else gets in, and its end is clean."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.errors import ConfigError
from hub.store import Store
from hub.store.binaries import from_wheel
from hub.store.embedded import EmbeddedPostgres
from tests.postgres import debian_binaries

pytestmark = pytest.mark.postgres

WITHOUT_DISK = {"fsync": "off"}


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that any user can reach, as an operator's would be."""
    folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
    folder.chmod(0o755)
    yield folder / "postgres"
    shutil.rmtree(folder)


@pytest.fixture(params=["wheel", "debian"])
def binaries(request: pytest.FixtureRequest) -> Path:
    return from_wheel() if request.param == "wheel" else debian_binaries()


async def note(server: EmbeddedPostgres, text: str) -> None:
    async with Store.open(server.dsn) as store, store.connection() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        await connection.execute("INSERT INTO note VALUES (%s)", (text,))


async def notes(server: EmbeddedPostgres) -> list[str]:
    async with Store.open(server.dsn) as store, store.connection() as connection:
        return [row[0] for row in await (await connection.execute("SELECT text FROM note")).fetchall()]


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def socket_folder(server: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(server.dsn)["host"]))


def others_may(path: Path) -> int:
    return path.stat().st_mode & 0o077 if path.exists() else 0


def capabilities(pid: int) -> tuple[int, int]:
    """The user a process runs as, and its rights beyond an ordinary user's."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    words = {line.split(":")[0]: line.split(":")[1].split() for line in lines}
    return int(words["Uid"][1]), int(words["CapEff"][0], 16)


async def test_what_was_written_is_there_after_the_next_start(directory: Path, binaries: Path) -> None:
    for run in ("first", "second"):
        async with EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK) as server:
            await note(server, run)
            pid = server.pid
        assert not runs(pid)
    async with EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK) as server:
        assert await notes(server) == ["first", "second"]


async def test_only_the_password_file_opens_it(directory: Path, binaries: Path) -> None:
    async with EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK) as server:
        password = (directory / "password").read_text().strip().rpartition(":")[2]
        assert len(password) >= 32
        assert password not in server.dsn
        assert (directory / "password").stat().st_mode & 0o777 == 0o600
        assert not (directory / "password.new").exists()
        for folder in ("data", "log", "socket"):
            assert others_may(directory / folder) == 0
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await psycopg.AsyncConnection.connect(make_conninfo(server.dsn, password="guessed", passfile="/dev/null"))
        async with Store.open(server.dsn) as store, store.connection() as connection:
            rows = await connection.execute(
                "SELECT current_setting('listen_addresses'), current_setting('data_checksums'),"
                " current_setting('server_encoding'), current_setting('TimeZone')"
            )
            assert await rows.fetchone() == ("", "on", "UTF8", "UTC")


async def test_it_has_no_right_that_an_ordinary_user_has_not(directory: Path, binaries: Path) -> None:
    async with EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK) as server:
        uid, beyond = capabilities(server.pid)
    assert uid != 0
    assert beyond == 0


async def test_root_where_nobody_may_look_uses_a_user_namespace_and_opens_no_door(directory: Path) -> None:
    parent = directory.parent / "closed"
    parent.mkdir(mode=0o700)
    async with EmbeddedPostgres(parent / "postgres", settings=WITHOUT_DISK) as server:
        await note(server, "in the namespace")
        assert capabilities(server.pid)[1] == 0
    assert parent.stat().st_mode & 0o777 == 0o700
    parent.chmod(0o755)  # an operator thinks again: the same data, as another user from now on
    async with EmbeddedPostgres(parent / "postgres", settings=WITHOUT_DISK) as server:
        assert await notes(server) == ["in the namespace"]


async def test_a_second_hub_in_the_same_directory_is_told_which_one_is_there(directory: Path) -> None:
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK) as server:
        with pytest.raises(ConfigError, match=rf"in use by another hub, process {os.getpid()}:"):
            await EmbeddedPostgres(directory).__aenter__()
        await note(server, "undisturbed")
        assert await notes(server) == ["undisturbed"]


async def test_data_of_another_major_version_are_left_alone(directory: Path) -> None:
    async with EmbeddedPostgres(directory, binaries=debian_binaries(), settings=WITHOUT_DISK) as server:
        await note(server, "old")
    with pytest.raises(ConfigError, match=r"was made by PostgreSQL 15, and this is 18\.\d+: .*pg_upgrade"):
        await EmbeddedPostgres(directory).__aenter__()
    async with EmbeddedPostgres(directory, binaries=debian_binaries(), settings=WITHOUT_DISK) as server:
        assert await notes(server) == ["old"]


@pytest.mark.parametrize("name", ["long/" + "x" * 120, "with, comma", "with 'quotes\" and spaces", "小区/数据"])
async def test_any_directory_name_will_do(directory: Path, name: str) -> None:
    async with EmbeddedPostgres(directory / name, settings=WITHOUT_DISK) as server:
        await note(server, name)
        assert await notes(server) == [name]
        assert len(os.fsencode(socket_folder(server))) < 90
        assert others_may(socket_folder(server)) == 0
    assert not list(socket_folder(server).glob("*"))


async def test_settings_are_passed_on_and_wrong_ones_are_quoted(directory: Path) -> None:
    async with (
        EmbeddedPostgres(directory, settings={**WITHOUT_DISK, "work_mem": "7MB"}) as server,
        Store.open(server.dsn) as store,
        store.connection() as connection,
    ):
        assert await (await connection.execute("SHOW work_mem")).fetchone() == ("7MB",)
    with pytest.raises(ConfigError, match=r'does not start: .*unrecognized configuration parameter "wrok_mem"'):
        await EmbeddedPostgres(directory, settings={"wrok_mem": "7MB"}).__aenter__()
    with pytest.raises(ConfigError, match=r"does not start: .*timescaledb"):
        await EmbeddedPostgres(directory, settings={"shared_preload_libraries": "timescaledb"}).__aenter__()
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK):
        pass  # and neither attempt kept the lock


async def test_a_creation_that_was_killed_is_begun_anew(directory: Path) -> None:
    (directory / "data.new" / "base").mkdir(parents=True)
    (directory / "data.new" / "PG_VERSION").write_text("18\n")
    (directory / "password.new").write_text("half")
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK) as server:
        await note(server, "whole")
    assert not (directory / "data.new").exists()


async def test_a_server_that_was_killed_is_noticed_and_recovers(directory: Path, binaries: Path) -> None:
    server = EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK)
    async with server:
        await note(server, "committed")
        ending = asyncio.create_task(server.ended())
        await asyncio.sleep(0)
        assert not ending.done()
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.wait_for(ending, 30)  # noqa: TID251  # a task of the test's own
    async with EmbeddedPostgres(directory, binaries=binaries, settings=WITHOUT_DISK) as server:
        assert await notes(server) == ["committed"]


async def test_a_process_number_that_now_means_another_program_is_no_server(directory: Path) -> None:
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK) as server:
        lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
        await note(server, "before the power cut")
    (directory / "data" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK) as server:
        assert await notes(server) == ["before the power cut"]


async def test_a_lost_password_file_is_told_as_such(directory: Path) -> None:
    async with EmbeddedPostgres(directory, settings=WITHOUT_DISK):
        pass
    (directory / "password").unlink()
    with pytest.raises(ConfigError, match="password is gone"):
        await EmbeddedPostgres(directory).__aenter__()


async def test_a_folder_that_holds_no_programs_is_told_as_such(directory: Path) -> None:
    with pytest.raises(ConfigError, match="does not run"):
        await EmbeddedPostgres(directory, binaries=directory).__aenter__()
