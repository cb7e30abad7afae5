"""Sends a camera's pictures to one viewer at the pace of real time, over the RTSP connection or over UDP."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from simulator.playback import CLOCK, Unit
from simulator.rtp import Packetiser

if TYPE_CHECKING:
    from simulator.rtsp import Camera

REPORT_EVERY: Final = 5.0
TOO_LATE: Final = 3.0
"""Seconds. A viewer that reads too slowly loses pictures up to the next key frame, as with a real camera."""
BURST: Final = 24
"""Datagrams sent without a pause; a key frame sent at once would overrun a viewer's socket."""


class Path(Protocol):
    """The way to one viewer."""

    async def pictures(self, packets: list[bytes]) -> None:
        """Send RTP packets. Raises ConnectionError when the viewer is gone."""

    def report(self, packet: bytes) -> None:
        """Send one RTCP packet."""

    def close(self) -> None:
        """Release what belongs to this path alone."""


class Interleaved:
    """RTP inside the RTSP connection (RFC 2326, 10.12): RTP on `channel`, RTCP on the next."""

    def __init__(self, writer: asyncio.StreamWriter, channel: int) -> None:
        self._writer, self._channel = writer, channel

    async def pictures(self, packets: list[bytes]) -> None:
        """Write all packets at once, then wait while the viewer is slow."""
        channel = self._channel
        self._writer.write(b"".join(b"$%c%b%b" % (channel, len(p).to_bytes(2, "big"), p) for p in packets))
        await self._writer.drain()

    def report(self, packet: bytes) -> None:
        """RTCP on the odd channel."""
        self._writer.write(b"$%c%b%b" % (self._channel + 1, len(packet).to_bytes(2, "big"), packet))

    def close(self) -> None:
        """Nothing: the connection is closed by who opened it."""


class Datagrams:
    """RTP to the viewer's UDP port, RTCP to the next one."""

    def __init__(self, rtp: asyncio.DatagramTransport, rtcp: asyncio.DatagramTransport) -> None:
        self._rtp, self._rtcp = rtp, rtcp

    @classmethod
    async def open(cls, own: str, peer: str, port: int) -> Self:
        """Bind two ports of our own and aim them at the viewer's `port` and `port + 1`."""
        loop = asyncio.get_running_loop()
        transports = []
        for number in (port, port + 1):
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=(own, 0), remote_addr=(peer, number)
            )
            transports.append(transport)
        return cls(*transports)

    @property
    def ports(self) -> str:
        """Our own two ports as the Transport header writes them."""
        return "-".join(str(transport.get_extra_info("sockname")[1]) for transport in (self._rtp, self._rtcp))

    async def pictures(self, packets: list[bytes]) -> None:
        """Send in bursts with a breath between them."""
        for start in range(0, len(packets), BURST):
            for packet in packets[start : start + BURST]:
                self._rtp.sendto(packet)
            if start + BURST < len(packets):
                await asyncio.sleep(0.001)

    def report(self, packet: bytes) -> None:
        """RTCP to the second port."""
        self._rtcp.sendto(packet)

    def close(self) -> None:
        """Give both ports back."""
        self._rtp.close()
        self._rtcp.close()


class Sender:
    """One viewer's stream, from PLAY to its end."""

    def __init__(self, camera: Camera, path: Path) -> None:
        self._camera, self._path = camera, path
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._lots = random.Random(camera.plays)  # the same packets are lost in every run
        self._packetiser = Packetiser(random.getrandbits(32), random.getrandbits(16), random.getrandbits(32))
        self._next_report = 0.0

    async def run(self) -> None:
        """Send until the reel ends (RTCP BYE, then return); a reel that loops goes on for ever."""
        origin = self._camera.switched_at if self._camera.served.live else 0
        generation = self._camera.generation
        while await self._play(origin, generation):
            if generation != self._camera.generation:
                generation = self._camera.generation
                origin = self._camera.switched_at if self._camera.served.live else self._now()
        self._path.report(self._packetiser.goodbye())

    def _now(self) -> int:
        """The present moment in ticks of this viewer's time."""
        if self._camera.served.live:
            return self._camera.ticks()
        return round((self._loop.time() - self._began) * CLOCK)

    async def _play(self, origin: int, generation: int) -> bool:
        """Play one programme, shifted by `origin`. True to go on (at the present moment), False at its end."""
        # A fifth of a second back: a viewer that comes just as a key frame is due still gets it.
        start = self._now() - origin - CLOCK // 5
        # With B-frames the dts begins before 0, and so must a start at the beginning.
        for unit in self._camera.programme.units(start if start > 0 else -CLOCK):
            due = origin + unit.dts
            await asyncio.sleep((due - self._now()) / CLOCK)
            if self._camera.frozen:
                await self._camera.moving()
                return True
            late = self._camera.served.live and self._now() - due > TOO_LATE * CLOCK
            if late or generation != self._camera.generation:
                return True
            self._report_if_due()
            await self._send(unit, origin)
        return False

    async def _send(self, unit: Unit, origin: int) -> None:
        # After a switch the sets in the SDP are wrong, so any camera must send the new ones.
        in_band = self._camera.served.parameter_sets != "sdp" or self._camera.generation > 0
        nals = unit.parameter_sets + unit.nals if in_band else unit.nals
        packets = list(self._packetiser.packets_of(nals, unit.codec, origin + unit.pts))
        if self._camera.loss:
            packets = [packet for packet in packets if self._lots.random() >= self._camera.loss]
        await self._path.pictures(packets)

    def _report_if_due(self) -> None:
        if self._camera.served.sender_reports and self._loop.time() >= self._next_report:
            self._next_report = self._loop.time() + REPORT_EVERY
            wall = time.time() + self._camera.served.clock_error
            self._path.report(self._packetiser.sender_report(wall, self._now()))
