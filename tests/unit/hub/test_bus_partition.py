"""One key is in one partition on every bus: murmur2 as Kafka's clients have it."""

from __future__ import annotations

from aiokafka.partitioner import murmur2
from hypothesis import example, given
from hypothesis import strategies as st

from hub.topics import partition_of


@given(st.binary(max_size=40))
@example(b"")
@example(b"cuihu")
@example("翠湖苑".encode())
def test_partition_is_that_of_kafkas_default_partitioner(key: bytes) -> None:
    assert partition_of(key) == (murmur2(key) & 0x7FFFFFFF) % 16
