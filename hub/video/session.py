"""One connection to a camera, or one showing of a film, from its packets to its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.identity import derived
from hub.model import LIVE, VideoChunk
from hub.video.chunk import Chunker, Session
from hub.video.clock import Clock
from hub.video.source import Source
from hub.video.timestamps import Timestamps, Whole

BURST_GAP: Final = 0.005
"""A packet that arrives so long after the last (seconds) shows that what the camera had stored up has been read."""
BURST_PACKETS: Final = 250


def live(source: Source, camera: str, site: str, purpose: str = LIVE) -> Iterator[VideoChunk]:
    """The chunks of a camera from connecting until it is lost, which raises Lost."""
    stamps = Timestamps(source.step)
    burst: list[Whole] = []
    recorder: _Recorder | None = None
    for timed in source:
        for packet in stamps.push(timed):
            if recorder is not None:
                yield from recorder.push(packet)
                continue
            burst.append(packet)
            if len(burst) > 1 and (_rested(burst) or len(burst) >= BURST_PACKETS):
                recorder = _Recorder(source, camera, site, purpose, burst)
                for held in burst:
                    yield from recorder.push(held)
    if recorder is None and burst:
        recorder = _Recorder(source, camera, site, purpose, burst)
    if recorder is not None:
        yield from recorder.chunker.flush()


def film(source: Source, camera: str, site: str, begin: float, purpose: str = LIVE) -> Iterator[VideoChunk]:
    """The chunks of a film whose first picture is shown at `begin` (seconds since 1970), as fast as they are read.

    A packet "arrives" at its decode time; who wants real time waits for it.
    """
    stamps = Timestamps(source.step)
    chunker: Chunker | None = None
    tick = source.num / source.den
    epoch, first = 0.0, 0
    for whole in _all(source, stamps):
        if chunker is None:
            session = _session(source, camera, site, purpose, begin)
            chunker = Chunker(session, source.step)
            epoch, first = begin - whole.pts * tick, whole.dts
        arrived = begin + (whole.dts - first) * tick
        packet = Whole(data=whole.data, pts=whole.pts, dts=whole.dts, key=whole.key, arrived=arrived)
        yield from chunker.push(packet, epoch)
    if chunker is not None:
        yield from chunker.flush()


class _Recorder:
    """Chunks with instants. The first epoch is that of the packet which arrived earliest for its pts."""

    def __init__(self, source: Source, camera: str, site: str, purpose: str, burst: list[Whole]) -> None:
        session = _session(source, camera, site, purpose, burst[0].arrived)
        self._tick = session.tick
        self.chunker = Chunker(session, source.step)
        self._clock = Clock(min(p.arrived - p.pts * self._tick for p in burst))

    def push(self, packet: Whole) -> list[VideoChunk]:
        epoch = self._clock.follow(packet.pts * self._tick, packet.arrived, packet.wall)
        return self.chunker.push(packet, epoch, self._clock.kind)


def _session(source: Source, camera: str, site: str, purpose: str, begin: float) -> Session:
    return Session(
        camera=camera,
        site=site,
        id=derived("session", camera, begin),
        codec=source.codec,
        num=source.num,
        den=source.den,
        purpose=purpose,
    )


def _rested(burst: list[Whole]) -> bool:
    return burst[-1].arrived - burst[-2].arrived > BURST_GAP


def _all(source: Source, stamps: Timestamps) -> Iterator[Whole]:
    for timed in source:
        yield from stamps.push(timed)
    yield from stamps.flush()
