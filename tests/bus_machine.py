"""Any order of publishing, joining, taking, acknowledging, stalling and leaving, beside a model that can't be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.bus import Delivery, Position, Subscription
from hub.model import Reading
from hub.topics import READINGS, partition_of
from tests.bus_places import SITES, LedgerBus, reading

R = TypeVar("R")
SESSION = 10.0


class Worker:
    """A member, and what it has in hand."""

    def __init__(self, stack: AsyncExitStack, member: Subscription) -> None:
        self.stack = stack
        self.member = member
        self.hand: list[Delivery[Any]] = []


class BusMachine(RuleBasedStateMachine):
    """`make` opens a bus whose sessions are measured by this machine's clock."""

    make: Callable[[Callable[[], float]], LedgerBus]

    def __init__(self) -> None:
        super().__init__()
        self.clock = 1000.0
        self.runner = asyncio.Runner()
        self.log: dict[Position, Reading] = {}
        self.ends: dict[int, int] = {}
        self.acknowledged: set[Position] = set()
        self.workers: list[Worker] = []
        self.number = 0
        self.bus = type(self).make(lambda: self.clock)
        self.run(self.bus.__aenter__())  # type: ignore[attr-defined]  # every bus is a context manager

    def run(self, work: Awaitable[R]) -> R:
        async def outer() -> R:
            return await work

        return self.runner.run(outer())

    @rule(sites=st.lists(st.sampled_from(SITES[:4]), min_size=1, max_size=6))
    def publish(self, sites: list[str]) -> None:
        nouns = [reading(site, self.number + n) for n, site in enumerate(sites)]
        self.number += len(sites)
        for position, noun in zip(self.run(self.bus.publish(READINGS, nouns)), nouns, strict=True):
            assert position.partition == partition_of(noun.site.encode())
            assert position.offset == self.ends.get(position.partition, 0)
            self.ends[position.partition] = position.offset + 1
            self.log[position] = noun

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def join(self) -> None:
        stack = AsyncExitStack()
        member = self.run(stack.enter_async_context(self.bus.subscribe([READINGS], "g")))
        self.workers.append(Worker(stack, member))

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 2), limit=st.integers(1, 9))
    def take(self, which: int, limit: int) -> None:
        worker = self.workers[which % len(self.workers)]
        before = worker.member.assignment
        taken = self.run(worker.member.take(limit, wait=0))
        assert len(taken) <= limit
        if worker.member.assignment != before:
            worker.hand = []
        for d in taken:
            assert d.decode() == self.log[Position(d.partition, d.offset)]
            assert ("readings", d.partition) in worker.member.assignment.partitions
        worker.hand += taken
        for partition in {d.partition for d in taken}:
            offsets = [d.offset for d in worker.hand if d.partition == partition]
            assert offsets == sorted(set(offsets)), "order within a partition"

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 2), data=st.data())
    def commit(self, which: int, data: st.DataObject) -> None:
        worker = self.workers[which % len(self.workers)]
        done = [d for d in worker.hand if data.draw(st.booleans())]
        self.run(worker.member.commit(done))
        worker.hand = [d for d in worker.hand if d not in done]
        self.acknowledged |= {Position(d.partition, d.offset) for d in done}

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 2))
    def leave(self, which: int) -> None:
        self.run(self.workers.pop(which % len(self.workers)).stack.aclose())

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock += seconds

    @invariant()
    def nothing_unacknowledged_is_behind_the_committed_offset(self) -> None:
        for span in self.run(self.bus.spans(READINGS, "g")):
            assert (span.start, span.end) == (0, self.ends.get(span.partition, 0))
            for offset in range(max(0, span.committed)):
                assert Position(span.partition, offset) in self.acknowledged

    def teardown(self) -> None:
        try:
            self.run(self._finish())
        finally:
            self.runner.close()

    async def _finish(self) -> None:
        for worker in self.workers:
            await worker.stack.aclose()
        committed = {s.partition: max(0, s.committed) for s in await self.bus.spans(READINGS, "g")}
        async with self.bus.subscribe([READINGS], "g") as member:
            rest: list[Delivery[Any]] = []
            while batch := await member.take(wait=0):
                rest += batch
        left = {p: noun for p, noun in self.log.items() if p.offset >= committed[p.partition]}
        assert {Position(d.partition, d.offset): d.decode() for d in rest} == left
        assert len(rest) == len(left)
        assert self.log.keys() - self.acknowledged <= left.keys()
        await self.bus.__aexit__(None, None, None)  # type: ignore[attr-defined]  # as above
