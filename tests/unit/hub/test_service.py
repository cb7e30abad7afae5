"""The one loop: what fails costs only itself, what is down is waited for, what kills is put aside."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from hub import inflight, poison
from hub.bus import Delivery
from hub.bus.memory import MemoryBus
from hub.errors import MessageError, TransientError
from hub.inflight import Inflight
from hub.model import Command, DeadLetter, VideoChunk
from hub.service import Handle, Loop
from hub.topics import COMMANDS, DEAD_LETTERS, VIDEO

AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    structlog.configure(processors=[lambda _l, _m, _d: (_ for _ in ()).throw(structlog.DropEvent)])
    yield
    structlog.reset_defaults()


def command(name: str) -> Command:
    return Command(id=name, site="cuihu", at=AT, incident="i", action="note", by="me", channel="page")


async def letters(bus: MemoryBus) -> list[DeadLetter]:
    async with bus.subscribe([DEAD_LETTERS], "test") as subscription:
        return [delivery.decode() for delivery in await subscription.take(100, 0.0)]


async def serve(bus: MemoryBus, handle: Handle, until: asyncio.Event, note: Inflight | None = None) -> None:
    loop = asyncio.create_task(Loop(bus, [COMMANDS], "work", lambda: None, note).run(handle))
    async with asyncio.timeout(20):
        await until.wait()
    await asyncio.sleep(0)  # the commit that follows the last record
    await asyncio.sleep(0)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


@pytest.mark.parametrize(
    ("failure", "reason"), [(MessageError("odd", "no such thing"), "odd"), (ZeroDivisionError("oops"), "bug")]
)
async def test_a_bad_record_costs_only_itself(failure: Exception, reason: str) -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(deliveries: Sequence[Delivery[Command]]) -> None:
        names = [delivery.decode().id for delivery in deliveries]
        if "bad" in names:
            raise failure
        handled.extend(names)
        if "last" in handled:
            done.set()

    async with MemoryBus() as bus:
        await bus.publish(COMMANDS, [command(name) for name in ("first", "bad", "last")])
        await serve(bus, handle, done)
        dead = await letters(bus)
    assert handled == ["first", "last"]
    assert [(letter.reason, letter.source, letter.offset) for letter in dead] == [(reason, "work:commands", 1)]


async def test_a_dead_letter_keeps_the_bytes() -> None:
    async def misread(_deliveries: Sequence[Delivery[Any]]) -> None:
        raise MessageError("invalid", "not a reading")

    async with MemoryBus() as bus:
        await bus.publish(COMMANDS, [command("x")])
        task = asyncio.create_task(Loop(bus, [COMMANDS], "other", lambda: None).run(misread))
        dead: list[DeadLetter] = []
        async with bus.subscribe([DEAD_LETTERS], "test") as subscription, asyncio.timeout(20):
            while not dead:
                dead = [delivery.decode() for delivery in await subscription.take(1, 1.0)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert dead[0].payload == COMMANDS.encode(command("x"))[1]


async def test_what_is_down_is_waited_for_and_nothing_is_skipped() -> None:
    tries = 0
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(deliveries: Sequence[Delivery[Command]]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise TransientError("the store is away")
        handled.extend(delivery.decode().id for delivery in deliveries)
        done.set()

    async with MemoryBus() as bus:
        await bus.publish(COMMANDS, [command("a"), command("b")])
        await serve(bus, handle, done)
        assert await letters(bus) == []
    assert (tries, handled) == (3, ["a", "b"])


async def test_the_record_that_kills_twice_is_put_aside(tmp_path: Path) -> None:
    """A death is played by leaving the note as a killed process would."""
    note = tmp_path / "alerts.note"
    killed = 0
    handled: list[str] = []

    async def life(bus: MemoryBus) -> None:
        done = asyncio.Event()
        held = Inflight(note)

        async def handle(deliveries: Sequence[Delivery[Command]]) -> None:
            nonlocal killed
            names = [delivery.decode().id for delivery in deliveries]
            if "poison" in names:
                killed += 1
                note.with_suffix(".kept").write_bytes(note.read_bytes())
                done.set()
                await asyncio.sleep(60)
            handled.extend(names)
            if "last" in names:
                done.set()

        await serve(bus, handle, done, held)
        held.close()
        kept = note.with_suffix(".kept")
        if kept.exists():
            note.write_bytes(kept.read_bytes())
            kept.unlink()

    async with MemoryBus() as bus:
        await bus.publish(COMMANDS, [command(name) for name in ("first", "poison", "last")])
        for _ in range(4):
            await life(bus)
            if "last" in handled:
                break
        dead = await letters(bus)
    assert killed == 3  # once in a batch, which names nobody; then twice alone
    assert [(letter.reason, letter.offset) for letter in dead] == [("poison", 1)]
    assert handled == ["first", "last"]


async def test_a_poisoned_video_record_is_told_as_a_fault_of_its_camera() -> None:
    packet = VideoChunk(
        camera="cuihu/gate", site="cuihu", at=AT, session="s", sequence=0, codec="h264", num=1, den=90000, epoch=0.0,
        gop_at=AT, packets=(),
    )  # fmt: skip
    async with MemoryBus() as bus:
        await bus.publish(VIDEO, [packet])
        await bus.publish(COMMANDS, [command("x")])
        async with bus.subscribe([VIDEO, COMMANDS], "test") as subscription:
            video, other = sorted(await subscription.take(2, 1.0), key=lambda d: d.topic.name, reverse=True)
    told = poison.detection_of(video, "detect-falling")
    assert told is not None
    assert (told.site, told.subject, told.kind, told.level) == ("cuihu", "cuihu/gate", "camera", "fault")
    assert poison.detection_of(other, "alerts") is None


def test_a_note_that_is_not_ours_is_no_note(tmp_path: Path) -> None:
    path = tmp_path / "x.note"
    assert inflight.read(path) is None
    path.write_bytes(b"\xff\x00garbage")
    assert inflight.read(path) is None
    Inflight(path).close()
