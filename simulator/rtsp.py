"""Simulated network cameras: an RTSP/1.0 server (RFC 2326) that plays files as if they were live.

`async with RtspServer({"gate": Served(reel)}) as server: av.open(server.url("gate"))`. Many viewers per camera,
over TCP (interleaved) or UDP. `server.camera(name)` has the faults that a test may switch on. As a program of
its own, for measurements: `python -m simulator.rtsp gate=film.mp4 yard=other.mp4`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from simulator.clock import WorldClock
from simulator.film import Reel
from simulator.playback import CLOCK, Programme
from simulator.rtsp_account import Account
from simulator.rtsp_connection import Connection
from simulator.web import stopped, tell


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """How one camera behaves.

    `live`: every viewer sees the same moment, joining at the next key frame; otherwise each viewer gets the reel
    from its beginning. `parameter_sets`: where SPS, PPS and VPS are told. `clock_error`: seconds by which the
    camera's own clock (in its RTCP sender reports) is ahead.
    """

    reel: Reel
    live: bool = True
    parameter_sets: Literal["sdp", "in_band", "both"] = "sdp"
    sender_reports: bool = True
    clock_error: float = 0.0


class Camera:
    """One served camera, its viewers and its faults. All methods take effect at once."""

    def __init__(self, served: Served, programme: Programme, clock: WorldClock) -> None:
        self.served = served
        self.clock = clock
        self.programme = programme
        self.switched_at = 0
        self.generation = 0
        self.loss = 0.0
        self.dark = False
        self.connections: set[Connection] = set()
        self.plays = 0
        self._moving = asyncio.Event()
        self._moving.set()

    def ticks(self) -> int:
        """Now, in ticks of 1/90000 s since the world's second zero."""
        return round(self.clock.elapsed() * CLOCK)

    @property
    def viewers(self) -> int:
        """Connections that are being sent pictures."""
        return sum(connection.playing for connection in self.connections)

    def freeze(self) -> None:
        """Send nothing more and answer nothing, but keep the sockets open, as a hung camera does."""
        self._moving.clear()

    def thaw(self) -> None:
        """Go on after `freeze`, at the present moment's next key frame."""
        self._moving.set()

    @property
    def frozen(self) -> bool:
        """Whether `freeze` holds."""
        return not self._moving.is_set()

    async def moving(self) -> None:
        """Wait until the camera is not frozen."""
        await self._moving.wait()

    def cut(self) -> None:
        """Break every connection to this camera now (TCP reset)."""
        for connection in tuple(self.connections):
            connection.abort()

    def go_dark(self) -> None:
        """Break every connection and refuse new ones, as while a camera restarts."""
        self.dark = True
        self.cut()

    def come_back(self) -> None:
        """Accept viewers again after `go_dark`."""
        self.dark = False

    def lose(self, share: float) -> None:
        """Drop this share (0..1) of the RTP packets from now on, drawn at random."""
        self.loss = share

    async def switch(self, reel: Reel) -> None:
        """Show other files from now on within the running sessions: another size, even another codec."""
        programme = await asyncio.to_thread(Programme, reel)
        self.programme, self.switched_at = programme, self.ticks()
        self.generation += 1


class RtspServer:
    """Serves cameras by name on one port. Without a clock of its own, second zero is when it opens."""

    def __init__(
        self,
        cameras: Mapping[str, Served],
        *,
        port: int = 0,
        account: Account | None = None,
        clock: WorldClock | None = None,
    ) -> None:
        self._served = dict(cameras)
        self._host = "127.0.0.1"
        self.port = port
        self._account = account
        self._clock = clock
        self._cameras: dict[str, Camera] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.watched = asyncio.Event()
        """Set once somebody plays any of the cameras."""

    async def __aenter__(self) -> Self:
        clock = self._clock or WorldClock()
        for name, served in self._served.items():
            self._cameras[name] = Camera(served, await asyncio.to_thread(Programme, served.reel), clock)
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        if self._clock is None:
            clock.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def url(self, name: str, *, credentials: bool = True) -> str:
        """Where to watch a camera; with user and password in it if there is an account."""
        account = f"{self._account.user}:{self._account.password}@" if self._account and credentials else ""
        return f"rtsp://{account}{self._host}:{self.port}/{name}"

    def camera(self, name: str) -> Camera:
        """The camera and its fault switches; KeyError if there is none of that name."""
        return self._cameras[name]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = Connection(self._cameras, self._account, self.watched, reader, writer)
        with contextlib.suppress(asyncio.CancelledError):  # the server closes: end without noise
            await connection.serve()


async def _serve_until_stopped(cameras: Mapping[str, Served], port: int) -> None:
    async with RtspServer(cameras, port=port) as server:
        tell({"cameras": {name: server.url(name) for name in cameras}})
        await stopped()


def main() -> None:
    """Loop files as live cameras; prints {"cameras": {name: url}} when ready, ends at SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve MP4 files (H.264, H.265) as looping live cameras.")
    parser.add_argument("cameras", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    named = (entry.partition("=") for entry in options.cameras)
    cameras = {name: Served(reel=Reel(loop=(Path(file),))) for name, _, file in named}
    asyncio.run(_serve_until_stopped(cameras, options.port))


if __name__ == "__main__":
    main()
