"""The database that comes with the hub: started with it, ended with it, its data in one directory.

directory/lock       who uses it now
         /password   in libpq's password file form, for us alone; the DSN names this file and holds no secret
         /data       PostgreSQL's own; its major version is pinned in there
         /log        one file per day of the week
         /socket     the only way in, unless that path is too long for a socket
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo

from hub.errors import ConfigError
from hub.store import connect
from hub.store.binaries import Binaries, found
from hub.store.postmaster import Postmaster
from hub.store.unprivileged import Identity, chosen

USER: Final = "hub"
DATABASE: Final = "hub"
PORT: Final = 5432  # only a part of the socket's name

_LONGEST_SOCKET_PATH: Final = 103  # bytes; 107 on Linux, 103 on macOS
_STOP_SECONDS: Final = 30.0
_ORPHAN_SECONDS: Final = 60.0

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_checkpoints": "off",
    "jit": "off",
}
"""For one site on a small machine. Whoever needs more runs a server of his own, or passes other values."""


class EmbeddedPostgres:
    """`async with EmbeddedPostgres(directory) as server:` runs a PostgreSQL; `server.dsn` leads to its database.

    It ends with this block, and with this process even when that is killed. Enter it from the main thread: Linux
    ends the server when the thread that started it ends. A server that an earlier run left behind is ended first,
    so that this run's settings hold. After a crash the start takes as long as PostgreSQL needs to recover.
    """

    def __init__(self, directory: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None):
        """`binaries`: another PostgreSQL's bin folder instead of the wheel's. `settings`: more or other values for
        postgresql.conf, as `shared_preload_libraries` and `extension_control_path` for an extension from outside."""
        self.directory = directory.absolute()
        self._binaries = binaries
        self._settings = {**SETTINGS, **(settings or {})}
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._socket = _socket_folder(self.directory)

    @property
    def dsn(self) -> str:
        """Where the database is; without a password, which libpq takes from the file that it names."""
        return self._dsn(DATABASE)

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError when it was not started."""
        if self._process is None:
            raise RuntimeError("the embedded PostgreSQL was not started")
        return self._process.pid

    async def __aenter__(self) -> EmbeddedPostgres:
        """Raises ConfigError, in words for the operator, when the directory or the programs can't be used."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            await self._start()
        except OSError as error:
            await self._close()
            raise ConfigError(f"the embedded PostgreSQL can't use {self.directory}: {error}") from error
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def ended(self) -> str:
        """Waits until the server ends by itself, which it never should, and returns its last words."""
        if self._process is not None:
            await self._process.wait()
        return self._last_words()

    async def _start(self) -> None:
        programs = found(self._binaries)
        identity = chosen(self.directory, programs)
        data = self.directory / "data"
        if not data.exists():
            await self._create(data, programs, identity)
        _refuse_other_version(data, programs)
        self._refuse_lost_password()
        await Postmaster(data).end(_ORPHAN_SECONDS)
        identity.own(data)
        for folder in (self.directory / "log", self._socket):
            _private_folder(folder, identity)
        for left in self._socket.iterdir():  # of a server that was killed; it would ask whether that one still runs
            left.unlink()
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while not await self._serves(data, programs, identity):
            said = self._last_words()
            # The server's last children may outlive it by a moment when it was killed.
            if "is still in use" not in said or time.monotonic() > deadline:
                raise ConfigError(f"the embedded PostgreSQL in {self.directory} does not start: {said}")
            await asyncio.sleep(0.1)
        await self._create_database()

    async def _create(self, data: Path, programs: Binaries, identity: Identity) -> None:
        """initdb, into a folder that gets its name when it is whole: a start that was killed is begun anew."""
        password = self._password()
        unfinished, secret = self.directory / "data.new", self.directory / "password.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        identity.own(unfinished)
        _write_secret(secret, password)
        identity.own(secret)
        try:
            words = ["-D", str(unfinished), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(secret)]
            words += ["-E", "UTF8", "--no-locale", "--data-checksums", "--no-instructions"]
            process = await asyncio.create_subprocess_exec(
                *identity.command(programs.initdb, *words, dies_with_us=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
            said, _ = await process.communicate()
        finally:
            secret.unlink()
        if process.returncode != 0:
            raise ConfigError(f"no database can be made in {self.directory}: {_tail(said)}")
        unfinished.rename(data)

    async def _serves(self, data: Path, programs: Binaries, identity: Identity) -> bool:
        """Start the server and wait until it accepts connections; False when it ended instead."""
        # Double quotes: the option is a list, and a folder's name may hold a comma.
        settings = {
            "unix_socket_directories": '"' + str(self._socket).replace('"', '""') + '"',
            "log_directory": str(self.directory / "log"),
            **self._settings,
        }
        words = ["-D", str(data), "-p", str(PORT)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        with (self.directory / "log" / "start.log").open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *identity.command(programs.postgres, *words, dies_with_us=signal.SIGINT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the hub, which still has things to write
            )
        postmaster = Postmaster(data)
        while process.returncode is None:
            if postmaster.ready(process.pid):
                return True
            await asyncio.sleep(0.01)
        return False

    async def _create_database(self) -> None:
        connection = await connect(self._dsn("postgres"))
        try:
            rows = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if await rows.fetchone() is None:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        finally:
            await connection.close()

    async def _close(self) -> None:
        try:
            process = self._process
            if process is not None and process.returncode is None:
                await _stop(process)
            if self._socket.parent != self.directory:
                shutil.rmtree(self._socket, ignore_errors=True)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _dsn(self, database: str) -> str:
        return make_conninfo(
            "", host=str(self._socket), port=PORT, user=USER, dbname=database, passfile=str(self._password_file)
        )

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    def _password(self) -> str:
        """The password, made and kept when there is none yet."""
        if not self._password_file.exists():
            _write_secret(self._password_file, f"*:*:*:{USER}:{secrets.token_urlsafe(24)}\n")
        return self._password_file.read_text().strip().rpartition(":")[2]

    def _refuse_lost_password(self) -> None:
        if not self._password_file.exists():
            raise ConfigError(f"{self._password_file} is gone, and without it the data beside it can't be opened")

    def _take_lock(self) -> None:
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            raise ConfigError(
                f"{self.directory} is in use by another hub, process {holder or 'unknown'}:"
                " end that one, or give this one a directory of its own"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _last_words(self) -> str:
        logs = sorted((self.directory / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        spoken = [log.read_bytes()[-4000:] for log in logs[-2:] if log.name == "start.log" or log == logs[-1]]
        return _tail(b"\n".join(spoken))


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Clean shutdown; an immediate one, which the next start has to recover from, when that takes too long."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
            return


def _socket_folder(directory: Path) -> Path:
    """`directory/socket`; where that is too long a name for a socket, a short one that is always the same."""
    inside = directory / "socket"
    if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET_PATH and "," not in str(inside):
        return inside
    digest = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"property-hub-{digest}"


def _private_folder(path: Path, identity: Identity) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    found_there = path.lstat()
    if not stat.S_ISDIR(found_there.st_mode) or found_there.st_uid not in (os.geteuid(), identity.uid):
        raise ConfigError(f"{path} belongs to someone else: remove it")
    identity.own(path)


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _refuse_other_version(data: Path, programs: Binaries) -> None:
    try:
        major = int((data / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError):
        raise ConfigError(f"{data} does not hold a PostgreSQL database: move it away") from None
    if major != programs.major:
        raise ConfigError(
            f"{data} was made by PostgreSQL {major}, and this is {programs.version}: carry it over with pg_upgrade,"
            f" or run the programs of PostgreSQL {major}"
        )


def _environment() -> dict[str, str]:
    # Nothing of ours: PGDATA, PGOPTIONS or a locale of the hub's user would change what the server does.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _tail(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    grave = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "HINT:", "error:"))]
    return " / ".join((grave or lines)[-4:]) or "it said nothing"
