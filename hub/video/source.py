"""A camera or a film as a stream of packets, read without decoding anything."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

import av
import av.bitstream
import av.error
from av.container import InputContainer
from av.packet import Packet as AvPacket
from av.video.stream import VideoStream

from hub.redact import redact
from hub.video.access_unit import CODECS, ParameterSets
from hub.video.lost import Lost, Reason
from hub.video.timestamps import Timed

OPEN_SECONDS: Final = 5.0
READ_SECONDS: Final = 5.0
SOCKET_SECONDS: Final = 2.5
"""FFmpeg's limit for one silence on the socket. At the first it gives out the picture it still held, only at the
second an error: a camera that freezes is noticed after twice this time."""

_FILTERS: Final = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_NETWORK: Final = ("rtsp:", "rtsps:", "rtp:", "http:", "https:", "srt:", "udp:", "tcp:")
_PRFT: Final = struct.Struct("<q")
_UNUSABLE: Final = (av.error.FFmpegError, OSError, ValueError, EOFError)


class Source:
    """An open camera address or film: iterate over its packets once. A context manager that hangs up.

    `codec` is "h264" or "hevc", `num` / `den` seconds the time base, `step` a frame's usual length in ticks.
    """

    def __init__(self, address: str, *, transport: str = "tcp", clock: Callable[[], float] = time.time) -> None:
        """Raises Lost, without the address's password, when there is nothing to read there."""
        self.address = redact(address)
        self._secret = address
        self._clock = clock
        self.live = address.startswith(_NETWORK)
        # Little probing: the picture's size is the decoder's business, and what is probed arrives late. Never
        # "nobuffer": it throws away what was probed, the first key frame with it.
        options = {
            "rtsp_transport": transport,
            "analyzeduration": "500000",
            "timeout": str(round(SOCKET_SECONDS * 1e6)),
        }
        try:
            self._container = _open(address, options if self.live else {})
        except _UNUSABLE as error:
            raise self._lost(error) from None
        try:
            self._stream = _video(self._container)
            self._prepare()
        except _UNUSABLE as error:
            self._container.close()
            raise self._lost(error) from None
        except Lost:
            self._container.close()
            raise

    def _prepare(self) -> None:
        context = self._stream.codec_context
        self.codec = context.name
        if self.codec not in CODECS:
            raise Lost("codec", f"{self.address}: its video is {self.codec}; only H.264 and H.265 are read")
        base = self._stream.time_base
        assert base is not None, "FFmpeg gives every demuxed stream a time base"
        self.num, self.den = base.numerator, base.denominator
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        rate = rate if 0.1 <= rate <= 240 else 25.0
        self.step = max(1, round(self.den / (self.num * rate)))
        said = context.extradata or b""
        self._filter = None
        if said[:1] == b"\x01":
            self._filter = av.bitstream.BitStreamFilterContext(_FILTERS[self.codec], self._stream)
            said = b""
        self._sets = ParameterSets(self.codec, said)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def __iter__(self) -> Iterator[Timed]:
        """Packets in decode order: Annex B, key frames with their parameter sets.

        A film ends; a camera that stops sending, hangs up or changes its codec raises Lost.
        """
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:
                    continue
                arrived = self._clock()
                if self._filter is None:
                    yield self._timed(packet, arrived)
                else:
                    for filtered in self._filter.filter(packet):
                        yield self._timed(filtered, arrived)
        except _UNUSABLE as error:
            raise self._lost(error) from None
        if self.live:
            raise Lost("hung_up", f"{self.address}: hung up")

    def _timed(self, packet: AvPacket[Any], arrived: float) -> Timed:
        wall = None
        if packet.has_sidedata("prft"):
            wall = _PRFT.unpack_from(bytes(packet.get_sidedata("prft")))[0] / 1e6
        key = packet.is_keyframe
        data = self._sets.complete(bytes(packet), key)
        return Timed(data=data, pts=packet.pts, dts=packet.dts, key=key, arrived=arrived, wall=wall)

    def _lost(self, error: BaseException) -> Lost:
        # FFmpeg's texts quote the address as it was given, password and all; so its error is never the cause either.
        if isinstance(error, av.error.ExitError | TimeoutError):
            return Lost("silent", f"{self.address}: no answer in time")
        text = error.strerror if isinstance(error, OSError | av.error.FFmpegError) and error.strerror else str(error)
        text = redact(str(text).replace(self._secret, self.address)) or type(error).__name__
        reason: Reason = "unreadable" if isinstance(error, ValueError) else "unreachable"
        return Lost(reason, f"{self.address}: {text}")


def _open(address: str, options: dict[str, str]) -> InputContainer:
    container = av.open(address, options=options, timeout=(OPEN_SECONDS, READ_SECONDS))
    assert isinstance(container, InputContainer), "opened for reading"
    return container


def _video(container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        return stream
    raise ValueError("there is no video in it")
