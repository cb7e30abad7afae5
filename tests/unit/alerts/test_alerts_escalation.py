"""Clocks as values: who is reminded, who comes next, and that it never ends in silence."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.condition import begin
from alerts.escalation import Timer, climbed, reminded, ringing, rings, watch_acknowledgement
from alerts.policy import AlertSettings
from tests.small_estate import START, incident, seen

SETTINGS = AlertSettings()
FIRE = incident(begin(seen("smoke")))


def run(people: int, seconds: float) -> list[tuple[float, str, int]]:
    """Fire every timer at its time, as if nobody ever answered: (seconds, what, rung)."""
    waiting = list(ringing(FIRE, START, SETTINGS))
    done: list[tuple[float, str, int]] = []
    while waiting:
        waiting.sort(key=lambda t: (t.due, t.id))
        timer = waiting.pop(0)
        if timer.due > START + timedelta(seconds=seconds):
            break
        done.append(((timer.due - START).total_seconds(), timer.what, timer.rung))
        after = reminded if timer.what == "remind" else climbed
        waiting += after(timer, FIRE, timer.due, people, SETTINGS)
    return done


def test_thirty_and_sixty_seconds() -> None:
    assert run(3, 185)[:6] == [
        (30.0, "remind", 0),
        (60.0, "next", 1),
        (90.0, "remind", 1),
        (120.0, "next", 2),
        (150.0, "remind", 2),
        (180.0, "next", 3),
    ]


def test_past_the_last_person_reminders_go_on() -> None:
    late = [entry for entry in run(1, 3600) if entry[0] > 60]
    assert late[0] == (360.0, "remind", 1)
    assert len(late) == 11
    assert {what for _, what, _ in late} == {"remind"}


@given(st.integers(1, 8), st.integers(61, 4000))
def test_there_is_never_a_longer_silence_than_five_steps(people: int, seconds: int) -> None:
    times = [0.0, *(at for at, _, _ in run(people, seconds))]
    assert seconds - times[-1] <= 5 * SETTINGS.next_person_after
    assert all(b - a <= 5 * SETTINGS.next_person_after for a, b in pairwise(times))


@pytest.mark.parametrize(
    ("state", "priority", "expected"),
    [("new", 1, True), ("new", 2, True), ("new", 3, False), ("acknowledged", 1, False), ("closed", 1, False)],
)
def test_only_what_is_urgent_and_nobodys_rings(state: str, priority: int, expected: bool) -> None:
    one = incident(begin(seen("smoke")), state=state, priority=priority)
    assert rings(one) is expected
    assert bool(ringing(one, START, SETTINGS)) is expected


def test_ids_are_the_same_again_and_differ_by_round() -> None:
    later = START + timedelta(seconds=9)
    second = incident(begin(seen("smoke")), version=7)

    def ids(timers: tuple[Timer, ...]) -> set[str]:
        return {timer.id for timer in timers}

    assert ids(ringing(FIRE, START, SETTINGS)) == ids(ringing(FIRE, later, SETTINGS))
    assert not ids(ringing(FIRE, START, SETTINGS)) & ids(ringing(second, START, SETTINGS))


def test_an_acknowledgement_is_watched() -> None:
    due: datetime = watch_acknowledgement(FIRE, START, SETTINGS).due
    assert due == START + timedelta(minutes=10)
