"""What the demo needs around the hub: free ports, secrets of its own, and the simulated city as a process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.errors import HubError

ROBOT_KEYS: Final = {
    "ROBOT_KEY_TONGXIN_1": "sim-tongxin-1",
    "ROBOT_KEY_HEPING_1": "sim-heping-1",
    "ROBOT_KEY_HEPING_2": "sim-heping-2",
    "ROBOT_KEY_COMMUNITY": "sim-community",
    "ROBOT_KEY_STREET": "sim-street",
    "ROBOT_KEY_CITY": "sim-city",
}
ROBOTS: Final = ("grid-tongxin-1", "grid-heping-1", "grid-heping-2", "community", "street", "city")


class Ports(msgspec.Struct, frozen=True):
    """Where everything of this demo listens on 127.0.0.1."""

    page: int
    mqtt: int
    rtsp: int
    bridge: int
    hotline: int
    robot: int


def ports(page: int) -> Ports:
    """The page's port, which must be free, and five others that are. Raises HubError."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", page))
        except OSError:
            raise HubError(
                f"port {page} is in use, perhaps by another demo: end that one, or choose another with --port"
            ) from None
    return Ports(page, *_free(5))


def environment(data: Path, used: Ports) -> dict[str, str]:
    """What this demo says other than configs/hub.yaml does, as that file's own overrides."""
    robot = f"http://127.0.0.1:{used.robot}/cgi-bin/webhook/send"
    return {
        "HUB_DATA": str(data.absolute()),
        "HUB_WEB__PORT": str(used.page),
        "HUB_MQTT__PORT": str(used.mqtt),
        "HUB_BRIDGE__PORT": str(used.bridge),
        "HUB_BRIDGE__HOTLINE__URL": f"http://127.0.0.1:{used.hotline}/orders",
        "HUB_CAMERAS__BASES__SIM": f"rtsp://127.0.0.1:{used.rtsp}",
        **{f"HUB_CHANNELS__ROBOTS__{name.upper()}__URL": robot for name in ROBOTS},
        **ROBOT_KEYS,
        "HOTLINE_SECRET": _hotline_secret(data),
    }


@asynccontextmanager
async def city(
    used: Ports, cache: Path, without: Iterable[str], heard: Callable[[dict[str, Any]], None], log: Path
) -> AsyncIterator[None]:
    """The simulated city as a child process. `heard` gets each line it says; leaving the block ends it."""
    command = [
        sys.executable, "-m", "simulator", "--commentary", "--cache", str(cache),
        "--mqtt", f"127.0.0.1:{used.mqtt}", "--rtsp-port", str(used.rtsp), "--robot-port", str(used.robot),
        "--hotline-port", str(used.hotline), "--callback", f"http://127.0.0.1:{used.bridge}/hotline/status",
    ]  # fmt: skip
    for name in sorted(without):
        command += ["--without", name]
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    listening = asyncio.create_task(_listen(process, heard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(3.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening


async def _listen(process: asyncio.subprocess.Process, heard: Callable[[dict[str, Any]], None]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        heard(msgspec.json.decode(line, type=dict[str, Any]))
    code = await process.wait()
    if code not in (0, -signal.SIGTERM):
        heard({"ended": code})


def _free(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _hotline_secret(data: Path) -> str:
    path = data / "secrets" / "hotline"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
    return path.read_text()
