"""The router dies with SIGKILL at any moment: each incident exists once, and the hotline accepts it once.

A third of the deaths come at random times, the others at the worst ones: the hotline has taken an order, and the
sender is dead before it can hear so. The same books are kept for a router that sends before it commits; they must
not balance, or this test would be worth nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest
from fastapi import Request, Response

from hub import topics
from hub.model import Detection
from hub.store import Store
from hub.topics import DETECTIONS
from simulator.hotline import Hotline, HotlineSettings, hotline_app
from simulator.robot import robot_app
from simulator.web import serving
from tests.alarm_stage import SECRET
from tests.fault.alerts_child import Task, open_bus
from tests.small_estate import seen

ROOT: Final = Path(__file__).parents[2]
INCIDENTS: Final = 8


class Process:
    """The roles under test, killed and started again."""

    def __init__(self, task: Task, log: Path) -> None:
        self._task = task
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.deaths = 0

    async def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.fault.alerts_child",
                msgspec.json.encode(self._task).decode(),
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self.deaths += 1

    async def gone(self) -> None:
        """Wait until it is dead."""
        if self._process is not None:
            await self._process.wait()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None


class World:
    """The robot, the hotline, and the trap that kills after so many more orders were taken."""

    def __init__(self, robot: str, hotline: str, book: Hotline) -> None:
        self.robot = robot
        self.hotline = hotline
        self.book = book
        self.kill_after: int | None = None
        self.kill: Callable[[], None] = lambda: None


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    hotline = Hotline(HotlineSettings(secret=SECRET, accept_after=None, sign_after=None))
    app = hotline_app(hotline)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hotline.close)
        held: list[World] = []

        @app.middleware("http")
        async def trap(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
            response = await call_next(request)
            here = held[0]
            if request.method == "POST" and request.url.path == "/orders" and here.kill_after is not None:
                here.kill_after -= 1
                if here.kill_after <= 0:
                    # The order is in the book; who sent it never hears so.
                    here.kill_after = None
                    here.kill()
            return response

        robot_url = await stack.enter_async_context(serving(robot_app()))
        hotline_url = await stack.enter_async_context(serving(app))
        held.append(World(robot_url, hotline_url, hotline))
        yield held[0]


def fires() -> list[Detection]:
    """One fire at each of some sites: as many incidents."""
    return [
        seen("smoke", number, site=f"s{number}", subject=f"s{number}/smoke", place=f"s{number}")
        for number in range(INCIDENTS)
    ]


async def endure(on: World, process: Process, bus: str, chance: random.Random, deaths: int) -> None:
    """Let fires happen while the process is killed again and again; then let it finish."""
    on.kill = process.kill
    plan = [chance.choice(["at random", "order taken", "order taken"]) for _ in range(deaths)]
    print("plan of deaths:", plan)
    waiting = fires()
    async with open_bus(bus) as publisher:
        for kind in [*plan, ""]:
            await process.start()
            if waiting:
                count = min(len(waiting), chance.randint(1, 3)) if kind else len(waiting)
                await publisher.publish(DETECTIONS, waiting[:count])
                waiting = waiting[count:]
            if kind == "at random":
                await asyncio.sleep(chance.uniform(0.3, 2.5))
                process.kill()
            elif kind == "order taken":
                on.kill_after = 1
                await until(lambda: not process.running, 12)
                on.kill_after = None
                process.kill()
            if kind:
                await process.gone()


async def until(ready: Callable[[], bool], seconds: float) -> None:
    """Wait for something, at most so long; whether it came is for the books to say."""
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:  # noqa: ASYNC110  # a process's end sets no event of ours
        await asyncio.sleep(0.02)


async def finish(on: World, store: Store, seconds: float = 45.0) -> None:
    """Wait until nothing is promised and not kept, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        async with store.connection() as connection:
            cursor = await connection.execute(
                "SELECT (SELECT count(*) FROM incident), (SELECT count(*) FROM outbox WHERE state = 'waiting'),"
                " (SELECT count(*) FROM timer WHERE what = 'hotline' AND fired_at IS NULL)"
            )
            row = await cursor.fetchone()
        if row == (INCIDENTS, 0, 0) and len(on.book.book.orders) == INCIDENTS:
            return
        await asyncio.sleep(0.1)


async def books_balance(on: World, store: Store) -> None:
    """Each fire is one incident, which the hotline took once under one id with one content."""
    ledger = on.book.book.ledger()
    assert (ledger["conflicts"], ledger["unsigned"], ledger["refused"], ledger["same_incident"]) == (0, 0, 0, 0), ledger
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT id, site FROM incident ORDER BY site")
        incidents = {str(id_): str(site) for id_, site in await cursor.fetchall()}
        cursor = await connection.execute("SELECT count(*), count(DISTINCT incident) FROM alert")
        alerts = await cursor.fetchone()
    assert sorted(incidents.values()) == [f"s{number}" for number in range(INCIDENTS)]
    assert alerts == (INCIDENTS, INCIDENTS)
    assert sorted(str(order["incident"]) for order in on.book.book.orders.values()) == sorted(incidents)


async def messages(on: World) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        found: list[dict[str, Any]] = (await client.get(f"{on.robot}/messages")).json()
        return found


def seed() -> int:
    """Drawn anew each time and printed; HUB_FAULT_SEED repeats one."""
    number = int(os.environ.get("HUB_FAULT_SEED", uuid.uuid4().int % 10**6))
    print("HUB_FAULT_SEED =", number)
    return number


async def trial(store: Store, dsn: str, bus: str, folder: Path, deaths: int, *, early: bool = False) -> World:
    async with world() as on:
        task = Task(dsn=dsn, bus=bus, robot=on.robot, hotline=on.hotline, early=early)
        process = Process(task, folder / "child.log")
        try:
            await endure(on, process, bus, random.Random(seed()), deaths)
            await finish(on, store, 10.0 if early else 45.0)
            told = await messages(on)
        finally:
            process.kill()
            await process.gone()
        await books_balance(on, store)
        if not early:
            assert process.deaths >= deaths
            for id_ in await ids(store):
                assert any(id_ in message["text"] for message in told), f"nobody was told of {id_}"
        return on


async def ids(store: Store) -> list[str]:
    async with store.connection() as connection:
        cursor = await connection.execute("SELECT id FROM incident")
        return [str(row[0]) for row in await cursor.fetchall()]


@pytest.mark.timeout(180)
async def test_killed_at_any_moment_each_incident_is_told_once(store: Store, database: str, tmp_path: Path) -> None:
    on = await trial(store, database, str(tmp_path / "bus"), tmp_path, 6)
    print(on.book.book.ledger())


@pytest.mark.timeout(180)
async def test_a_router_that_sends_before_it_commits_is_caught(store: Store, database: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"'conflicts': [1-9]"):
        await trial(store, database, str(tmp_path / "bus"), tmp_path, 6, early=True)


@pytest.mark.timeout(180)
async def test_without_a_death_even_that_router_balances(store: Store, database: str, tmp_path: Path) -> None:
    # So it is the deaths that catch it, and not the way it is written.
    await trial(store, database, str(tmp_path / "bus"), tmp_path, 0, early=True)


@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_the_same_on_kafka(store: Store, database: str, tmp_path: Path, kafka_servers: str) -> None:
    where = f"kafka:{kafka_servers}/f-{uuid.uuid4().hex[:8]}-"
    async with open_bus(where) as bus:
        await bus.ensure_topics(topics.ALL)  # type: ignore[union-attr]  # it is a KafkaBus
    await trial(store, database, where, tmp_path, 3)
