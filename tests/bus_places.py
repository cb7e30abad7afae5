"""Where the bus contract is tried: each place opens buses that share one log, as processes of one hub would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from hub.bus import Bus, Delivery, Ledger, Subscription
from hub.bus.embedded import EmbeddedBus
from hub.bus.memory import MemoryBus
from hub.model import Reading, ThermalFrame
from hub.topics import DETECTIONS, READINGS, THERMAL, Topic, partition_of

R = TypeVar("R")

TOPICS: tuple[Topic[Any], ...] = (READINGS, DETECTIONS, THERMAL)
SITES = tuple(next(s for s in (f"site-{n}" for n in range(999)) if partition_of(s.encode()) == p) for p in range(16))
"""One site for each partition."""


class LedgerBus(Bus, Ledger, Protocol):
    """A bus whose books can be read."""


class Place(Protocol):
    """One log; `session` (seconds) is how long a member may make no progress."""

    def open(self, session: float = 10.0) -> AbstractAsyncContextManager[LedgerBus]:
        """One process's bus."""


class MemoryPlace:
    """One bus for all, for its records are only in it."""

    def __init__(self) -> None:
        self._buses: dict[str, MemoryBus] = {}

    @asynccontextmanager
    async def open(self, session: float = 10.0) -> AsyncIterator[LedgerBus]:
        """The same bus each time; the first one says the session."""
        yield self._buses.setdefault("", MemoryBus(session=session))


class EmbeddedPlace:
    """Buses over one folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, session: float = 10.0) -> AbstractAsyncContextManager[LedgerBus]:
        """A bus of its own, with connections and threads of its own."""
        return EmbeddedBus(self._directory, session=session)


def reading(site: str, number: int) -> Reading:
    """The number-th reading of a site."""
    at = datetime(2026, 11, 23, 10, tzinfo=UTC) + timedelta(seconds=number)
    return Reading(
        id=f"{site}/{number}",
        site=site,
        device=f"{site}/smoke-1",
        kind="smoke",
        metric="temperature",
        value=float(number),
        at=at,
        clock="hub",
        arrived_at=at,
        sequence=number,
    )


def frame(camera: str, size: int) -> ThermalFrame:
    """A thermal frame whose payload has `size` bytes (an even number)."""
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    return ThermalFrame(
        camera=camera,
        site=camera.split("/", maxsplit=1)[0],
        at=at,
        clock="hub",
        arrived_at=at,
        width=size // 2,
        height=1,
        scale=0.01,
        offset=-273.15,
        range_low=-20,
        range_high=550,
        raw=bytes(size),
    )


async def take_until(
    members: Sequence[Subscription],
    enough: Callable[[list[Delivery[Any]]], bool],
    *,
    commit: bool = True,
    seconds: float = 30.0,
) -> list[Delivery[Any]]:
    """Let the members take in turn until `enough` says so. Fails when it does not within `seconds`."""
    taken: list[Delivery[Any]] = []
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    while not enough(taken):
        assert datetime.now(UTC) < deadline, f"only {len(taken)} records came, and not the ones waited for"
        for member in members:
            batch = await member.take(wait=0.05)
            taken += batch
            if commit:
                await member.commit(batch)
    return taken


async def held_by(members: Sequence[Subscription], counts: Sequence[int], seconds: float = 30.0) -> None:
    """Let the members take until they hold that many partitions each; records that come are not acknowledged."""
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    while (held := sorted(len(member.assignment.partitions) for member in members)) != sorted(counts):
        assert datetime.now(UTC) < deadline, f"{held} is not {sorted(counts)}"
        for member in members:
            await member.take(wait=0.05)


def ids(deliveries: Sequence[Delivery[Any]]) -> list[str]:
    """The readings' ids."""
    return [noun.id for noun in map(_noun, deliveries)]


def _noun(delivery: Delivery[Any]) -> Reading:
    noun: msgspec.Struct = delivery.decode()
    assert isinstance(noun, Reading)
    return noun
