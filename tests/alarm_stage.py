"""The whole way from a detection to people's phones and the hotline, in one process and on a clock that we move.

Real: the router, the timers, the outbox, the sender, the bridge and the database. The bus is the one in memory; the
robot and the hotline are the simulated ones, called without a network.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import msgspec

from alerts.channels import Address
from alerts.desk import Desk
from alerts.router import GROUP, TOPICS, Router
from alerts.sender import Sender
from alerts.timers import Timers
from bridge_12345.inward import Inward, application
from bridge_12345.outward import Outward, Peer
from hub import outbox
from hub.bus import Subscription
from hub.bus.memory import MemoryBus
from hub.model import Incident
from hub.settings.city import City
from hub.store import Store
from hub.topics import INCIDENTS, Topic
from simulator.hotline import Hotline, HotlineSettings, hotline_app
from simulator.robot import robot_app

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAGE: Final = "https://hub.test"


class Message(msgspec.Struct, frozen=True):
    """What arrived on a phone: seconds since the beginning, by which robot, the text."""

    at: float
    robot: str
    text: str


class Stage:
    """Move the clock with `until`; look at `messages`, `orders` and `incidents`."""

    def __init__(self, store: Store, bus: MemoryBus, subscription: Subscription, desk: Desk, start: datetime) -> None:
        self.store = store
        self.bus = bus
        self.start = start
        self.now = start
        self._subscription = subscription
        self._desk = desk
        self._hotline = Hotline(HotlineSettings(secret=SECRET, accept_after=None, sign_after=None))
        self.robot = robot_app(now=lambda: self.clock().timestamp())
        mounts = {
            "http://robot.test": httpx.ASGITransport(app=self.robot),
            "http://hotline.test": httpx.ASGITransport(app=hotline_app(self._hotline)),
        }
        self.client = httpx.AsyncClient(mounts=mounts, trust_env=False)
        inward = Inward(bus, store, SECRET, clock=self.clock)
        self.door = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application(inward)), base_url="http://bridge.test"
        )
        self.begin()

    def clock(self) -> datetime:
        """The time on the stage."""
        return self.now

    def begin(self) -> None:
        """Start the services, or start them again: they remember nothing but what the store has."""
        robots = {
            robot: Address("wecom", f"http://robot.test/cgi-bin/webhook/send?key={robot}")
            for person in self._desk.city.people.values()
            for channel, robot in person.channels.items()
            if channel == "wecom"
        }
        self.router = Router(self.store, lambda: self._desk, PAGE, clock=self.clock)
        self.timers = Timers(self.store, lambda: self._desk, PAGE, clock=self.clock)
        self.sender = Sender(self.store, self.client, robots, "alerts-test", clock=self.clock)
        peer = Peer(url="http://hotline.test/orders", secret=SECRET)
        self.outward = Outward(self.store, self.client, peer, "bridge-test", clock=self.clock)

    async def publish(self, topic: Topic[Any], *nouns: Any) -> None:
        """Put records on the bus and let everything follow from them."""
        await self.bus.publish(topic, list(nouns))
        await self.settle()

    async def settle(self) -> None:
        """Do all there is to do at this instant."""
        for _ in range(100):
            if not await self._once():
                return
        raise AssertionError("it never comes to rest")

    async def _once(self) -> bool:
        deliveries = await self._subscription.take(100, 0.0)
        if deliveries:
            await self.router.handle(deliveries)
            await self._subscription.commit(deliveries)
        done = len(deliveries) + await self.timers.fire()
        done += await outbox.forward(self.store, self.bus)
        for robot, rows in (await self.sender.round()).items():
            await self.sender.deliver(robot, rows)
            done += len(rows)
        done += await self.outward.round()
        return done > 0

    async def until(self, seconds: float) -> None:
        """Let time pass until so many seconds since the beginning, stopping wherever something is due."""
        end = self.start + timedelta(seconds=seconds)
        await self.settle()
        while True:
            due = await self._due()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            await self.settle()
        self.now = max(self.now, end)
        await self.settle()

    async def _due(self) -> datetime | None:
        async with self.store.connection() as connection:
            cursor = await connection.execute(
                """
                SELECT min(due) FROM (
                    SELECT due_at AS due FROM timer WHERE fired_at IS NULL AND what <> 'evidence'
                    UNION ALL SELECT greatest(next_at, coalesce(claimed_until, next_at)) FROM outbox
                        WHERE state = 'waiting'
                ) AS waiting WHERE due > %s
                """,
                (self.now,),
            )
            row = await cursor.fetchone()
        return row[0] if row else None

    async def messages(self) -> list[Message]:
        """All that arrived on phones, oldest first."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.robot), base_url="http://robot.test"
        ) as client:
            taken = (await client.get("/messages")).json()
        return [Message(round(m["at"] - self.start.timestamp(), 3), m["key"], m["text"]) for m in taken]

    async def robot_faults(self, **faults: Any) -> None:
        """Make the robot refuse the next messages (see simulator.robot)."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.robot), base_url="http://robot.test"
        ) as client:
            (await client.post("/faults", json=faults)).raise_for_status()

    @property
    def hotline(self) -> Hotline:
        """The simulated hotline."""
        return self._hotline

    @property
    def orders(self) -> Sequence[dict[str, Any]]:
        """The hotline's orders, oldest first."""
        return list(self._hotline.book.orders.values())

    async def incidents(self) -> list[Incident]:
        """All incidents, in the order of their numbers."""
        async with self.store.connection() as connection:
            cursor = await connection.execute("SELECT body FROM incident ORDER BY number")
            return [msgspec.convert(row[0], Incident) for row in await cursor.fetchall()]

    async def timeline(self, incident: str) -> list[tuple[str, str]]:
        """Who did what, line by line."""
        async with self.store.connection() as connection:
            cursor = await connection.execute(
                "SELECT who, action FROM incident_step WHERE incident = %s ORDER BY id", (incident,)
            )
            return [(str(who), str(action)) for who, action in await cursor.fetchall()]

    async def published(self, site: str) -> list[Incident]:
        """The incident records on the bus, in order."""
        begin, end = self.start - timedelta(days=1), self.now + timedelta(days=1)
        return [d.decode() async for d in self.bus.read(INCIDENTS, site, begin, end)]

    async def close(self) -> None:
        """Give back what was opened."""
        await self.client.aclose()
        await self.door.aclose()
        await self._hotline.close()


@asynccontextmanager
async def stage(store: Store, desk: Desk) -> AsyncIterator[Stage]:
    """A stage on this (empty) store. It begins now, for the hotline looks at the clock on the wall."""
    begin = datetime.fromtimestamp(int(time.time()), UTC)
    async with MemoryBus() as bus, bus.subscribe(TOPICS, GROUP) as subscription:
        on = Stage(store, bus, subscription, desk, begin)
        try:
            yield on
        finally:
            await on.close()


def people_by_robot(city: City) -> dict[str, str]:
    """Whose robot it is, for reading messages."""
    return {robot: person.name for person in city.people.values() for robot in person.channels.values()}
