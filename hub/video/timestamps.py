"""Times of packets put right: none missing, decode times that only grow.

The first packets after a connect may come without times (the very key frame, and with B-frames some decode times).
They are filled back from the first that have them: to skip them would blind one group of pictures per connect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hub.video.lost import Lost

REORDER: Final = 16
"""The most frames that H.264 and H.265 let a decoder hold back (max_num_reorder_frames)."""
ENOUGH: Final = 6
"""So many timed packets show how a camera reorders: with more than three B-frames in a row none has been met."""


class Timed(msgspec.Struct, frozen=True):
    """A packet as it was read: an access unit and its times as far as the source knew them.

    `arrived` is the hub's clock when it was read, `wall` the camera's own clock for its pts if it has told one;
    both in seconds since 1970. `pts` and `dts` count in the stream's time base.
    """

    data: bytes
    pts: int | None
    dts: int | None
    key: bool
    arrived: float
    wall: float | None = None


class Whole(msgspec.Struct, frozen=True):
    """A packet whose times are known. `dts` never exceeds `pts` and grows with every packet of a session."""

    data: bytes
    pts: int
    dts: int
    key: bool
    arrived: float
    wall: float | None = None


class Timestamps:
    """Gives packets their missing times, in decode order. `step` is a frame's usual length in ticks."""

    def __init__(self, step: int) -> None:
        self.step = max(1, step)
        self._held: list[Timed] | None = []
        self._last = 0

    def push(self, packet: Timed) -> list[Whole]:
        """What can go on now that this packet is known: nothing, it, or it and those held before it.

        Raises Lost when decode times run backwards: connect again.
        """
        if self._held is None:
            return [self._follow(packet)]
        self._held.append(packet)
        timed = sum(1 for held in self._held if held.pts is not None and held.dts is not None)
        unseen = any(held.pts is None for held in self._held)
        # Who comes before all others is known only when those that overtake in showing have come too.
        if timed >= (ENOUGH if unseen else 1) or len(self._held) >= 2 * REORDER:
            return self.flush()
        return []

    def flush(self) -> list[Whole]:
        """Everything held, with the times filled back as far as they can be known."""
        if not self._held:
            return []
        held, self._held = self._held, None
        out = filled_back(held, self.step)
        self._last = out[-1].dts
        return out

    def _follow(self, packet: Timed) -> Whole:
        pts, dts = packet.pts, packet.dts
        if dts is None:
            # With B-frames a source may lose count of decode times for a while; pts bounds them from above.
            dts = self._last + self.step
            dts = dts if pts is None else max(self._last + 1, min(dts, pts))
        elif dts <= self._last:
            if self._last - dts >= self.step:
                raise Lost("clock", f"decode times ran back by {self._last - dts} ticks")
            dts = self._last + 1
        self._last = dts
        return Whole(
            data=packet.data,
            pts=dts if pts is None else max(pts, dts),
            dts=dts,
            key=packet.key,
            arrived=packet.arrived,
            wall=packet.wall,
        )


def filled_back(held: Sequence[Timed], step: int) -> list[Whole]:
    """The first packets of a session with every time known.

    A packet without pts is shown before all that have one, a frame's length apart, in the order it came: it was
    sent before the camera's clock was known, and the first frame is a key frame. Decode times are counted back from
    the first known one, never above pts; if none is known they are the sorted pts, moved below every pts.
    """
    known = sorted(packet.pts for packet in held if packet.pts is not None)
    lacking = sum(1 for packet in held if packet.pts is None)
    first = known[0] if known else lacking * step
    shown: list[int] = []
    for packet in held:
        if packet.pts is None:
            shown.append(first - lacking * step)
            lacking -= 1
        else:
            shown.append(packet.pts)
    decoded = _decode_times(shown, [packet.dts for packet in held], step)
    return [
        Whole(data=p.data, pts=max(pts, dts), dts=dts, key=p.key, arrived=p.arrived, wall=p.wall)
        for p, pts, dts in zip(held, shown, decoded, strict=True)
    ]


def _decode_times(shown: Sequence[int], given: Sequence[int | None], step: int) -> list[int]:
    ordered = sorted(shown)
    if all(dts is None for dts in given):
        shift = max(a - b for a, b in zip(ordered, shown, strict=True))
        times = [t - shift for t in ordered]
    else:
        begin = next(i for i, dts in enumerate(given) if dts is not None)
        times = [0] * len(given)
        for i in range(begin, len(given)):
            dts = given[i]
            times[i] = times[i - 1] + step if dts is None else dts
        for i in range(begin - 1, -1, -1):
            times[i] = min(times[i + 1] - step, shown[i])
    for i in range(1, len(times)):
        times[i] = max(times[i], times[i - 1] + 1)
    return times
