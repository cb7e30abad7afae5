"""The broker that the hub brings along: it ends with the hub, keeps what it holds, and says when its place is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from hub.errors import ConfigError
from ingest.broker import EmbeddedBroker, Guard

ROOT = Path(__file__).resolve().parents[2]
HUB = """
import asyncio, sys
from pathlib import Path
from ingest.broker import EmbeddedBroker

async def main():
    async with EmbeddedBroker(Path(sys.argv[1]), kind="mosquitto") as broker:
        print("at", broker.port, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


@pytest.mark.mosquitto
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_it_ends_with_the_hub_however_that_ends(end: signal.Signals, tmp_path: Path) -> None:
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HUB, str(tmp_path), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert hub.stdout is not None
    port = 0
    while not port:
        words = (await hub.stdout.readline()).decode().split()
        assert words, "the hub has ended"
        port = int(words[1]) if words[0] == "at" else 0
    assert answers(port)
    os.kill(hub.pid, end)
    await hub.wait()
    deadline = asyncio.get_running_loop().time() + 10
    while answers(port):
        assert asyncio.get_running_loop().time() < deadline, "the broker outlived its hub"
        await asyncio.sleep(0.05)


async def test_a_port_that_is_taken_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}.*mqtt.port"):
            async with EmbeddedBroker(tmp_path, port):
                pass


async def test_the_stand_in_does_not_pretend_to_guard(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mosquitto"):
        async with EmbeddedBroker(tmp_path, guard=Guard(username="a", password="b"), kind="amqtt"):
            pass
