"""The hub's own roles as processes, over settings of the test's own: to be started, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import msgspec

from app.engines import open_bus
from app.roles import note_of
from app.sections import DECODERS, SECTIONS
from app.supervisor import PARENT
from hub.errors import TransientError
from hub.ledger import Log
from hub.settings.deployment import Deployment
from hub.settings.keeper import Keeper
from hub.store import Store
from tests.alarm_stage import SECRET

ROOT: Final = Path(__file__).parents[2]
CAMERA: Final = "cuihu/cam-b2-east"

_CITY: Final = """\
city: {name: 云川市, zone: Asia/Shanghai}
streets: {yingbin: {name: 迎宾街道}}
communities: {tongxin: {name: 同心社区, street: yingbin}}
grids: {tongxin-1: {name: 同心社区第一网格, community: tongxin, places: [cuihu], households: 342}}
people:
  wang-xiulan: {name: 王秀兰, role: grid_worker, grid: tongxin-1, phone: "13800000001", channels: {wecom: grid}}
"""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the roles find: `kafka` "" is the embedded bus; port 1 is where nobody ever listens."""

    dsn: str
    kafka: str = ""
    mqtt_port: int = 1
    rtsp_port: int = 1
    hotline: str = "http://127.0.0.1:1"
    robot: str = "http://127.0.0.1:1"


class Hub:
    """One site with one camera, in `folder`. Cameras are left out where there is no RTSP server."""

    def __init__(self, folder: Path, around: Surroundings) -> None:
        self.folder = folder
        self.config = folder / "configs" / "hub.yaml"
        (folder / "configs" / "sites").mkdir(parents=True)
        shutil.copytree(ROOT / "configs" / "tuning", folder / "configs" / "tuning")
        (folder / "configs" / "tuning" / "sites" / "jinxiu.yaml").unlink(missing_ok=True)
        (folder / "configs" / "city.yaml").write_text(_CITY)
        site = (ROOT / "configs" / "sites" / "cuihu.yaml").read_text()
        places, rest = site.split("\nsensors:\n")
        cameras = "\ncameras:\n" + rest.split("\ncameras:\n")[1] if around.rtsp_port != 1 else "\n"
        (folder / "configs" / "sites" / "cuihu.yaml").write_text(places + cameras)
        self.config.write_text(_deployment(folder, around))
        self.deployment = Deployment.load(self.config)

    def bus(self) -> AbstractAsyncContextManager[Log]:
        """The roles' bus."""
        return open_bus(self.deployment)

    async def settle(self, store: Store, bus: Log) -> None:
        """Check and store the settings, as the web role would."""
        assert await Keeper(self.config.parent, store, bus, SECTIONS, DECODERS).start() > 0

    def role(self, name: str) -> Role:
        """A process of its own for this role, not yet started."""
        return Role(name, self.config, self.folder / f"{name}.log", note_of(self.deployment, name))


class Role:
    """`python -m app run <role>`, as the supervisor starts it. `log` and `note` are where it writes."""

    def __init__(self, name: str, config: Path, log: Path, note: Path) -> None:
        self.name = name
        self.log = log
        self.note = note
        self.deaths = 0
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin; returns before it is at work."""
        own = {PARENT: str(os.getpid()), "HOTLINE_SECRET": SECRET, "ROBOT_KEY": "grid", "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app", "run", self.name, "--config", str(self._config)),
                cwd=ROOT,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("HUB_")}, **own},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def strike(self) -> None:
        """SIGKILL, now; safe from any thread's point of view, for it only sends a signal."""
        assert self.running, f"{self.name} ended by itself:\n{self.said()}"
        assert self._process is not None
        self._process.kill()
        self.deaths += 1

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.strike()
        await self.gone()

    async def gone(self) -> None:
        """Wait until it has ended."""
        if self._process is not None:
            await self._process.wait()

    async def end(self) -> None:
        """End it however it is; for the end of a test."""
        if self.running and self._process is not None:
            self._process.terminate()
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    def said(self, last: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text()[-last:] if self.log.exists() else ""


async def until(ready: Callable[[], Awaitable[bool]], seconds: float, why: Callable[[], str]) -> None:
    """Wait until something is so; what can't be asked just now is not. Fails with `why` after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(TransientError):
            if await ready():
                return
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.05)


def seed() -> random.Random:
    """Drawn anew each time and printed; HUB_FAULT_SEED repeats one."""
    number = int(os.environ.get("HUB_FAULT_SEED", uuid.uuid4().int % 10**6))
    print("HUB_FAULT_SEED =", number)
    return random.Random(number)


def _deployment(folder: Path, around: Surroundings) -> str:
    prefix = f"f-{uuid.uuid4().hex[:8]}-"
    kafka = f"{{kind: kafka, servers: ['{around.kafka}'], prefix: {prefix}}}"
    return f"""\
data: {folder}/var
bus: {kafka if around.kafka else "{kind: embedded}"}
store: {{kind: postgres, dsn: "{around.dsn}"}}
mqtt: {{broker: external, host: 127.0.0.1, port: {around.mqtt_port}}}
bridge: {{host: 127.0.0.1, port: 0, hotline: {{url: "{around.hotline}/orders", secret: {{env: HOTLINE_SECRET}}}}}}
cameras: {{bases: {{sim: "rtsp://127.0.0.1:{around.rtsp_port}"}}}}
channels: {{robots: {{grid: {{kind: wecom, url: "{around.robot}/cgi-bin/webhook/send", key: {{env: ROBOT_KEY}}}}}}}}
log: {{level: info}}
"""
