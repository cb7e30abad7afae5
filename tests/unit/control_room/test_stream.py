"""What a page hears is numbered without a gap, and what it missed comes again."""

from __future__ import annotations

import asyncio

from control_room.stream import Listener, Stream


def ids(listener: Listener) -> list[str]:
    """The ids of what waits for this listener."""
    found = []
    while not listener._queue.empty():
        message = listener._queue.get_nowait()
        assert message is not None
        found.append(message.raw.split(b"\n", 1)[0].removeprefix(b"id: ").decode())
    return found


def test_messages_are_numbered_without_a_gap() -> None:
    stream = Stream()
    with stream.listen("") as listener:
        for _ in range(3):
            stream.say("tick", b"{}")
        assert ids(listener) == [f"{stream.boot}.{n}" for n in (0, 1, 2, 3)]


def test_who_comes_back_gets_what_was_missed() -> None:
    stream = Stream()
    for _ in range(5):
        stream.say("tick", b"{}")
    with stream.listen(f"{stream.boot}.3") as listener:
        stream.say("incident", b"{}")
        assert ids(listener) == [f"{stream.boot}.{n}" for n in (3, 4, 5, 6)]


def test_a_hello_says_whether_anything_is_lost() -> None:
    stream = Stream(ring=3)
    for _ in range(10):
        stream.say("tick", b"{}")
    cases = {
        "": False,
        f"{stream.boot}.10": True,
        f"{stream.boot}.7": True,  # 8, 9 and 10 are still kept
        f"{stream.boot}.6": False,  # 7 is gone
        f"{stream.boot}.11": False,  # never said: another life with the same name
        "0000.9": False,
        f"{stream.boot}.x": False,
        f"{stream.boot}.{'9' * 40}": False,
        f"{stream.boot}.٣": False,
    }
    for last, replayed in cases.items():
        with stream.listen(last) as listener:
            hello = listener._queue.get_nowait()
            assert hello is not None
            said = b'"replayed":true' in hello.raw
            assert said == replayed, last


def test_a_page_that_does_not_keep_up_is_cut_and_others_are_not() -> None:
    stream = Stream(backlog=2)
    with stream.listen("") as slow, stream.listen("") as quick:
        for n in range(1, 6):
            stream.say("tick", b"{}")
            assert ids(quick)[-1] == f"{stream.boot}.{n}"
        assert slow._queue.get_nowait() is None  # nothing but the end


async def test_closing_ends_every_listener_also_a_later_one() -> None:
    stream = Stream()
    with stream.listen("") as before:
        stream.close()
        async with asyncio.timeout(1):
            assert [raw async for raw in before] == []
    with stream.listen("") as after:
        async with asyncio.timeout(1):
            assert [raw async for raw in after] == []


async def test_messages_have_the_form_of_server_sent_events() -> None:
    stream = Stream()
    with stream.listen("") as listener:
        stream.say("tick", b'{"at":1}')
        messages = aiter(listener)
        await anext(messages)
        assert await anext(messages) == f'id: {stream.boot}.1\nevent: tick\ndata: {{"at":1}}\n\n'.encode()
        await messages.aclose()  # type: ignore[attr-defined]  # an async generator, which aiter() does not tell
