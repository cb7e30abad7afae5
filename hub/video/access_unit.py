"""Access units as Annex B byte streams: their NAL units, and the parameter sets that every key frame must carry.

Sources: ITU-T H.264 (08/2021) table 7-1 and annex B, ITU-T H.265 (08/2021) table 7-1 and annex B.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from hub.video.lost import Lost

H264: Final = "h264"
HEVC: Final = "hevc"
CODECS: Final = frozenset({H264, HEVC})

_START: Final = b"\x00\x00\x01"
_CODE: Final = b"\x00\x00\x00\x01"


class Grammar(msgspec.Struct, frozen=True):
    """What this hub needs to know of a codec's NAL unit types."""

    parameter_sets: tuple[int, ...]
    """In the order in which a decoder wants them."""
    delimiter: int
    slices: frozenset[int]
    shift: int
    mask: int

    def kind(self, header: int) -> int:
        """The NAL unit type in the first byte of its header."""
        return (header >> self.shift) & self.mask


GRAMMARS: Final = {
    H264: Grammar(parameter_sets=(7, 8), delimiter=9, slices=frozenset(range(1, 6)), shift=0, mask=0x1F),
    HEVC: Grammar(parameter_sets=(32, 33, 34), delimiter=35, slices=frozenset(range(32)), shift=1, mask=0x3F),
}


class Nal(msgspec.Struct, frozen=True):
    """Where one NAL unit lies in an access unit: `begin` at its header byte, `end` after its last byte."""

    kind: int
    begin: int
    end: int


def leading(data: bytes, codec: str) -> Iterator[Nal]:
    """The NAL units in front of the first slice, and that slice with its end left at the end of `data`.

    Nothing behind the first slice is looked at, so the cost does not grow with the picture.
    """
    grammar = GRAMMARS[codec]
    start = data.find(_START)
    while 0 <= start < len(data) - 3:
        begin = start + 3
        kind = grammar.kind(data[begin])
        if kind in grammar.slices:
            yield Nal(kind, begin, len(data))
            return
        start = data.find(_START, begin)
        # zero bytes before a start code belong to the code, not to the unit
        end = len(data[begin:start].rstrip(b"\x00")) + begin if start >= 0 else len(data)
        yield Nal(kind, begin, end)


def speaks_another_codec(data: bytes, codec: str) -> bool:
    """Whether an access unit can only be the other codec's: nothing raises when a camera is switched over.

    An H.265 parameter set begins with 0x40, 0x42 or 0x44 and then 0x01, which no camera's H.264 does (types 0, 2
    and 4 of its extended profile). An H.264 header of an odd type would name a layer above 31 in H.265, and a
    supplementary one (6, then what it is about) a frame of a temporal layer that can't be, or that no camera has.
    """
    start = data.find(_START)
    if start < 0 or start + 4 >= len(data):
        return False
    first, second = data[start + 3], data[start + 4]
    if codec == H264:
        return first in (0x40, 0x42, 0x44) and second == 0x01
    return bool(first & 1) or (first == 0x06 and second in (0x00, 0x01, 0x05, 0x06))


class ParameterSets:
    """What a camera last said of its coding, put in front of each key frame that lacks it.

    Many cameras send their parameter sets only in the session description. `said` is that: Annex B, may be empty.
    """

    def __init__(self, codec: str, said: bytes = b"") -> None:
        self.codec = codec
        self._known, _ = self._find(said)

    def complete(self, data: bytes, key: bool) -> bytes:
        """The access unit, with all its parameter sets when it is a key frame.

        Raises Lost when the camera now speaks another codec: connect again and ask.
        """
        if speaks_another_codec(data, self.codec):
            raise Lost("codec", f"the camera no longer speaks {self.codec}")
        own, after_delimiter = self._find(data)
        self._known.update(own)
        wanted = GRAMMARS[self.codec].parameter_sets
        if not key or len(own) == len(wanted):
            return data
        # Beside a set of its own the frame gets them all, in order: a repeated one does no harm.
        sets = b"".join(self._known.get(kind, b"") for kind in wanted)
        return data[:after_delimiter] + sets + data[after_delimiter:]

    @property
    def known(self) -> bytes:
        """All that is known, in order."""
        return b"".join(self._known[kind] for kind in sorted(self._known))

    def _find(self, data: bytes) -> tuple[dict[int, bytes], int]:
        # (type to bytes, several of a type joined; where a delimiter that must stay first ends)
        grammar = GRAMMARS[self.codec]
        found: dict[int, bytes] = {}
        after_delimiter = 0
        for nal in leading(data, self.codec):
            if nal.kind == grammar.delimiter:
                after_delimiter = nal.end
            elif nal.kind in grammar.parameter_sets:
                found[nal.kind] = found.get(nal.kind, b"") + _CODE + data[nal.begin : nal.end]
        return found, after_delimiter
