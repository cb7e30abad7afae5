"""What goes onto the wire comes back, and what is not ours is refused with a reason."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import wire
from hub.errors import MessageError
from hub.identity import derived
from hub.model import Packet, Reading, ThermalFrame, VideoChunk
from hub.topics import READINGS, THERMAL, VIDEO, partition_of

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def reading(value: float = 1.0) -> Reading:
    return Reading(
        id="r1", site="cuihu", device="cuihu/smoke", kind="smoke", metric="smoke_alarm", value=value,
        at=AT, clock="hub", arrived_at=AT,
    )  # fmt: skip


def chunk(*packets: Packet) -> VideoChunk:
    return VideoChunk(
        camera="cuihu/cam", site="cuihu", at=AT, session="s", sequence=0, codec="h264", num=1, den=90000,
        epoch=0.0, gop_at=AT, packets=packets,
    )  # fmt: skip


def test_a_reading_comes_back() -> None:
    key, value, headers = READINGS.encode(reading())
    assert key == b"cuihu"
    assert READINGS.decode(value, headers) == reading()


def test_fields_of_a_newer_writer_are_ignored() -> None:
    _, value, headers = READINGS.encode(reading())
    newer = value.replace(b'"id":"r1"', b'"id":"r1","novelty":{"a":[1]}')
    assert newer != value
    assert READINGS.decode(newer, headers) == reading()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_writer_of_a_number_that_is_not_finite_is_stopped(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        READINGS.encode(reading(value))


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 2**40), st.booleans()), max_size=8))
def test_video_packets_come_back_whole(parts: list[tuple[bytes, int, bool]]) -> None:
    sent = chunk(*(Packet(data, pts, pts, key) for data, pts, key in parts))
    _, value, headers = VIDEO.encode(sent)
    assert value == b"".join(data for data, _, _ in parts)
    assert VIDEO.decode(value, headers) == sent


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_garbage_is_a_message_error_and_nothing_else(value: bytes, meta: bytes) -> None:
    for topic in (READINGS, VIDEO, THERMAL):
        with pytest.raises(MessageError):
            topic.decode(value, ((wire.META, meta),))


def test_a_truncated_picture_is_told() -> None:
    frame = ThermalFrame(
        camera="c", site="s", at=AT, clock="hub", arrived_at=AT, width=2, height=2, scale=0.01, offset=-273.15,
        range_low=-20.0, range_high=150.0, raw=b"\0" * 8,
    )  # fmt: skip
    _, value, headers = THERMAL.encode(frame)
    assert THERMAL.decode(value, headers) == frame
    with pytest.raises(MessageError, match="truncated"):
        THERMAL.decode(value[:-1], headers)
    bad = msgspec.structs.replace(frame, width=-2, height=-2, raw=b"")
    with pytest.raises(MessageError, match="truncated"):
        THERMAL.decode(value, wire.encode(bad)[1])


def test_nesting_without_end_is_a_message_error() -> None:
    with pytest.raises(MessageError):
        wire.parse(Reading, b'{"x":' * 100_000)


def test_ids_depend_on_every_part_and_on_where_it_ends() -> None:
    assert derived("r", "ab", "c") == derived("r", "ab", "c")
    assert derived("r", "ab", "c") != derived("r", "a", "bc")


# Keys and partitions of Apache Kafka's own default partitioner (Utils.murmur2, 16 partitions), from its source's test
# vectors: murmur2("21") = -973932308, murmur2("foobar") = -790332482, murmur2("a-little-bit-long-string") = -985981536.
@pytest.mark.parametrize(
    ("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
def test_partitions_are_kafkas(key: bytes, hashed: int) -> None:
    assert partition_of(key) == (hashed & 0x7FFFFFFF) % 16
