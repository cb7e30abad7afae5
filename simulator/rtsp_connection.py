"""One viewer's connection to a simulated camera: the RTSP dialogue, then pictures until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from simulator.rtp import describe
from simulator.rtsp_account import Account, challenge, refusal
from simulator.rtsp_sender import Datagrams, Interleaved, Path, Sender

if TYPE_CHECKING:
    from simulator.rtsp import Camera

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}


class Request(msgspec.Struct, frozen=True):
    """What a viewer asks. Header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def name(self) -> str:
        """The camera's name: the path of the address without the track."""
        path = self.url.split("://", 1)[-1].partition("/")[2].partition("?")[0]
        return path.removesuffix("/trackID=0").strip("/")


class Answer(msgspec.Struct, frozen=True):
    """What the viewer is told."""

    code: int
    headers: dict[str, str] = {}
    body: str = ""


class Connection:
    """Serves one TCP connection. Whatever goes wrong with it ends it and touches no other."""

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        account: Account | None,
        watched: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._cameras, self._account, self._watched = cameras, account, watched
        self._reader, self._writer = reader, writer
        self._nonce = f"{random.getrandbits(96):024x}"
        self._session = f"{random.getrandbits(64):016x}"
        self._camera: Camera | None = None
        self._path: Path | None = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def playing(self) -> bool:
        """Whether pictures are being sent."""
        return self._sending is not None and not self._sending.done()

    def abort(self) -> None:
        """Reset the connection and stop sending."""
        if self._sending is not None:
            self._sending.cancel()
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Answer until the viewer goes away or the server closes."""
        try:
            while (request := await self._next()) is not None:
                answer = await self._answer(request)
                if self._camera is not None:
                    await self._camera.moving()
                self._write(request, answer)
                await self._writer.drain()
                if request.method == "PLAY" and answer.code == 200:
                    self._play()
                if request.method == "TEARDOWN":
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a viewer that breaks off or talks nonsense is its own trouble
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._camera is not None:
            self._camera.connections.discard(self)
        if self._path is not None:
            self._path.close()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _next(self) -> Request | None:
        """The next request; RTCP that a viewer interleaves is read and dropped."""
        while True:
            first = await self._reader.read(1)
            if not first:
                return None
            if first == b"$":
                length = int.from_bytes((await self._reader.readexactly(3))[1:], "big")
                await self._reader.readexactly(length)
                continue
            if first in b"\r\n":
                continue
            head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode("ascii", "replace")
            line, *rest = head.split("\r\n")
            method, url, _ = line.split(" ", 2)
            pairs = (entry.partition(":") for entry in rest if entry)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            await self._reader.readexactly(int(headers.get("content-length", "0")))
            return Request(method, url, headers)

    async def _answer(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return Answer(200, {"Public": METHODS})
        if self._account is not None:
            reason = refusal(self._account, self._nonce, request.method, request.headers.get("authorization", ""))
            if reason is not None:
                return Answer(401, {"WWW-Authenticate": challenge(self._account, self._nonce)})
        if request.method in ("DESCRIBE", "SETUP"):
            camera = self._cameras.get(request.name)
            if camera is None:
                return Answer(404)
            if camera.dark:
                return Answer(503)
            self._camera = camera
            camera.connections.add(self)
            return self._describe(camera, request) if request.method == "DESCRIBE" else await self._set_up(request)
        if request.method in ("PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"):
            if self._path is None:
                return Answer(454)
            if request.method == "PAUSE" and self._sending is not None:
                self._sending.cancel()
            extra = {"Range": "npt=now-"} if request.method == "PLAY" else {}
            return Answer(200, {"Session": self._session, **extra})
        return Answer(405, {"Allow": METHODS})

    def _describe(self, camera: Camera, request: Request) -> Answer:
        address = str(self._writer.get_extra_info("sockname")[0])
        in_sdp = camera.served.parameter_sets != "in_band"
        body = describe(camera.programme.first, address, with_sets=in_sdp)
        base = request.url.rstrip("/") + "/"
        return Answer(200, {"Content-Base": base, "Content-Type": "application/sdp"}, body)

    async def _set_up(self, request: Request) -> Answer:
        asked = request.headers.get("transport", "")
        fields = {key: value for key, _, value in (part.strip().partition("=") for part in asked.split(";"))}
        session = {"Session": f"{self._session};timeout=60"}
        if "RTP/AVP/TCP" in fields:
            channel = int(fields.get("interleaved", "0-1").split("-")[0])
            self._path = Interleaved(self._writer, channel)
            told = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        elif "client_port" in fields:
            port = int(fields["client_port"].split("-")[0])
            peer, own = self._writer.get_extra_info("peername")[0], self._writer.get_extra_info("sockname")[0]
            datagrams = await Datagrams.open(own, peer, port)
            self._path = datagrams
            told = f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={datagrams.ports}"
        else:
            return Answer(461)
        return Answer(200, {"Transport": told, **session})

    def _play(self) -> None:
        if self._camera is None or self._path is None or self.playing:
            return
        self._watched.set()
        self._camera.clock.begin()
        self._camera.plays += 1
        self._sending = asyncio.create_task(self._send(Sender(self._camera, self._path)))

    async def _send(self, sender: Sender) -> None:
        """Send to the reel's end, then hang up: a looping reel has none."""
        try:
            await sender.run()
            await self._writer.drain()
        except ConnectionError:
            pass  # the viewer left; `serve` notices as well
        self._writer.close()

    def _write(self, request: Request, answer: Answer) -> None:
        body = answer.body.encode()
        lines = [f"RTSP/1.0 {answer.code} {REASONS[answer.code]}", f"CSeq: {request.headers.get('cseq', '0')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join((*lines, "", "")).encode() + body)
