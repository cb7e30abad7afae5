"""Who of a group reads which partitions, and how far the group has come: values only, no clock, no file.

A member's target is what Kafka's range assignor gives it, so that partition n of topics with one partition count is
with one member. What moves is first released by its holder (in its next take) or by the end of its lease, and only
then claimed by the other: at no time do two members hold one partition.

Times are seconds of a monotonic clock that all members share (on one machine it is the same for every process).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

Slot = tuple[str, int]
"""(topic name, partition)"""

NOBODY = 0
NEVER = -1
"""The committed offset of a partition of which the group never committed anything."""


class Member(msgspec.Struct, frozen=True):
    """One subscription. It is dead when `deadline` passed without progress, `session` seconds after the last.

    `holder` names its process, where that can be asked for ("" where not): one that is gone is dead at once.
    """

    number: int
    topics: tuple[str, ...]
    session: float
    deadline: float
    holder: str = ""

    def alive(self, now: float) -> bool:
        """A deadline further away than a session was set before the machine started anew: its clock began at 0."""
        return now <= self.deadline <= now + self.session


class Group(msgspec.Struct, frozen=True):
    """All that is known of a group. `owners` and `committed` have one entry per partition of a topic."""

    generation: int = 0
    joined: int = 0
    members: tuple[Member, ...] = ()
    owners: Mapping[str, Sequence[int]] = {}
    committed: Mapping[str, Sequence[int]] = {}

    def member(self, number: int) -> Member | None:
        """The member, or None when its lease ended and others took note."""
        return next((m for m in self.members if m.number == number), None)

    def held(self, number: int) -> frozenset[Slot]:
        """What this member holds now."""
        return frozenset(
            (topic, p) for topic, row in self.owners.items() for p, owner in enumerate(row) if owner == number
        )

    def offset(self, slot: Slot) -> int:
        """The committed offset of a partition, or NEVER."""
        topic, partition = slot
        row = self.committed.get(topic, ())
        return row[partition] if partition < len(row) else NEVER


def range_assignment(members: Iterable[Member], partitions: Mapping[str, int]) -> dict[str, list[int]]:
    """The member number for each partition: per topic contiguous ranges, the first members one more if it must be."""
    everyone = sorted(members, key=lambda m: m.number)
    plan: dict[str, list[int]] = {}
    for topic, count in partitions.items():
        readers = [m.number for m in everyone if topic in m.topics]
        each, rest = divmod(count, len(readers)) if readers else (0, 0)
        plan[topic] = [number for i, number in enumerate(readers) for _ in range(each + (i < rest))] or [NOBODY] * count
    return plan


def join(group: Group, topics: Mapping[str, int], session: float, now: float, holder: str = "") -> tuple[Group, int]:
    """The group with a new member, and its number. `topics` says how many partitions each has."""
    number = group.joined + 1
    joined = msgspec.structs.replace(
        group,
        generation=group.generation + 1,
        joined=number,
        members=(*group.members, Member(number, tuple(topics), session, now + session, holder)),
        owners={**{t: [NOBODY] * n for t, n in topics.items()}, **group.owners},
        committed={**{t: [NEVER] * n for t, n in topics.items()}, **group.committed},
    )
    return joined, number


def leave(group: Group, number: int) -> Group:
    """The group without this member; what it held is free."""
    return _without(group, {number}) if group.member(number) else group


def _all_there(_holder: str) -> bool:
    return False


def tend(group: Group, number: int, now: float, gone: Callable[[str], bool] = _all_there) -> Group:
    """The group after this member made progress: its lease renewed, the dead gone, its own partitions put right.

    A member whose own deadline has passed but whom nobody missed goes on. `gone` says whether a holder is dead.
    """
    dead = {m.number for m in group.members if m.number != number and (not m.alive(now) or gone(m.holder))}
    group = _renewed(_without(group, dead) if dead else group, number, now)
    plan = range_assignment(group.members, {topic: len(row) for topic, row in group.owners.items()})
    owners = {
        topic: [_owner(owner, plan[topic][p], number) for p, owner in enumerate(row)]
        for topic, row in group.owners.items()
    }
    if all(list(group.owners[topic]) == row for topic, row in owners.items()):
        return group
    return msgspec.structs.replace(group, owners=owners, generation=group.generation + 1)


def _owner(owner: int, planned: int, number: int) -> int:
    # A member changes only its own part: it lets go of what is another's, and takes what is its own and free.
    if owner == number and planned != number:
        return NOBODY
    return number if owner == NOBODY and planned == number else owner


def commit(group: Group, number: int, offsets: Mapping[Slot, int], now: float) -> Group:
    """The group with these committed offsets, as far as the member still holds the partitions."""
    if group.member(number) is None:
        return group
    held = group.held(number)
    rows = {topic: list(row) for topic, row in group.committed.items()}
    for slot, offset in offsets.items():
        if slot in held:
            rows[slot[0]][slot[1]] = offset
    return msgspec.structs.replace(_renewed(group, number, now), committed=rows)


def _renewed(group: Group, number: int, now: float) -> Group:
    members = tuple(
        msgspec.structs.replace(m, deadline=now + m.session) if m.number == number else m for m in group.members
    )
    return msgspec.structs.replace(group, members=members)


def _without(group: Group, numbers: set[int]) -> Group:
    return msgspec.structs.replace(
        group,
        generation=group.generation + 1,
        members=tuple(m for m in group.members if m.number not in numbers),
        owners={t: [NOBODY if owner in numbers else owner for owner in row] for t, row in group.owners.items()},
    )
