"""The bus in memory beside a model, and what it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings

from hub.bus.memory import MemoryBus
from hub.model import Reading
from hub.topics import Topic
from tests.bus_machine import SESSION, BusMachine
from tests.bus_places import reading


class MemoryMachine(BusMachine):
    """The bus in memory, any order of use."""

    make = staticmethod(lambda clock: MemoryBus(session=SESSION, monotonic=clock))


TestAnyOrderOfUse = MemoryMachine.TestCase
TestAnyOrderOfUse.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Clock:
    """A time that passes when told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


async def test_what_is_too_old_goes_and_offsets_stay() -> None:
    clock = Clock()
    topic: Topic[Reading] = Topic("t", Reading, lambda r: r.site, keep_seconds=60, keep_bytes=10**9)
    async with MemoryBus(now=clock) as bus:
        await bus.publish(topic, [reading("cuihu", n) for n in range(3)])
        clock.time += timedelta(seconds=61)
        (position,) = await bus.publish(topic, [reading("cuihu", 3)])
        assert position.offset == 3
        async with bus.subscribe([topic], "g") as member:
            assert [d.offset for d in await member.take(wait=0)] == [3]


async def test_what_is_too_much_goes_oldest_first() -> None:
    clock = Clock()
    size = len(Topic("t", Reading, lambda r: r.site, keep_seconds=1, keep_bytes=1).encode(reading("cuihu", 1))[1])
    topic: Topic[Reading] = Topic("t", Reading, lambda r: r.site, keep_seconds=1e6, keep_bytes=3 * size)
    async with MemoryBus(now=clock) as bus:
        for n, site in enumerate(["cuihu", "lanyu", "cuihu", "cuihu", "lanyu"]):
            clock.time += timedelta(seconds=1)
            await bus.publish(topic, [reading(site, n)])
        async with bus.subscribe([topic], "g") as member:
            assert sorted(d.decode().sequence for d in await member.take(wait=0)) == [2, 3, 4]
