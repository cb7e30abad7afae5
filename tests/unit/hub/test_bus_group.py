"""Groups as values: ranges as Kafka's assignor gives them, hand-over, leases."""

from __future__ import annotations

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from hypothesis import given
from hypothesis import strategies as st

from hub.bus.group import NEVER, NOBODY, Group, Member, commit, join, leave, range_assignment, tend


class _Cluster:
    """As much of aiokafka's cluster as its assignor asks for."""

    def __init__(self, partitions: dict[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._partitions[topic]))


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20), min_size=1),
    st.lists(st.sets(st.sampled_from("abcd")), max_size=7),
)
def test_ranges_are_those_of_kafka(partitions: dict[str, int], subscriptions: list[set[str]]) -> None:
    topics = [tuple(sorted(s & partitions.keys())) for s in subscriptions]
    members = [Member(number, names, 10, 10) for number, names in enumerate(topics, 1)]
    ours = range_assignment(members, partitions)
    theirs = RangePartitionAssignor.assign(
        _Cluster(partitions), {f"{m.number:04}": RangePartitionAssignor.metadata(m.topics) for m in members}
    )
    for topic, count in partitions.items():
        expected = [NOBODY] * count
        for name, assignment in theirs.items():
            for theirs_topic, numbers in assignment.assignment:
                for partition in numbers if theirs_topic == topic else ():
                    expected[partition] = int(name)
        assert ours[topic] == expected


def test_what_moves_is_released_before_it_is_claimed() -> None:
    topics = {"readings": 4, "alerts": 4}
    group, first = join(Group(), topics, session=10, now=0)
    group = tend(group, first, now=0)
    assert len(group.held(first)) == 8
    group, second = join(group, topics, session=10, now=1)
    group = tend(group, second, now=1)
    assert not group.held(second)
    group = tend(group, first, now=2)
    group = tend(group, second, now=2)
    assert group.held(first) == {(t, p) for t in topics for p in (0, 1)}
    assert group.held(second) == {(t, p) for t in topics for p in (2, 3)}


def test_who_makes_no_progress_is_given_up_and_what_it_commits_is_ignored() -> None:
    group, stalled = join(Group(), {"readings": 2}, session=10, now=0)
    group = commit(tend(group, stalled, now=0), stalled, {("readings", 0): 5}, now=1)
    group, other = join(group, {"readings": 2}, session=10, now=10.9)
    assert tend(group, other, now=11).held(stalled)
    group = tend(group, other, now=11.1)
    assert group.member(stalled) is None
    assert len(group.held(other)) == 2
    group = commit(group, stalled, {("readings", 0): 9}, now=12)
    assert group.offset(("readings", 0)) == 5


def test_who_is_late_but_not_missed_goes_on() -> None:
    group, member = join(Group(), {"readings": 2}, session=10, now=0)
    group = tend(group, member, now=0)
    assert len(tend(group, member, now=500).held(member)) == 2


def test_members_from_before_a_restart_of_the_machine_are_dead() -> None:
    group, old = join(Group(), {"readings": 2}, session=10, now=90_000)
    group = tend(group, old, now=90_000)
    group, new = join(group, {"readings": 2}, session=10, now=30)
    group = tend(group, new, now=30)
    assert group.member(old) is None
    assert len(group.held(new)) == 2


def test_commit_renews_the_lease() -> None:
    group, busy = join(Group(), {"readings": 1}, session=10, now=0)
    group = commit(tend(group, busy, now=0), busy, {}, now=8)
    group, other = join(group, {"readings": 1}, session=10, now=8)
    assert tend(group, other, now=17).member(busy) is not None


def test_unknown_slots_were_never_committed() -> None:
    assert Group().offset(("readings", 3)) == NEVER


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "tend", "wait"]), st.integers(0, 4)), max_size=60))
def test_no_two_hold_one_partition_and_linked_topics_stay_together(steps: list[tuple[str, int]]) -> None:
    topics = {"readings": 6, "alerts": 6}
    group, now, numbers = Group(), 0.0, []
    for what, which in steps:
        if what == "join":
            group, number = join(group, topics, session=10, now=now)
            numbers.append(number)
        elif what == "wait":
            now += which * 2.0
        elif numbers:
            number = numbers[which % len(numbers)]
            if what == "leave":
                group = leave(group, number)
            elif group.member(number):
                group = tend(group, number, now)
        for number in numbers:
            held = group.held(number)
            assert {p for t, p in held if t == "readings"} == {p for t, p in held if t == "alerts"}
        assert {owner for row in group.owners.values() for owner in row} <= {NOBODY} | {m.number for m in group.members}
    living = [m.number for m in group.members]
    for number in [*living, *living]:
        group = tend(group, number, now) if group.member(number) else group
    if group.members:
        for number in living:
            group = tend(group, number, now) if group.member(number) else group
        assert NOBODY not in {owner for row in group.owners.values() for owner in row}


@pytest.mark.parametrize("members", [1, 2, 3, 5, 16, 20])
def test_every_partition_has_exactly_one_owner(members: int) -> None:
    everyone = [Member(number, ("readings",), 10, 10) for number in range(1, members + 1)]
    row = range_assignment(everyone, {"readings": 16})["readings"]
    sizes = [row.count(m.number) for m in everyone]
    assert sum(sizes) == 16
    assert max(sizes) - min(sizes) <= 1
    assert row == sorted(row)
