"""Reading ahead and writing in bulk change nothing of what is said."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt_socket import GatheringSocket


@pytest.fixture
def pair() -> Iterator[tuple[GatheringSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    gathering = GatheringSocket(ours)
    gathering.setblocking(False)
    yield gathering, theirs
    gathering.close()
    theirs.close()


@given(data=st.binary(max_size=2000), sizes=st.lists(st.integers(1, 50), min_size=1))
def test_what_comes_is_given_byte_for_byte(data: bytes, sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        gathering = GatheringSocket(ours)
        theirs.sendall(data)
        theirs.close()
        out = b""
        for turn in range(len(data) + 1):
            part = gathering.recv(sizes[turn % len(sizes)])
            assert len(part) <= sizes[turn % len(sizes)]
            out += part
            if not part:
                break
        assert out == data


def test_nothing_to_read_is_said_as_sockets_say_it(pair: tuple[GatheringSocket, socket.socket]) -> None:
    gathering, theirs = pair
    with pytest.raises(BlockingIOError):
        gathering.recv(1)
    theirs.send(b"abc")
    assert gathering.recv(1) == b"a"
    assert gathering.pending() == 2
    assert gathering.recv(9) == b"bc"
    assert gathering.pending() == 0


def test_writing_waits_for_a_flush_and_survives_a_full_kernel(pair: tuple[GatheringSocket, socket.socket]) -> None:
    gathering, theirs = pair
    theirs.settimeout(1)
    assert gathering.send(b"one") == 3
    assert gathering.send(b"two") == 3
    assert gathering.unsent == 6
    gathering.flush()
    assert theirs.recv(99) == b"onetwo"
    much = bytes(4 * 2**20)
    gathering.send(much)
    gathering.flush()
    assert gathering.unsent > 0, "the kernel would not take it all"
    got = 0
    while got < len(much):
        got += len(theirs.recv(2**20))
        gathering.flush()
    assert gathering.unsent == 0


def test_hanging_up_says_the_last_word() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        gathering = GatheringSocket(ours)
        gathering.send(b"bye")
        gathering.close()
        assert theirs.recv(99) == b"bye"
        assert theirs.recv(99) == b""
        gathering.close()
