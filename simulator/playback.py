"""Encoded pictures out of files, put one after the other without a jump in their timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Final, Literal

import av
import msgspec

from simulator.film import Reel

CLOCK: Final = 90_000
"""Ticks per second of video in RTP."""


class Unit(msgspec.Struct, frozen=True):
    """One picture: its NAL units without start codes or parameter sets, and its times in ticks.

    A key frame brings along the parameter sets it needs, for who wants to send them.
    """

    nals: tuple[bytes, ...]
    pts: int
    dts: int
    key: bool
    codec: Literal["h264", "hevc"]
    parameter_sets: tuple[bytes, ...]


class Footage(msgspec.Struct, frozen=True):
    """One file in memory. Times begin at pts 0; with B-frames the first dts lie before it."""

    codec: Literal["h264", "hevc"]
    columns: int
    rows: int
    parameter_sets: tuple[bytes, ...]
    units: tuple[Unit, ...]
    ticks: int


def read_footage(path: Path) -> Footage:
    """Demux an MP4 file with H.264 or H.265. Blocks; raises ValueError for anything else."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name, extradata, base = stream.codec_context.name, stream.codec_context.extradata, stream.time_base
        if name not in ("h264", "hevc") or not extradata or extradata[0] != 1 or base is None:
            raise ValueError(f"{path}: expected H.264 or H.265 in MP4, found {name}")
        codec: Literal["h264", "hevc"] = "h264" if name == "h264" else "hevc"
        sets = tuple(_avc_sets(extradata) if codec == "h264" else _hevc_sets(extradata))
        units = []
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                pts, dts = (round(ticks * base * CLOCK) for ticks in (packet.pts, packet.dts))
                nals, key = tuple(_picture_nals(bytes(packet), codec)), packet.is_keyframe
                units.append(Unit(nals, pts, dts, key, codec, sets if key else ()))
        columns, rows = stream.width, stream.height
    first = min(unit.pts for unit in units)
    moved = tuple(_later(unit, -first) for unit in units)
    shown = sorted(unit.pts for unit in moved)
    last_frame = shown[-1] - shown[-2] if len(shown) > 1 else CLOCK // 25
    return Footage(codec, columns, rows, sets, moved, shown[-1] + last_frame)


def _later(unit: Unit, ticks: int) -> Unit:
    return msgspec.structs.replace(unit, pts=unit.pts + ticks, dts=unit.dts + ticks)


class Programme:
    """A reel in memory, as one unbroken stream of pictures."""

    def __init__(self, reel: Reel) -> None:
        self._once = [read_footage(path) for path in reel.once]
        self._loop = [read_footage(path) for path in reel.loop]

    @property
    def first(self) -> Footage:
        """What a receiver is told about before it sees a picture."""
        return (self._once or self._loop)[0]

    def units(self, start: int) -> Iterator[Unit]:
        """From the first key frame whose dts is not before `start` ticks. Ends only if nothing loops."""
        base, joined = 0, False
        turn = sum(footage.ticks for footage in self._loop)
        opening = sum(footage.ticks for footage in self._once)
        if self._loop and start > opening + turn:
            whole = (start - opening) // turn - 1
            base = opening + whole * turn
            order: Iterator[Footage] = chain.from_iterable(repeat(self._loop))
        else:
            order = chain(self._once, chain.from_iterable(repeat(self._loop) if self._loop else ()))
        for footage in order:
            if base + footage.ticks >= start:
                for unit in footage.units:
                    joined = joined or (unit.key and base + unit.dts >= start)
                    if joined:
                        yield _later(unit, base)
            base += footage.ticks


def _picture_nals(packet: bytes, codec: str) -> Iterator[bytes]:
    """Split at the four-byte lengths of MP4; parameter sets and delimiters are left out."""
    place = 0
    while place + 4 <= len(packet):
        length = int.from_bytes(packet[place : place + 4], "big")
        nal = packet[place + 4 : place + 4 + length]
        place += 4 + length
        left_out = nal[0] & 31 in (7, 8, 9) if codec == "h264" else (nal[0] >> 1) & 63 in (32, 33, 34, 35)
        if not left_out:
            yield nal


def _avc_sets(record: bytes) -> Iterator[bytes]:
    """SPS, then PPS, from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    place = 5
    for mask in (31, 255):
        count, place = record[place] & mask, place + 1
        for _ in range(count):
            length = int.from_bytes(record[place : place + 2], "big")
            yield record[place + 2 : place + 2 + length]
            place += 2 + length


def _hevc_sets(record: bytes) -> Iterator[bytes]:
    """VPS, SPS, PPS from an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    place = 23
    for _ in range(record[22]):
        kind, count = record[place] & 63, int.from_bytes(record[place + 1 : place + 3], "big")
        place += 3
        for _ in range(count):
            length = int.from_bytes(record[place : place + 2], "big")
            if kind in (32, 33, 34):
                yield record[place + 2 : place + 2 + length]
            place += 2 + length
