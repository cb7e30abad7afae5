"""The lowest offset not acknowledged, whatever the order of the acknowledgements."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.bus.holding import Holding, Unacknowledged


@given(st.sets(st.integers(0, 60)), st.lists(st.integers(-3, 70), max_size=80))
def test_committed_is_the_lowest_open_offset(offsets: set[int], done: list[int]) -> None:
    part = Unacknowledged(0)
    for offset in sorted(offsets):
        part.take(offset)
    still_open = set(offsets)
    for offset in done:
        part.acknowledge(offset)
        still_open.discard(offset)
        assert part.committed == min(still_open, default=max(offsets, default=-1) + 1)


def test_a_generation_passes_whenever_something_is_lost_or_comes() -> None:
    holding = Holding()
    holding.change((), {("readings", 1): 5})
    holding.change((), {})
    assert holding.assignment.generation == 1
    holding.change([("readings", 1)], {})
    assert holding.assignment.generation == 2
    assert holding.assignment.partitions == frozenset()
    holding.change([("readings", 1)], {})
    assert holding.assignment.generation == 2


def test_what_is_lost_is_not_acknowledged() -> None:
    holding = Holding()
    holding.change((), {("readings", 1): 0, ("readings", 2): 0})
    assert holding.take(("readings", 1), 0) == 0
    assert holding.take(("readings", 2), 0) == 0
    holding.change([("readings", 1)], {})
    assert holding.acknowledge([("readings", 1, 0), ("readings", 2, 0)]) == {("readings", 2): 1}


def test_what_came_back_begins_at_its_new_offset() -> None:
    holding = Holding()
    holding.change((), {("readings", 1): 0})
    holding.take(("readings", 1), 0)
    holding.change([("readings", 1)], {("readings", 1): 7})
    assert holding.acknowledge([("readings", 1, 0)]) == {("readings", 1): 7}
    assert holding.take(("readings", 1), 3) is None


def test_skipped_records_are_counted() -> None:
    holding = Holding()
    holding.change((), {("readings", 1): 2})
    assert holding.take(("readings", 1), 12) == 10
    assert holding.take(("readings", 1), 13) == 0
