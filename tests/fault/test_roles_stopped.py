"""Each of the hub's processes is stopped in turn (SIGSTOP: alive, doing nothing): the page must say so by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from app.demo.operator import Operator
from app.demo.surroundings import Ports, environment, ports
from app.supervisor import Supervisor
from app.whole import load, running
from ingest import broker
from tests.postgres import missing

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(240)]

CONFIG: Final = Path(__file__).parents[2] / "configs" / "hub.yaml"
KNOWN_WITHIN: Final = 20.0
"""Seconds after which the page must name a process that does nothing."""
WELL_WITHIN: Final = 30.0
ROLES: Final = {"ingest", "detect", "alerts", "bridge", "web"}
IN_CHINESE: Final = {"ingest": "采集进程", "detect": "检测进程", "alerts": "报警进程", "bridge": "12345 对接进程"}


class Ticks:
    """The page's stream, as a seat hears it. `last` is the last tick, `heard_at` when it came (monotonic seconds)."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}
        self.heard_at = 0.0
        self._news = asyncio.Event()

    async def listen(self, operator: Operator) -> None:
        """Hear until cancelled; a stream that breaks off is opened again, as the page does."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                async for kind, body in operator.stream():
                    if kind == "tick":
                        self.last, self.heard_at = body, time.monotonic()
                        self._news.set()
            await asyncio.sleep(0.5)

    @property
    def stopped(self) -> set[str]:
        """The roles that the last tick calls stopped."""
        return {one["values"]["role"] for one in self.last["ill"] if one["code"] == "role_stopped"}

    async def until_well(self) -> None:
        """Until every role gets on, and the self-test comes through."""
        async with self._within(WELL_WITHIN):
            while self.last.get("ill", True) or {one["role"] for one in self.last["roles"]} != ROLES:
                await self._next()

    async def until_stopped(self, *roles: str) -> float:
        """Until the page names all of these; the seconds that took."""
        began = time.monotonic()
        async with self._within(KNOWN_WITHIN):
            while not self.stopped.issuperset(roles):
                await self._next()
        return time.monotonic() - began

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    @asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            said = msgspec.json.encode(self.last).decode()
            pytest.fail(f"not within {seconds:g} s; the last tick says {said}")


@contextlib.contextmanager
def stopped(hub: Supervisor, *roles: str) -> Iterator[None]:
    """These processes do nothing inside the block."""
    pids = [child.pid for child in hub.children if child.name in roles]
    assert len(pids) == len(roles)
    assert all(pids)
    for pid in pids:
        os.kill(pid or 0, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid or 0, signal.SIGCONT)


@asynccontextmanager
async def whole_hub(folder: Path, used: Ports, patched: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    """The sample configuration with every role as its own process; nobody plays the city."""
    for name, value in environment(folder, used).items():
        patched.setenv(name, value)
    (folder / "hub.log").touch()
    with (folder / "hub.log").open("a") as log:
        async with running(CONFIG, load(CONFIG), output=log) as hub:
            yield hub


@asynccontextmanager
async def seat(browser: Browser, used: Ports, password: str) -> AsyncIterator[Page]:
    """The page in a browser, signed in."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1920, "height": 1080})
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{used.page}/")
    await page.fill("input[name=name]", "admin")
    await page.fill("input[name=password]", password)
    await page.click("button[type=submit]")
    await expect(page.get_by_test_id("bar-stream")).to_contain_text("秒前")
    yield page
    await context.close()


async def test_the_page_names_whichever_process_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    if broker.mosquitto() is None:
        missing("no mosquitto")
    used = ports(_free())
    async with (
        whole_hub(tmp_path, used, monkeypatch) as hub,
        httpx.AsyncClient(timeout=10.0, trust_env=False) as client,
    ):
        operator, ticks = Operator(client, used, tmp_path), Ticks()
        await operator.ready(60.0)
        await operator.sign_in()
        listening = asyncio.create_task(ticks.listen(operator))
        async with seat(chromium, used, operator.password()) as page:
            await ticks.until_well()
            for together in (("detect", "bridge"), ("ingest", "alerts")):
                with stopped(hub, *together):
                    took = await ticks.until_stopped(*together)
                    print(f"{' and '.join(together)}: told after {took:.1f} s")
                    for role in together:
                        await expect(page.get_by_test_id("ill")).to_contain_text(f"{IN_CHINESE[role]}停止工作")
                    await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", re.compile("ill|p1"))
                await ticks.until_well()
                await expect(page.get_by_test_id("ill")).to_have_count(0)
            # The process that would tell is the one that is stopped: only the page itself can notice.
            with stopped(hub, "web"):
                await expect(page.get_by_test_id("blind")).to_contain_text("本页已失联", timeout=KNOWN_WITHIN * 1000)
                assert time.monotonic() - ticks.heard_at < KNOWN_WITHIN
                await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "blind")
            await expect(page.get_by_test_id("blind")).to_have_count(0, timeout=WELL_WITHIN * 1000)
            await ticks.until_well()
            assert [child.starts for child in hub.children] == [1] * len(ROLES)  # nobody was killed for it
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
