"""A camera's packets cut into pieces of some 200 ms that travel as one record."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from hub.model import LIVE, Packet, VideoChunk, utc
from hub.video.lost import Lost
from hub.video.timestamps import Whole

CHUNK_SECONDS: Final = 0.2
CHUNK_BYTES: Final = 512 * 1024
PACKET_BYTES: Final = 8 * 2**20 - 4096
"""A larger packet would not pass the bus. It is left out, and what refers to it until the next key frame."""
PATIENCE: Final = 10.0
"""Seconds without a key frame that are never too long; beyond, two of the camera's own GOPs are."""
FIRST_PATIENCE: Final = 30.0
"""Seconds to the first key frame of a session, when the camera's GOP is not known yet."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One connection to one camera: everything its chunks have in common. Time base is num / den seconds."""

    camera: str
    site: str
    id: str
    codec: str
    num: int
    den: int
    purpose: str = LIVE

    @property
    def tick(self) -> float:
        """Seconds of one tick of pts and dts."""
        return self.num / self.den


class Chunker:
    """Packets of one session in decode order → chunks. A chunk begins with a key frame or holds none.

    `dropped` counts packets that no decoder could use: before the first key frame, or behind one too large.
    """

    def __init__(self, session: Session, step: int) -> None:
        self.session = session
        self.dropped = 0
        self._step = step
        self._open: list[Whole] = []
        self._bytes = 0
        self._sequence = 0
        self._gop_at: float | None = None
        self._broken = True
        self._epoch = 0.0
        self._clock: Literal["device", "hub"] = "hub"
        self._begun: int | None = None
        self._last_key: int | None = None
        self._longest_gop = 0

    def push(self, packet: Whole, epoch: float, clock: Literal["device", "hub"] = "hub") -> list[VideoChunk]:
        """The chunks that this packet closes, at most two.

        Raises Lost when the key frames have stopped: connect again.
        """
        self._watch(packet)
        if len(packet.data) > PACKET_BYTES:
            self._broken = True
        elif packet.key:
            self._broken = False
        if self._broken:
            self.dropped += 1
            return self.flush()
        closed: list[VideoChunk] = []
        if self._open and (packet.key or self._bytes + len(packet.data) > CHUNK_BYTES):
            closed += self.flush()
        if packet.key:
            self._gop_at = packet.arrived
        self._epoch, self._clock = epoch, clock
        self._open.append(packet)
        self._bytes += len(packet.data)
        seconds = (packet.dts - self._open[0].dts + self._step) * self.session.tick
        if seconds >= CHUNK_SECONDS or self._bytes >= CHUNK_BYTES:
            closed += self.flush()
        return closed

    def flush(self) -> list[VideoChunk]:
        """The chunk that is open, closed; nothing if none is."""
        if not self._open or self._gop_at is None:
            return []
        packets, self._open, self._bytes = self._open, [], 0
        chunk = VideoChunk(
            camera=self.session.camera,
            site=self.session.site,
            at=utc(packets[0].arrived),
            session=self.session.id,
            sequence=self._sequence,
            codec=self.session.codec,
            num=self.session.num,
            den=self.session.den,
            epoch=self._epoch,
            gop_at=utc(self._gop_at),
            packets=tuple(Packet(p.data, p.pts, p.dts, p.key) for p in packets),
            clock=self._clock,
            purpose=self.session.purpose,
        )
        self._sequence += 1
        return [chunk]

    def _watch(self, packet: Whole) -> None:
        if self._begun is None:
            self._begun = packet.dts
        if packet.key:
            if self._last_key is not None:
                self._longest_gop = max(self._longest_gop, packet.dts - self._last_key)
            self._last_key = packet.dts
            return
        since = (packet.dts - (self._begun if self._last_key is None else self._last_key)) * self.session.tick
        gop = self._longest_gop * self.session.tick
        if since > (max(PATIENCE, 2 * gop) if gop else FIRST_PATIENCE):
            raise Lost("no_key_frame", f"no key frame for {since:.0f} s")
