"""Passwords may be tried a few times, and then ever more slowly."""

from __future__ import annotations

from control_room.attempts import FIRST_PAUSE, FORGET_AFTER, FREE, LONGEST_PAUSE, MOST_KEYS, Attempts


def failed(attempts: Attempts, key: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        attempts.failed(key, now)


def test_the_first_failures_cost_nothing() -> None:
    attempts = Attempts()
    failed(attempts, "admin", FREE - 1)
    assert attempts.pause("admin", 0.0) == 0.0


def test_then_each_costs_twice_as_much_up_to_a_limit() -> None:
    attempts = Attempts()
    failed(attempts, "admin", FREE)
    assert attempts.pause("admin", 0.0) == FIRST_PAUSE
    assert attempts.pause("admin", FIRST_PAUSE - 1) == 1.0
    assert attempts.pause("admin", FIRST_PAUSE) == 0.0
    failed(attempts, "admin", 1)
    assert attempts.pause("admin", 0.0) == 2 * FIRST_PAUSE
    failed(attempts, "admin", 500)
    assert attempts.pause("admin", 0.0) == LONGEST_PAUSE


def test_others_are_not_kept_waiting() -> None:
    attempts = Attempts()
    failed(attempts, "admin", 50)
    assert attempts.pause("li", 0.0) == 0.0


def test_success_and_time_forgive() -> None:
    attempts = Attempts()
    failed(attempts, "admin", 9)
    attempts.succeeded("admin")
    assert attempts.pause("admin", 0.0) == 0.0
    failed(attempts, "admin", 9)
    failed(attempts, "admin", 1, now=FORGET_AFTER + 1)
    assert attempts.pause("admin", FORGET_AFTER + 1) == 0.0


def test_a_million_names_do_not_fill_the_memory() -> None:
    attempts = Attempts()
    for n in range(MOST_KEYS + 100):
        attempts.failed(f"name-{n}", 0.0)
    assert len(attempts._failures) == MOST_KEYS
