"""A record that kills whoever has it in hand is dead-lettered after its second death, and the camera goes on.

Here the death comes from outside: whenever the detector's note says that it holds the chosen record, it is killed, as
a decoder that aborts would kill it. A fall behind that record is still told, once.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest

from hub import inflight
from hub.bus import Bus
from hub.inflight import DEATHS, Held
from hub.ledger import Log
from hub.model import DeadLetter
from hub.store import Store
from hub.topics import DEAD_LETTERS, VIDEO
from tests.fault.hub_roles import Role, seed, until
from tests.fault.watched_facade import Scenery, scenery

GROUP: Final = "detect-falling"
MOST: Final = 3 * DEATHS
"""Kills before the test gives up: perhaps one among others, two alone, and some that came a moment too late."""


class Poison(msgspec.Struct, frozen=True):
    """The chosen record."""

    partition: int
    offset: int

    def within(self, held: Held | None, since: float) -> bool:
        """Whether a worker that began at `since` has it in hand, alone or among others."""
        if held is None or held.since < since or (held.topic, held.partition) != (VIDEO.name, self.partition):
            return False
        return held.offset <= self.offset <= held.last


async def in_hand(role: Role) -> Held:
    """What the detector holds, as soon as that is something."""
    while (held := inflight.read(role.note)) is None:  # noqa: ASYNC110  # another process sets no event of ours
        await asyncio.sleep(0.001)
    return held


async def letters(bus: Bus) -> list[DeadLetter]:
    """What the detector of falls could not use."""
    now = datetime.now(UTC)
    read = bus.read(DEAD_LETTERS, f"{GROUP}:{VIDEO.name}", now - timedelta(hours=1), now + timedelta(minutes=1))
    return [delivery.decode() async for delivery in read]


async def poisoned(here: Scenery, bus: Bus, chance: random.Random) -> Poison:
    """Kill the detector over one record until it lets go of it; it is running then."""
    async with asyncio.timeout(60):
        await asyncio.sleep(chance.uniform(3, 6))
        held = await in_hand(here.detect)
    poison = Poison(held.partition, chance.randint(held.offset, held.last))
    print(f"poison: record {poison.offset} of partition {poison.partition}")
    await here.detect.kill()
    while here.detect.deaths < MOST:
        began = time.monotonic()  # the note of the dead one is still there
        await here.detect.start()
        buried = asyncio.create_task(_buried(bus, poison))
        deadly = asyncio.create_task(_deadly(here.detect, poison, began))
        async with asyncio.timeout(60):
            await asyncio.wait({buried, deadly}, return_when=asyncio.FIRST_COMPLETED)
        over = buried.done()
        for task in (buried, deadly):
            task.cancel()
        await asyncio.gather(buried, deadly, return_exceptions=True)
        if over:
            return poison
        await here.detect.kill()
    raise AssertionError(f"after {MOST} deaths it is not let go:\n{here.detect.said()}")


async def _buried(bus: Bus, poison: Poison) -> None:
    while poison.offset not in {letter.offset for letter in await letters(bus)}:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.1)


async def _deadly(role: Role, poison: Poison, since: float) -> None:
    while not poison.within(inflight.read(role.note), since):  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.001)


async def passed(bus: Log, poison: Poison) -> bool:
    """Whether what the group acknowledged is beyond the record."""
    spans = await bus.spans(VIDEO, GROUP)
    return next(span.committed for span in spans if span.partition == poison.partition) > poison.offset


@pytest.mark.timeout(240)
async def test_a_record_that_kills_is_put_aside_and_the_camera_goes_on(
    store: Store, database: str, tmp_path: Path
) -> None:
    chance = seed()
    async with scenery(store, database, tmp_path, quiet=True) as here, here.hub.bus() as bus:
        poison = await poisoned(here, bus, chance)
        print(f"let go after {here.detect.deaths} deaths")
        assert here.detect.deaths >= DEATHS
        (letter,) = await letters(bus)
        assert (letter.reason, letter.partition, letter.offset) == ("poison", poison.partition, poison.offset)
        assert letter.payload
        await until(lambda: passed(bus, poison), 30, here.said)
        await here.camera.switch(here.film.reel)
        await here.told()
        await here.told_once()
        assert here.detect.running
        assert len(await letters(bus)) == 1
