"""The MQTT broker that a hub brings along when no other is named.

mosquitto as a child process when it is on the PATH, with a queue without limit and persistence (by default it would
drop what an absent subscriber does not fetch, beyond 1,000 messages); else amqtt inside this process, which speaks
MQTT 3.1.1 only and may lose messages that were under way when a client reconnects: for demonstrations.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
import structlog

from hub.errors import ConfigError, TransientError
from hub.store import launch

log = structlog.get_logger()

START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0

_ITERATIONS: Final = 20_000

Kind = Literal["mosquitto", "amqtt"]


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in: one account for all devices, and TLS where there is a certificate (PEM)."""

    username: str
    password: str
    certificate: Path | None = None
    key: Path | None = None


class EmbeddedBroker:
    """`async with EmbeddedBroker(directory, port) as broker:` listens at `broker.host`, `broker.port`.

    `port` 0 takes any free one. `kind` says which broker it became.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        guard: Guard | None = None,
        kind: Kind | None = None,
    ) -> None:
        """`kind` chooses; without it mosquitto is taken when there is one. Without a guard anybody may come in."""
        self._guard = guard
        self.directory = directory
        self.host = host
        self.port = port
        self.kind: Kind = kind or ("mosquitto" if mosquitto() else "amqtt")
        self._child: Process | None = None
        self._amqtt: Any = None

    async def __aenter__(self) -> Self:
        """Raises ConfigError when the port is taken, TransientError when the broker does not come up."""
        self.port = await _free(self.host, self.port)
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.kind == "amqtt":
            if self._guard is not None:
                raise ConfigError("only mosquitto guards its door; install it, or leave out mqtt.username")
            await self._start_amqtt()
        else:
            await self._start_mosquitto()
        log.info("broker_started", kind=self.kind, host=self.host, port=self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End it cleanly: mosquitto writes what it holds to its disk."""
        if self._amqtt is not None:
            broker, self._amqtt = self._amqtt, None
            await broker.shutdown()
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _start_mosquitto(self) -> None:
        program = mosquitto()
        if program is None:
            raise ConfigError("mosquitto is not installed; write 'broker: external' and name one, or install it")
        file = self.directory / "mosquitto.conf"
        file.write_text(_configuration(self.directory, self.host, self.port) + self._guarded())
        # Ended by the kernel when we die, however we die; its own session, for Ctrl-C is for the hub.
        tied = [sys.executable, launch.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "0", "0", "plain"]
        with (self.directory / "mosquitto.log").open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *tied, program, "-c", str(file), stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not _answers(self.host, self.port):
            if self._child.returncode is not None:
                raise TransientError(f"mosquitto ended with {self._child.returncode}: see {output.name}")
            if asyncio.get_running_loop().time() > deadline:
                await self.stop()
                raise TransientError(f"mosquitto does not answer on {self.host}:{self.port}")
            await asyncio.sleep(0.02)

    def _guarded(self) -> str:
        guard = self._guard
        if guard is None:
            return "allow_anonymous true\n"
        file = self.directory / "accounts"
        file.touch(mode=0o600)
        file.write_text(f"{guard.username}:{_hashed(guard.password)}\n")
        tls = f"certfile {guard.certificate}\nkeyfile {guard.key}\n" if guard.certificate else ""
        return f"allow_anonymous false\npassword_file {file}\n{tls}"

    async def _start_amqtt(self) -> None:
        from amqtt.broker import Broker  # loaded only where it stands in

        config = {
            "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:{self.port}", "max_connections": 1000}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        self._amqtt = Broker(config)
        await self._amqtt.start()


def mosquitto() -> str | None:
    """Where mosquitto is installed; Debian puts it where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it since 2.0: PBKDF2 with SHA-512."""
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${b64encode(salt).decode()}${b64encode(key).decode()}"


def _configuration(directory: Path, host: str, port: int) -> str:
    owner = "user root\n" if os.geteuid() == 0 else ""
    return (
        f"listener {port} {host}\n"
        f"{owner}"
        "max_queued_messages 0\n"
        "max_inflight_messages 1000\n"
        "persistence true\n"
        f"persistence_location {directory}/\n"
        "autosave_interval 60\n"
        "log_type error\nlog_type warning\n"
    )


async def _free(host: str, port: int) -> int:
    """The port, once it is free: an earlier broker of ours may still be writing down what it holds."""
    deadline = asyncio.get_running_loop().time() + STOP_SECONDS
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return int(probe.getsockname()[1])
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise ConfigError(
                        f"the MQTT broker can't listen on {host}:{port}: {error.strerror}; "
                        "choose another mqtt.port in hub.yaml"
                    ) from error
        await asyncio.sleep(0.1)


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
        return True
    return False
