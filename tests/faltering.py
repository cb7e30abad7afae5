"""A bus that is away whenever a test wants it to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from hub.bus import Position
from hub.bus.memory import MemoryBus
from hub.errors import TransientError
from hub.topics import Topic

T = TypeVar("T", bound=msgspec.Struct)


class Faltering(MemoryBus):
    """`away` makes every publish fail; `failures` makes so many of the next ones fail."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.failures = 0
        self.tried = 0

    async def publish(self, topic: Topic[T], nouns: Sequence[T]) -> list[Position]:
        """See Bus."""
        self.tried += 1
        if self.away or self.failures > 0:
            self.failures -= 1
            raise TransientError("the bus at kafka://hub:secret@kafka is away")
        return await super().publish(topic, nouns)
