"""A slice of the log as a film that a browser plays: the camera's own bits in a new box, nothing decoded."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import msgspec
from av.container import InputContainer, OutputContainer
from av.packet import Packet as AvPacket
from av.video.stream import VideoStream

from hub.errors import MessageError
from hub.model import Packet, VideoChunk, utc
from hub.video.access_unit import HEVC, ParameterSets

MEDIA_TYPE: Final = "video/mp4"
CLOCK: Final = 90000
"""Ticks per second of every clip."""
FRAGMENTED: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """A film in fragmented MP4. `begin` and `end` are the instants of its first and last picture.

    `whole` is false when what was asked for could not all be in it: a connection was made anew with another
    picture size or codec, or the log does not reach so far back; `clock` says whose time the instants are.
    """

    data: bytes
    begin: datetime
    end: datetime
    codec: str
    width: int
    height: int
    pictures: int
    whole: bool
    clock: str


class Shot(msgspec.Struct, frozen=True):
    """Packets that one decoder setting can show, from a key frame on, with their instants in ticks of CLOCK."""

    codec: str
    sets: bytes
    packets: tuple[Packet, ...]
    clock: str

    @property
    def begin(self) -> int:
        """The instant of the first picture."""
        return min(packet.pts for packet in self.packets)

    @property
    def end(self) -> int:
        """The instant of the last picture."""
        return max(packet.pts for packet in self.packets)


def remux(chunks: Iterable[VideoChunk], begin: datetime, end: datetime) -> Clip:
    """The film from the key frame at or before `begin` to `end`, from chunks of one camera in order.

    Where the camera was lost and came back the same, the film has a gap of the true length. Where it came back
    with another codec or picture size, the part that shows most of the time asked for is given.
    Raises MessageError("no_video") when there is nothing decodable in that time.
    """
    first, last = _ticks(begin), _ticks(end)
    shots = [cut for shot in joined(chunks) if (cut := trimmed(shot, first, last)) is not None]
    if not shots:
        raise MessageError("no_video", f"nothing to show from {begin:%H:%M:%S} to {end:%H:%M:%S}")
    shot = max(shots, key=lambda s: min(s.end, last) - max(s.begin, first))
    data, width, height = _boxed(shot)
    slack = CLOCK // 2
    return Clip(
        data=data,
        begin=utc(shot.begin / CLOCK),
        end=utc(shot.end / CLOCK),
        codec=shot.codec,
        width=width,
        height=height,
        pictures=len(shot.packets),
        whole=shot.begin <= first + slack and shot.end >= last - slack,
        clock=shot.clock,
    )


def joined(chunks: Iterable[VideoChunk]) -> Iterator[Shot]:
    """Chunks of one camera in order, as few shots as their parameter sets allow.

    A chunk that is repeated or out of order is left out; behind a missing one, packets up to the next key frame.
    """
    sets, packets = ParameterSets("h264"), list[Packet]()
    last: VideoChunk | None = None
    known = b""
    open_gop = False
    for chunk in chunks:
        same = last is not None and (chunk.session, chunk.codec) == (last.session, last.codec)
        if same and last is not None and chunk.sequence <= last.sequence:
            continue
        if not same:
            sets = ParameterSets(chunk.codec)
        if not same or (last is not None and chunk.sequence != last.sequence + 1):
            open_gop = False
        for packet in chunk.packets:
            if packet.key:
                sets.complete(packet.data, key=True)
                open_gop = True
                if packets and last is not None and (chunk.codec != last.codec or sets.known != known):
                    yield Shot(last.codec, known, tuple(packets), last.clock)
                    packets = []
                known = sets.known
            if open_gop:
                packets.append(_instant(packet, chunk, packets))
        last = chunk
    if packets and last is not None:
        yield Shot(last.codec, known, tuple(packets), last.clock)


def trimmed(shot: Shot, begin: int, end: int) -> Shot | None:
    """The shot from its last key frame at or before `begin` to the last packet shown before `end` (ticks).

    None when nothing of it is shown between the two.
    """
    packets = shot.packets
    shown = [i for i, packet in enumerate(packets) if packet.pts <= end]
    if not shown or shot.end < begin:
        return None
    keys = [i for i, packet in enumerate(packets) if packet.key]
    start = max((i for i in keys if packets[i].pts <= begin), default=0)
    if shown[-1] < start:
        return None
    return msgspec.structs.replace(shot, packets=packets[start : shown[-1] + 1])


def _instant(packet: Packet, chunk: VideoChunk, before: Sequence[Packet]) -> Packet:
    def ticks(count: int) -> int:
        return round((chunk.epoch + count * chunk.num / chunk.den) * CLOCK)

    dts = ticks(packet.dts)
    if before:
        dts = max(dts, before[-1].dts + 1)
    return Packet(packet.data, max(ticks(packet.pts), dts), dts, packet.key)


def _boxed(shot: Shot) -> tuple[bytes, int, int]:
    out = io.BytesIO()
    zero = shot.packets[0].dts
    try:
        with _described(shot) as described:
            template = described.streams.video[0]
            width, height = template.codec_context.width, template.codec_context.height
            with writing(out) as container:
                stream = container.add_stream_from_template(template)
                stream.time_base = Fraction(1, CLOCK)
                if shot.codec == HEVC:
                    stream.codec_context.codec_tag = "hvc1"
                for packet, following in zip(shot.packets, (*shot.packets[1:], None), strict=True):
                    container.mux_one(_av_packet(packet, following, zero, stream))
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise MessageError("no_video", f"FFmpeg can't box it: {error}") from None
    return out.getvalue(), width, height


def _described(shot: Shot) -> InputContainer:
    # The first key frame alone tells FFmpeg all that the box must say: size, profile, parameter sets.
    # It finds the size by its own parser and decoder, not from what a camera claims in its session description.
    container = av.open(io.BytesIO(shot.packets[0].data), format=shot.codec, options={"probesize": str(16 * 2**20)})
    assert isinstance(container, InputContainer), "opened for reading"
    return container


def writing(out: io.BytesIO) -> OutputContainer:
    """A fragmented MP4 that grows in `out`."""
    container = av.open(out, "w", format="mp4", options=FRAGMENTED)
    assert isinstance(container, OutputContainer), "opened for writing"
    return container


def _av_packet(packet: Packet, following: Packet | None, zero: int, stream: VideoStream) -> AvPacket[Any]:
    boxed: AvPacket[Any] = AvPacket(packet.data)
    boxed.pts, boxed.dts = packet.pts - zero, packet.dts - zero
    boxed.is_keyframe = packet.key
    boxed.time_base = Fraction(1, CLOCK)
    if following is not None:
        boxed.duration = following.dts - packet.dts
    boxed.stream = stream
    return boxed


def _ticks(at: datetime) -> int:
    return round(at.timestamp() * CLOCK)
