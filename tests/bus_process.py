"""A process that uses an embedded bus until somebody kills it, and says on its output what it was promised.

python -m tests.bus_process publish DIRECTORY NAME COUNT     "kept PARTITION OFFSET ID" for each record
python -m tests.bus_process consume DIRECTORY GROUP [SESSION]   "took PARTITION OFFSET ID", then "done" when committed
python -m tests.bus_process fill DIRECTORY BYTES             publishes until no file may grow, then with more room
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hub.bus.embedded import EmbeddedBus
from hub.errors import TransientError
from hub.topics import READINGS
from tests.bus_places import SITES, reading


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def publish(directory: str, name: str, count: str) -> None:
    """Records of four concurrent publishers."""

    async def some(bus: EmbeddedBus, first: int) -> None:
        for n in range(first, int(count), 4):
            nouns = [reading(f"{name}-{n % 7}", n * 10 + i) for i in range(n % 5 + 1)]
            for position, noun in zip(await bus.publish(READINGS, nouns), nouns, strict=True):
                say("kept", position.partition, position.offset, noun.id)

    async with EmbeddedBus(Path(directory)) as bus:
        await asyncio.gather(*(some(bus, first) for first in range(4)))
    say("end")


async def consume(directory: str, group: str, session: str = "1.0") -> None:
    """Takes and acknowledges for ever."""
    async with EmbeddedBus(Path(directory), session=float(session)) as bus, bus.subscribe([READINGS], group) as member:
        say("ready")
        while True:
            batch = await member.take(limit=20)
            for d in batch:
                say("took", d.partition, d.offset, d.decode().id)
            await member.commit(batch)
            if batch:
                say("done")


async def fill(directory: str, limit: str) -> None:
    """No file may grow over `limit` bytes, as on a full disk; then it may again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    number = 0
    async with EmbeddedBus(Path(directory)) as bus:
        try:
            while number < 100_000:
                nouns = [reading(site, number) for site in SITES]
                for position, noun in zip(await bus.publish(READINGS, nouns), nouns, strict=True):
                    say("kept", position.partition, position.offset, noun.id)
                number += 1
        except TransientError as error:
            say("full", str(error).replace("\n", " "))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        nouns = [reading(site, number) for site in SITES]
        for position, noun in zip(await bus.publish(READINGS, nouns), nouns, strict=True):
            say("kept", position.partition, position.offset, noun.id)
    say("end")


if __name__ == "__main__":
    commands: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        "publish": publish,
        "consume": consume,
        "fill": fill,
    }
    asyncio.run(commands[sys.argv[1]](*sys.argv[2:]))
