"""A facade on real RTSP with everything behind it as processes: what the tests of killed detectors share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.store import Store
from hub.video.preview import frames_in
from simulator.clock import WorldClock
from simulator.demo_views import CUIHU_B2
from simulator.falling import Fall
from simulator.film import Reel, Shot, shoot
from simulator.hotline import Hotline, HotlineSettings, hotline_app
from simulator.robot import robot_app
from simulator.rtsp import Camera, RtspServer, Served
from simulator.scene import Scene, Truth
from simulator.web import serving
from tests.alarm_stage import SECRET
from tests.fault.hub_roles import CAMERA, ROOT, Hub, Role, Surroundings, until

FALL: Final = Scene(view=CUIHU_B2, fall=Fall(at=8.0, floor=8), period=4.0, title="CUIHU B2 EAST")
FILMS: Final = ROOT / ".cache" / "films"
"""Rendering takes seconds; what was rendered once is found again."""


class Scenery(msgspec.Struct, frozen=True):
    """All that a test looks at. Second zero of `clock` is when ingest first watches the camera."""

    hub: Hub
    store: Store
    camera: Camera
    clock: WorldClock
    hotline: Hotline
    film: Shot
    ingest: Role
    detect: Role
    others: tuple[Role, ...]

    @property
    def truth(self) -> Truth:
        """What really falls, in seconds of the film."""
        assert self.film.truth is not None
        return self.film.truth

    def said(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {role.name}\n{role.said()}" for role in (self.ingest, self.detect, *self.others))

    async def incidents(self) -> list[str]:
        """Falls that are incidents of their own, by id."""
        return [row[0] for row in await self.rows("SELECT id FROM incident WHERE kind = 'falling_object'")]

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the store answers."""
        async with self.store.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def told(self) -> None:
        """Wait until a fall is an incident, its clip is there, and nobody has yet to be told; then a little more."""

        async def whole() -> bool:
            clips = await self.rows("SELECT 1 FROM evidence WHERE kind = 'clip' AND state = 'ready'")
            waiting = await self.rows(
                "SELECT 1 FROM outbox WHERE state = 'waiting' UNION ALL"
                " SELECT 1 FROM timer WHERE what = 'hotline' AND fired_at IS NULL"
            )
            return bool(await self.incidents() and clips and self.hotline.book.orders) and not waiting

        await until(whole, 90, self.said)
        # Whoever would tell it again would do so now: the successor has caught up, and so have the others.
        await asyncio.sleep(4.0)

    async def told_once(self) -> None:
        """The fall is one incident, which the hotline took once; its clip is whole and shows it."""
        (incident,) = await self.incidents()
        ledger = self.hotline.book.ledger()
        assert (ledger["orders"], ledger["conflicts"], ledger["same_incident"], ledger["unsigned"]) == (1, 0, 0, 0)
        assert [order["incident"] for order in self.hotline.book.orders.values()] == [incident]
        assert await self.rows("SELECT count(*) FROM alert WHERE kind = 'falling_object'") == [(1,)]
        (clip,) = await self.rows(
            "SELECT file, from_at, to_at FROM evidence WHERE kind = 'clip' AND state = 'ready' AND incident = %s",
            incident,
        )
        ((began,),) = await self.rows("SELECT min(start_at) FROM detection WHERE kind = 'falling_object'")
        assert clip[1] < began < clip[2]
        film = self.hub.deployment.evidence_directory / clip[0]
        assert frames_in(await asyncio.to_thread(film.read_bytes)) > 25


@asynccontextmanager
async def scenery(
    store: Store, dsn: str, folder: Path, *, kafka: str = "", quiet: bool = False
) -> AsyncIterator[Scenery]:
    """Everything up and at work, ingest last. `quiet`: the camera shows only what follows the fall, over and over."""
    film = await asyncio.to_thread(shoot, FALL, FILMS)
    shown = Reel(loop=film.reel.loop) if quiet else film.reel
    clock = WorldClock()
    async with AsyncExitStack() as stack:
        hotline = Hotline(HotlineSettings(secret=SECRET, accept_after=None, sign_after=None))
        stack.push_async_callback(hotline.close)
        server = await stack.enter_async_context(RtspServer({CAMERA: Served(reel=shown)}, clock=clock))
        around = Surroundings(
            dsn=dsn,
            kafka=kafka,
            rtsp_port=server.port,
            hotline=await stack.enter_async_context(serving(hotline_app(hotline))),
            robot=await stack.enter_async_context(serving(robot_app())),
        )
        hub = Hub(folder / "hub", around)
        roles = {name: hub.role(name) for name in ("ingest", "detect", "alerts", "bridge")}
        for role in roles.values():
            stack.push_async_callback(role.end)
        bus = await stack.enter_async_context(hub.bus())
        await hub.settle(store, bus)
        others = (roles["alerts"], roles["bridge"])
        here = Scenery(
            hub, store, server.camera(CAMERA), clock, hotline, film, roles["ingest"], roles["detect"], others
        )
        for role in (*others, here.detect):
            await role.start()
        await at_work(here, "alerts", "bridge", "detect")
        await here.ingest.start()
        async with asyncio.timeout(60):
            await server.watched.wait()
        yield here


async def at_work(here: Scenery, *names: str) -> None:
    """Wait until these roles tell of their progress."""

    async def all_of_them() -> bool:
        rows = await here.rows("SELECT role FROM progress WHERE at > now() - interval '10 s'")
        return set(names) <= {row[0] for row in rows}

    await until(all_of_them, 60, here.said)
