"""Packets' times put right, a camera's clock followed, chunks cut: without any video."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import VideoChunk
from hub.video.access_unit import ParameterSets, leading
from hub.video.chunk import CHUNK_BYTES, PACKET_BYTES, Chunker, Session
from hub.video.clock import Clock
from hub.video.lost import Lost
from hub.video.timestamps import Timed, Timestamps, Whole

STEP = 3600
SESSION = Session(camera="cuihu/cam", site="cuihu", id="s", codec="h264", num=1, den=90000)


def shown_order(gop: int, b_frames: int) -> list[int]:
    """Display numbers in decode order: I, then P before the B-frames that lean on it."""
    out, n = [0], 1
    while n < gop:
        last = min(n + b_frames, gop - 1)
        out += [last, *range(n, last)]
        n = last + 1
    return out


@given(
    b_frames=st.integers(0, 3),
    without_both=st.integers(0, 2),
    without_dts=st.integers(0, 5),
    start=st.integers(-(10**6), 10**6),
)
def test_missing_first_times_are_filled_back(b_frames: int, without_both: int, without_dts: int, start: int) -> None:
    order = shown_order(40, b_frames)
    # Two packets without any time are only understood where they are shown as they come.
    without_both = without_both if b_frames == 0 else min(without_both, 1)
    true = [(start + (n + b_frames) * STEP, start + i * STEP) for i, n in enumerate(order)]
    stamps = Timestamps(STEP)
    out: list[Whole] = []
    for i, (pts, dts) in enumerate(true):
        told = None if i < without_both else pts
        counted = None if i < max(without_both, without_dts) else dts
        out += stamps.push(Timed(b"", told, counted, i == 0, float(i)))
    out += stamps.flush()
    assert [w.pts for w in out] == [pts for pts, _ in true]
    assert all(w.dts <= w.pts for w in out)
    assert all(a.dts < b.dts for a, b in itertools.pairwise(out))


@given(
    times=st.lists(
        st.tuples(st.none() | st.integers(-(10**9), 10**9), st.none() | st.integers(-(10**9), 10**9)),
        max_size=80,
    )
)
def test_whatever_a_camera_says_times_are_whole_or_it_is_lost(times: list[tuple[int | None, int | None]]) -> None:
    stamps = Timestamps(STEP)
    out: list[Whole] = []
    reason = ""
    try:
        for i, (pts, dts) in enumerate(times):
            out += stamps.push(Timed(b"", pts, dts, i == 0, float(i)))
        out += stamps.flush()
    except Lost as lost:
        reason = lost.reason
    assert len(out) == len(times) or reason == "clock"
    assert all(w.dts <= w.pts for w in out)
    assert all(a.dts < b.dts for a, b in itertools.pairwise(out))


def test_decode_times_that_run_back_mean_connecting_anew() -> None:
    stamps = Timestamps(STEP)
    for i in range(10):
        stamps.push(Timed(b"", i * STEP, i * STEP, i == 0, 0.0))
    assert stamps.push(Timed(b"", 9 * STEP, 9 * STEP, False, 0.0))[0].dts == 9 * STEP + 1, "a repeat is nudged"
    with pytest.raises(Lost, match="ran back"):
        stamps.push(Timed(b"", 2 * STEP, 2 * STEP, False, 0.0))


def followed(clock: Clock, arrivals: Sequence[tuple[float, float]], wall_error: float | None = None) -> list[float]:
    """The instants of packets, given (pts in seconds, arrival)."""
    out = []
    for offset, arrived in arrivals:
        wall = None if wall_error is None else 1000.0 + offset + wall_error
        out.append(clock.follow(offset, arrived, wall) + offset)
    return out


@given(jitter=st.lists(st.floats(0, 0.3), min_size=200, max_size=200))
def test_instants_never_jump_and_never_lie_in_the_future(jitter: list[float]) -> None:
    arrivals = [(i * 0.04, 1000.0 + i * 0.04 + late) for i, late in enumerate(jitter)]
    instants = followed(Clock(arrivals[0][1]), arrivals)
    steps = [b - a for a, b in itertools.pairwise(instants)]
    assert all(0.0 <= step <= 0.04 + 0.05 for step in steps)


def test_the_clock_settles_on_the_earliest_arrival() -> None:
    arrivals = [(i * 0.04, 1000.8 + i * 0.04 - min(0.8, i * 0.04)) for i in range(2000)]
    instants = followed(Clock(1000.8), arrivals)
    assert instants[0] == pytest.approx(1000.8)
    assert instants[-1] == pytest.approx(1000.0 + 1999 * 0.04, abs=0.01)


def test_a_camera_clock_that_agrees_is_followed_and_one_that_is_wrong_is_not() -> None:
    arrivals = [(i * 0.04, 1000.3 + i * 0.04) for i in range(500)]
    good = Clock(1000.3)
    assert followed(good, arrivals, 0.0)[-1] == pytest.approx(1000.0 + 499 * 0.04, abs=0.01)
    assert good.kind == "device"
    wrong = Clock(1000.3)
    assert followed(wrong, arrivals, -3600.0)[-1] == pytest.approx(1000.3 + 499 * 0.04, abs=0.01)
    assert wrong.kind == "hub"


def test_a_crystal_that_runs_fast_is_followed() -> None:
    arrivals = [(i * 1.001, 1000.0 + i) for i in range(2000)]
    instants = followed(Clock(1000.0), arrivals)
    assert abs(instants[-1] - arrivals[-1][1]) < 0.2


@pytest.mark.parametrize("jump", [-60.0, 60.0])
def test_a_clock_that_jumps_means_connecting_anew(jump: float) -> None:
    clock = Clock(1000.0)
    clock.follow(0.0, 1000.0)
    with pytest.raises(Lost, match="jumped"):
        clock.follow(0.04, 1000.04 + jump)


def cut(packets: Sequence[Whole]) -> tuple[list[VideoChunk], Chunker]:
    chunker = Chunker(SESSION, STEP)
    chunks = [chunk for packet in packets for chunk in chunker.push(packet, 5.0)]
    return chunks + chunker.flush(), chunker


def packet(i: int, size: int = 1000, key: bool = False) -> Whole:
    return Whole(data=bytes(size), pts=i * STEP, dts=i * STEP, key=key, arrived=1000 + i * 0.04)


@given(
    st.lists(st.tuples(st.integers(1, 300_000), st.sampled_from([True, False, False, False])), max_size=60),
)
def test_chunks_hold_their_limits_and_lose_nothing(shapes: list[tuple[int, bool]]) -> None:
    packets = [packet(i, size, key) for i, (size, key) in enumerate(shapes)]
    chunks, chunker = cut(packets)
    kept = [p for chunk in chunks for p in chunk.packets]
    first = next((i for i, p in enumerate(packets) if p.key), len(packets))
    assert [p.pts for p in kept] == [p.pts for p in packets[first:]]
    assert chunker.dropped == first
    for chunk in chunks:
        assert sum(len(p.data) for p in chunk.packets) <= CHUNK_BYTES or len(chunk.packets) == 1
        assert len(chunk.packets) <= 5
        assert not any(p.key for p in chunk.packets[1:])
    assert [c.sequence for c in chunks] == list(range(len(chunks)))


def test_a_packet_too_large_for_the_bus_is_left_out_up_to_the_next_key_frame() -> None:
    packets = [packet(0, key=True), packet(1, PACKET_BYTES + 1), packet(2), packet(3, key=True), packet(4)]
    chunks, chunker = cut(packets)
    assert [p.pts // STEP for c in chunks for p in c.packets] == [0, 3, 4]
    assert chunker.dropped == 2
    large, _ = cut([packet(0, PACKET_BYTES, key=True)])
    assert len(large[0].packets[0].data) == PACKET_BYTES


def test_no_key_frame_for_two_gops_means_connecting_anew() -> None:
    def push_all(gops: int, gop: int, silent: int) -> None:
        chunker = Chunker(SESSION, STEP)
        for i in range(gops * gop + silent):
            chunker.push(packet(i, key=i % gop == 0 and i // gop < gops), 0.0)

    push_all(gops=3, gop=50, silent=150)
    with pytest.raises(Lost, match="no key frame"):
        push_all(gops=3, gop=50, silent=260)
    push_all(gops=2, gop=250, silent=240)
    with pytest.raises(Lost, match="no key frame"):
        push_all(gops=2, gop=250, silent=510)


SPS, PPS, IDR, AUD = b"\x67\x4d\x00\x1f", b"\x68\xee\x3c\x80", b"\x65\x88\x84", b"\x09\xf0"
CODE = b"\x00\x00\x00\x01"


def unit(*nals: bytes) -> bytes:
    return b"".join(CODE + nal for nal in nals)


def test_parameter_sets_go_in_front_of_key_frames_behind_the_delimiter() -> None:
    sets = ParameterSets("h264", unit(SPS, PPS))
    assert sets.complete(unit(IDR), key=True) == unit(SPS, PPS, IDR)
    assert sets.complete(unit(AUD, IDR), key=True) == unit(AUD, SPS, PPS, IDR)
    assert sets.complete(unit(SPS, PPS, IDR), key=True) == unit(SPS, PPS, IDR)
    assert sets.complete(unit(b"\x41\x9a"), key=False) == unit(b"\x41\x9a")


def test_parameter_sets_that_change_on_the_way_replace_the_described_ones() -> None:
    sets = ParameterSets("h264", unit(SPS, PPS))
    larger = b"\x67\x64\x00\x28"
    sets.complete(unit(larger, PPS, IDR), key=True)
    assert sets.complete(unit(IDR), key=True) == unit(larger, PPS, IDR)


@given(st.binary(max_size=200), st.sampled_from(["h264", "hevc"]), st.booleans())
def test_no_bytes_make_the_reading_of_units_fail(data: bytes, codec: str, key: bool) -> None:
    for nal in leading(data, codec):
        assert 0 <= nal.begin <= nal.end <= len(data)
    try:
        whole = ParameterSets(codec, data).complete(data, key)
    except Lost:
        return
    assert whole.endswith(data[-8:])
