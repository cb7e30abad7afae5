"""Flames, rises and hot spots are told at their time; people, cars, glints and the camera's own shutter are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.decision import Decision
from detectors.thermal_fire import ThermalFire, ThermalSettings, decide
from hub.errors import MessageError
from hub.model import Candidate, ThermalFrame, utc

START = 1_700_000_000.0
ROWS, COLUMNS, RATE = 60, 80, 4.0
Scene = Callable[[float, np.ndarray], None]


def frame(celsius: np.ndarray, t: float, **other: Any) -> ThermalFrame:
    raw = np.round((celsius + 273.15) / 0.04).astype("<u2")
    values: dict[str, Any] = {
        "camera": "cuihu/thermal",
        "site": "cuihu",
        "at": utc(START + t),
        "clock": "device",
        "arrived_at": utc(START + t),
        "width": celsius.shape[1],
        "height": celsius.shape[0],
        "scale": 0.04,
        "offset": -273.15,
        "range_low": -20.0,
        "range_high": 550.0,
        "raw": raw.tobytes(),
    }
    return ThermalFrame(**(values | other))


def shots(scene: Scene, seconds: float, rate: float = RATE, begin: float = 0.0, **other: Any) -> Iterable[ThermalFrame]:
    rng = np.random.default_rng(3)
    for index in range(round(seconds * rate)):
        t = begin + index / rate
        picture = 18.0 + rng.normal(0, 0.05, (ROWS, COLUMNS))
        scene(t, picture)
        yield frame(picture, t, **other)


def spot(temperature: float, size: int = 5, x: int = 40, y: int = 30) -> Scene:
    def draw(t: float, picture: np.ndarray) -> None:
        picture[y : y + size, x : x + size] = temperature

    return draw


def run(detector: ThermalFire, frames: Iterable[ThermalFrame]) -> list[tuple[float, Candidate, Decision]]:
    return [
        (one.at.timestamp() - START, candidate, decide(candidate, detector.settings))
        for one in frames
        for candidate in detector.observe(one)
    ]


def watcher(settings: ThermalSettings | None = None) -> ThermalFire:
    return ThermalFire("cuihu/thermal", "cuihu/b3", settings or ThermalSettings())


def told(found: list[tuple[float, Candidate, Decision]]) -> list[tuple[str, str]]:
    return [(decision.status, decision.level) for _, _, decision in found]


def test_flames_are_fire_after_three_seconds() -> None:
    found = run(watcher(), shots(spot(320.0, 3), 8.0))
    assert told(found) == [("alarm", "fire")]
    assert found[0][0] == pytest.approx(3.0, abs=0.3)
    assert found[0][2].rule == "flame"


def test_a_slow_camera_finds_flames_too() -> None:
    found = run(watcher(), shots(spot(320.0, 3), 15.0, rate=1 / 3))
    assert told(found) == [("alarm", "fire")]
    assert found[0][0] <= 5.0


def test_pixels_at_the_sensors_limit_are_hot_wherever_that_is() -> None:
    found = run(watcher(), shots(spot(140.0, 3), 6.0, range_high=140.0))
    assert told(found) == [("alarm", "fire")]
    assert "limit" in found[0][2].reason


def test_a_glint_is_no_fire() -> None:
    def glint(t: float, picture: np.ndarray) -> None:
        if 2.0 <= t < 4.0 or 9.0 <= t < 10.0:
            picture[10:13, 10:13] = 260.0

    assert not run(watcher(), shots(glint, 20.0))


def test_flicker_is_still_fire() -> None:
    def flicker(t: float, picture: np.ndarray) -> None:
        if round(t * RATE) % 4:
            picture[30:34, 40 : 43 + round(t * RATE) % 3] = 250.0

    assert ("alarm", "fire") in told(run(watcher(), shots(flicker, 8.0)))


def test_a_steady_rise_warns_early_and_a_steep_one_is_fire() -> None:
    def slow(t: float, picture: np.ndarray) -> None:
        picture[30:36, 40:46] = 50.0 + t / 60 * 12

    def steep(t: float, picture: np.ndarray) -> None:
        picture[30:36, 40:46] = 50.0 + t / 60 * 60

    found = run(watcher(), shots(slow, 110.0))
    assert told(found)[0] == ("alarm", "pre_alarm")
    assert found[0][2].rule == "rise"
    found = run(watcher(), shots(steep, 60.0))
    assert ("alarm", "fire") in told(found)
    assert next(t for t, _, d in found if d.level == "fire") < 40.0


def test_a_hot_spot_that_stays_warns_after_twenty_seconds_and_sooner_with_smoke() -> None:
    found = run(watcher(), shots(spot(88.0), 30.0))
    assert told(found) == [("alarm", "pre_alarm")]
    assert found[0][0] == pytest.approx(20.0, abs=0.5)
    quick = watcher()
    quick.hint("cuihu/b3/u1/9", "smoke", START - 30)
    assert run(quick, shots(spot(88.0), 30.0))[0][0] == pytest.approx(5.0, abs=0.5)
    late = watcher()
    late.hint("cuihu/b3/u1/9", "smoke", START - 300)
    assert run(late, shots(spot(88.0), 30.0))[0][0] == pytest.approx(20.0, abs=0.5)


def test_growth_makes_a_warning_a_fire() -> None:
    def growing(t: float, picture: np.ndarray) -> None:
        size = 4 + round(t / 8)
        picture[20 : 20 + size, 30 : 30 + size] = 90.0

    found = told(run(watcher(), shots(growing, 50.0)))
    assert found[-1] == ("alarm", "fire")


def test_it_ends_when_it_has_been_over_for_a_while_and_is_told_anew_when_it_comes_back() -> None:
    def fire(t: float, picture: np.ndarray) -> None:
        if t < 6.0 or t > 30.0:
            picture[30:33, 40:43] = 300.0

    found = run(watcher(), shots(fire, 40.0))
    assert told(found) == [("alarm", "fire"), ("clear", "notice"), ("alarm", "fire")]
    assert 15.0 < found[1][0] < 17.5
    assert len({c.claim.words["condition"] for _, c, _ in found}) == 1


def test_people_cars_and_cooling_engines_are_nothing() -> None:
    def person(t: float, picture: np.ndarray) -> None:
        x = round(t * 3) % 60
        picture[20:40, x : x + 8] = 33.0

    def car(t: float, picture: np.ndarray) -> None:
        x = round(t * 8) % 70
        picture[40:46, x : x + 6] = 95.0

    def parked(t: float, picture: np.ndarray) -> None:
        picture[40:46, 20:26] = 98.0 - t / 60 * 6

    assert not run(watcher(), shots(person, 30.0))
    assert not run(watcher(), shots(car, 30.0))
    assert not run(watcher(), shots(parked, 19.0))


def test_the_shutter_is_no_rise() -> None:
    def shutter(t: float, picture: np.ndarray) -> None:
        picture[30:36, 40:46] = 62.0
        picture += 3.0 if t >= 20 else 0.0

    assert not run(watcher(), shots(shutter, 40.0))


def test_a_zone_with_its_own_limit_is_quiet_below_it_until_its_last_day() -> None:
    zone = {"polygon": [[30, 20], [60, 20], [60, 45], [30, 45]], "limit": "250 °C", "why": "flue"}
    limited = ThermalSettings.model_validate({"zones": {"flue": zone}})
    assert not run(watcher(limited), shots(spot(188.0), 30.0))
    found = run(watcher(limited), shots(spot(300.0), 8.0))
    assert found[0][1].claim.words["zone"] == "flue"
    over = ThermalSettings.model_validate({"zones": {"flue": {**zone, "until": "2020-01-01"}}})
    assert run(watcher(over), shots(spot(188.0), 8.0))


def test_without_temperatures_nothing_is_fire() -> None:
    def bright(t: float, picture: np.ndarray) -> None:
        size = 3 + round(t / 2) + round(t * RATE) % 4
        picture[20 : 20 + size, 30 : 30 + size] = 240.0

    found = run(watcher(), shots(bright, 40.0, radiometric=False))
    assert {status for status, _ in told(found)} <= {"suspected"}
    assert not run(watcher(), shots(lambda t, p: None, 20.0, radiometric=False))


def test_a_doubtful_scale_is_told_once_and_flames_stay_armed() -> None:
    def wrong(t: float, picture: np.ndarray) -> None:
        picture -= 120.0
        if t > 5:
            picture[30:33, 40:43] = 300.0

    found = run(watcher(), shots(wrong, 12.0))
    assert [d.rule for _, _, d in found] == ["scale_doubtful", "flame"]


def test_a_condition_that_is_on_survives_a_restart_and_ends() -> None:
    detector = watcher()
    run(detector, shots(spot(300.0), 5.0))
    other = watcher()
    other.restore(detector.snapshot())
    found = run(other, shots(lambda t, p: None, 15.0, begin=6.0))
    assert told(found) == [("clear", "notice")]


def test_settings_change_in_the_middle_and_the_clock_goes_on() -> None:
    detector = watcher()
    found = run(detector, shots(spot(88.0), 15.0))
    detector.use(ThermalSettings.model_validate({"release": "12 s"}), 2)
    found += run(detector, shots(spot(88.0), 8.0, begin=15.0))
    assert told(found) == [("alarm", "pre_alarm")]
    assert found[0][0] == pytest.approx(20.0, abs=0.5)
    assert found[0][1].revision == 2


def test_late_and_broken_frames() -> None:
    detector = watcher()
    run(detector, shots(spot(300.0), 1.0))
    assert not list(detector.observe(frame(np.full((ROWS, COLUMNS), 20.0), -5.0)))
    with pytest.raises(MessageError):
        list(detector.observe(frame(np.full((4, 4), 20.0), 9.0, width=5)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), hot=st.floats(20.0, 600.0), pixels=st.integers(0, 60))
def test_any_picture_is_survived_and_every_decision_can_be_made_again(seed: int, hot: float, pixels: int) -> None:
    rng = np.random.default_rng(seed)

    def noise(t: float, picture: np.ndarray) -> None:
        picture += rng.normal(0, 5, picture.shape)
        rows, columns = rng.integers(0, ROWS, pixels), rng.integers(0, COLUMNS, pixels)
        picture[rows, columns] = hot

    detector = watcher()
    for _, candidate, decision in run(detector, shots(noise, 6.0)):
        assert decide(candidate, detector.settings) == decision
