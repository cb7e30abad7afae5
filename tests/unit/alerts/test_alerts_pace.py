"""Twenty a minute, and five of them only for what is urgent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.pace import MINUTE, RESERVE, Pace


def test_the_reserve_is_for_urgent_ones() -> None:
    pace = Pace(20)
    for number in range(15):
        assert pace.wait(number, urgent=False) == 0
        pace.sent(number)
    assert pace.wait(15, urgent=False) == MINUTE - 15
    for number in range(15, 20):
        assert pace.wait(number, urgent=True) == 0
        pace.sent(number)
    assert pace.wait(20, urgent=True) == MINUTE - 20
    assert pace.wait(MINUTE, urgent=True) == 0


def test_when_the_far_side_says_too_fast_all_wait() -> None:
    pace = Pace(20)
    pace.too_fast(100, 20)
    assert pace.wait(101, urgent=True) == 19
    pace.too_fast(101, 0)
    assert pace.wait(101, urgent=True) == 19, "a shorter wait does not undo a longer one"


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=120))
def test_no_minute_ever_has_more_than_is_allowed(steps: list[tuple[float, bool]]) -> None:
    pace, now, sent = Pace(20), 0.0, list[float]()
    for gap, urgent in steps:
        now += gap
        if pace.wait(now, urgent) <= 0:
            pace.sent(now)
            sent.append(now)
        assert len([s for s in sent if s > now - MINUTE]) <= 20
    assert RESERVE < 20


@given(st.lists(st.booleans(), max_size=60))
def test_after_the_wait_it_may_go(kinds: list[bool]) -> None:
    pace, now = Pace(20), 0.0
    for urgent in kinds:
        now += pace.wait(now, urgent)
        assert pace.wait(now, urgent) <= 1e-6
        pace.sent(now)
