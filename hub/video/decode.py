"""Chunks of one camera decoded into pictures, for those who look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import av
import av.error
import numpy as np
from av.packet import Packet as AvPacket
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from hub.model import Packet, VideoChunk
from hub.picture import Luma, Picture
from hub.video.access_unit import CODECS

MAX_PIXELS: Final = 8192 * 8192
FORGIVING_AFTER: Final = 5
"""So many damaged GOPs in a row show a camera that breaks the rules, not a damaged line: then the decoder forgives."""
_EIGHT_BIT: Final = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"})


class Decoder:
    """The pictures of one camera, in the order they are shown. One thread, one frame held beyond B-frames.

    It starts at a key frame; a new session, codec or a gap in the chunks' sequence starts it anew. What is damaged
    is left out until the next key frame: a smeared picture looks like movement. So the decoder is told to be strict,
    for by itself it hides damage (in H.265 all of it), and only with a camera that never satisfies it is it not.
    `decoded` counts pictures given, `corrupt` damaged packets or pictures, `skipped` packets not decoded.
    """

    def __init__(self) -> None:
        self.decoded = 0
        self.corrupt = 0
        self.skipped = 0
        self._context: VideoCodecContext | None = None
        self._chunk: VideoChunk | None = None
        self._waiting = True
        self._damaged_gops = 0
        self._clean = True

    def push(self, chunk: VideoChunk) -> Iterator[Picture]:
        """The pictures that are complete now. Those of an ended session come before those of the next."""
        last = self._chunk
        if last is None or (chunk.session, chunk.codec) != (last.session, last.codec):
            yield from self.flush()
            self._damaged_gops = 0
            self._context = _context(chunk.codec, strict=True)
        elif chunk.sequence <= last.sequence:
            return  # seen before: the bus delivers at least once
        elif chunk.sequence > last.sequence + 1:
            yield from self._drain(last)
            self._context = _context(chunk.codec, strict=self._damaged_gops < FORGIVING_AFTER)
        self._chunk = chunk
        if self._context is None:
            self.skipped += len(chunk.packets)
            return
        for packet in chunk.packets:
            if self._waiting and not packet.key:
                self.skipped += 1
                continue
            if packet.key:
                self._begin_gop(chunk.codec)
            yield from self._decode(chunk, packet)

    def flush(self) -> Iterator[Picture]:
        """The pictures still held back; the decoder is as new afterwards."""
        last, self._chunk = self._chunk, None
        if last is not None:
            yield from self._drain(last)
        self._context = None

    def _begin_gop(self, codec: str) -> None:
        assert self._context is not None
        if self._clean:
            self._damaged_gops = 0
        if self._waiting:
            self._context.flush_buffers()
            if self._damaged_gops == FORGIVING_AFTER:
                self._context = _context(codec, strict=False)
        self._waiting, self._clean = False, True

    def _damaged(self) -> None:
        self.corrupt += 1
        self._waiting = True
        if self._clean:
            # Once forgiving, for the rest of the session: the count stays where it is.
            self._damaged_gops = min(self._damaged_gops + 1, FORGIVING_AFTER + 1)
        self._clean = False

    def _decode(self, chunk: VideoChunk, packet: Packet) -> Iterator[Picture]:
        assert self._context is not None
        try:
            frames = self._context.decode(_av_packet(packet))
        except (av.error.FFmpegError, ValueError):
            self._damaged()
            return
        yield from self._pictures(chunk, frames)

    def _drain(self, chunk: VideoChunk) -> Iterator[Picture]:
        if self._context is not None and not self._waiting:
            try:
                frames = self._context.decode(None)
            except (av.error.FFmpegError, ValueError):
                frames = []
            yield from self._pictures(chunk, frames)
        self._waiting = True

    def _pictures(self, chunk: VideoChunk, frames: Iterable[VideoFrame]) -> Iterator[Picture]:
        for frame in frames:
            if frame.is_corrupt:
                self._damaged()
            if self._waiting or frame.pts is None:
                continue
            self.decoded += 1
            yield Picture(
                camera=chunk.camera,
                site=chunk.site,
                at=chunk.epoch + frame.pts * chunk.num / chunk.den,
                pts=frame.pts,
                width=frame.width,
                height=frame.height,
                luma=luma(frame),
                session=chunk.session,
                key=bool(frame.key_frame),
                purpose=chunk.purpose,
            )


def luma(frame: VideoFrame) -> Luma:
    """Height x width uint8. A view into the frame where its brightness is a plane of bytes, else a copy."""
    if frame.format.name not in _EIGHT_BIT:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def key_pictures(chunks: Iterable[VideoChunk]) -> Iterator[tuple[VideoChunk, VideoFrame]]:
    """Each key frame of the chunks, decoded by itself; those that can't be decoded are left out."""
    for chunk in chunks:
        if chunk.key and (frame := _single(chunk)) is not None:
            yield chunk, frame


def _single(chunk: VideoChunk) -> VideoFrame | None:
    context = _context(chunk.codec, strict=False)
    if context is None:
        return None
    try:
        frames = [*context.decode(_av_packet(chunk.packets[0])), *context.decode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    return frames[0] if frames and not frames[0].is_corrupt else None


def _context(codec: str, *, strict: bool) -> VideoCodecContext | None:
    if codec not in CODECS:
        return None
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext), "both codecs are video"
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS), **({"err_detect": "explode"} if strict else {})}
    return context


def _av_packet(packet: Packet) -> AvPacket[Any]:
    out: AvPacket[Any] = AvPacket(packet.data)
    out.pts, out.dts = packet.pts, packet.dts
    out.is_keyframe = packet.key
    return out
