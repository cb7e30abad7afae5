"""What falls is told once, with its floor; what flies, sways or merely moves is not."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from detectors.decision import Decision
from detectors.detection import detection
from detectors.falling.origin import Geometry
from detectors.falling_object import FallingObject, FallingSettings, decide
from hub.model import Candidate
from hub.picture import Picture
from tests.unit.detectors.drawn import (
    FLOOR,
    GEOMETRY,
    HEIGHT,
    START,
    WIDTH,
    column,
    falling,
    film,
    gliding,
    row,
    shown,
)

SETTINGS = FallingSettings()


def watcher(geometry: Geometry | None = GEOMETRY, settings: FallingSettings = SETTINGS) -> FallingObject:
    return FallingObject("cuihu/cam", "cuihu/b3", settings, geometry, revision=7)


def decided(detector: FallingObject, pictures: Iterable[Picture]) -> list[tuple[Candidate, Decision]]:
    return [(c, decide(c, detector.settings)) for p in pictures for c in detector.observe(p)]


def alarms(found: list[tuple[Candidate, Decision]]) -> list[tuple[Candidate, Decision]]:
    return [one for one in found if one[1].status == "alarm"]


def test_a_fall_is_one_condition_with_its_floor_and_gravity() -> None:
    found = alarms(decided(watcher(), film([falling(3.0, 7 * FLOOR + 1.2)], 6.0)))
    assert {c.claim.words["condition"] for c, _ in found}.__len__() == 1
    first, last = found[0], found[-1]
    assert first[0].at.timestamp() - START - 3.0 < 1.5
    features = last[0].claim.features
    assert features["origin_floor"] == pytest.approx(8.4, abs=0.6)
    assert features["origin_low"] <= 8.4 <= features["origin_high"]
    assert features["gravity"] == pytest.approx(9.0, abs=1.5)
    assert last[0].revision == 7
    assert "floors" in last[1].reason


def test_a_camera_without_calibration_sees_it_too_and_says_that_it_guessed() -> None:
    found = alarms(decided(watcher(None), film([falling(3.0, 22.0, side=0.0)], 6.0)))
    assert found
    assert "not calibrated" in found[0][1].reason
    assert "origin_floor" not in found[0][0].claim.features


def test_two_falls_are_two() -> None:
    found = alarms(decided(watcher(), film([falling(3.0, 22.0), falling(3.9, 22.0, side=1.2)], 7.0)))
    assert len({c.claim.words["condition"] for c, _ in found}) == 2


def test_a_reflection_is_the_same_fall() -> None:
    mirrored = falling(2.85, 22.0, side=2.2)
    found = alarms(decided(watcher(), film([falling(3.0, 22.0), mirrored], 6.0)))
    assert len({c.claim.words["condition"] for c, _ in found}) == 1


@pytest.mark.parametrize(
    "mover",
    [
        gliding(3.0, 2.0, (100, 60), (420, 250)),
        gliding(3.0, 1.5, (300, 300), (310, 40)),
        gliding(3.0, 3.0, (320, 20), (325, 200)),
    ],
    ids=["a bird", "something that rises", "something that sinks evenly"],
)
def test_what_does_not_accelerate_is_no_fall(mover: object) -> None:
    assert not alarms(decided(watcher(), film([mover], 7.0)))  # type: ignore[list-item]  # ids need plain objects


def test_leaves_are_no_fall_and_do_not_hide_one() -> None:
    assert not alarms(decided(watcher(), film([], 8.0, sway=True)))
    assert alarms(decided(watcher(), film([falling(4.0, 22.0)], 7.0, sway=True)))


def test_repeated_pictures_do_not_hide_a_fall() -> None:
    twice = []
    for index, picture in enumerate(film([falling(3.0, 22.0)], 6.0)):
        twice.append(picture)
        if index % 3 == 2:
            twice.append(msgspec.structs.replace(picture, at=picture.at + 0.015))
    assert alarms(decided(watcher(), twice))


def test_nothing_is_compared_across_a_new_session_or_size() -> None:
    detector = watcher()
    parts = [*film([falling(3.0, 22.0)], 3.5), *film([falling(3.0, 22.0)], 3.0, begin=3.5, session="two")]
    found = decided(detector, parts)
    assert all(c.claim.end.timestamp() >= START + 3.5 for c, _ in alarms(found))
    half = [shown(p.luma[::2, ::2].copy(), p.at - START + 10, "three") for p in film([], 1.0)]
    assert not decided(detector, half)


def test_the_decision_is_made_from_the_candidate_alone() -> None:
    found = decided(watcher(), film([falling(3.0, 22.0)], 6.0))
    for candidate, decision in found:
        stored = msgspec.json.decode(msgspec.json.encode(candidate), type=Candidate)
        assert decide(stored, SETTINGS) == decision
    last = alarms(found)[-1][0]
    assert decide(last, SETTINGS.model_copy(update={"drop": 15.0})).status == "rejected"
    assert decide(last, SETTINGS.model_copy(update={"points": 60})).rule in ("points", "nearly:points")


def test_settings_change_in_the_middle_of_a_fall() -> None:
    detector = watcher()
    found: list[tuple[Candidate, Decision]] = []
    for picture in film([falling(3.0, 22.0)], 6.0):
        if 3.5 <= picture.at - START < 3.54:
            detector.use(SETTINGS.model_copy(update={"span": 0.1}), 8)
        found += decided(detector, [picture])
    assert alarms(found)
    assert alarms(found)[0][0].revision == 8


def test_a_mask_hides_what_is_in_it_until_its_last_day() -> None:
    hidden = {"all": {"polygon": [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], "why": "test"}}
    assert not decided(watcher(settings=FallingSettings.model_validate({"masks": hidden})), film([falling(3, 22)], 6))
    hidden["all"]["until"] = "2020-01-01"
    found = decided(watcher(settings=FallingSettings.model_validate({"masks": hidden})), film([falling(3, 22)], 6))
    assert alarms(found)


def test_what_was_learned_survives_a_restart() -> None:
    detector = watcher()
    decided(detector, film([], 5.0, sway=True))
    other = watcher()
    other.restore(detector.snapshot())
    found = decided(other, film([falling(7.0, 22.0)], 4.0, begin=5.5, sway=True))
    assert alarms(found)
    assert len(detector.snapshot()) < 20_000
    watcher().restore(b"")


def test_a_fall_outside_the_facade_is_none() -> None:
    geometry = msgspec.structs.replace(GEOMETRY, facade=((0.0, 0.0), (150.0, 0.0), (150.0, 360.0), (0.0, 360.0)))
    assert not alarms(decided(watcher(geometry), film([falling(3.0, 22.0, side=2.0)], 6.0)))


def test_coverage_tells_the_cold_start_and_gaps() -> None:
    detector = watcher()
    decided(detector, [*film([], 4.0), *film([], 2.0, begin=9.0)])
    coverage = detector.coverage
    assert coverage.seconds == pytest.approx(11.0, abs=0.2)
    assert coverage.uncovered == pytest.approx(SETTINGS.cold_start + 5.0, abs=0.3)


def test_a_detection_carries_the_path_and_the_same_claim_has_the_same_id() -> None:
    pictures = list(film([falling(3.0, 22.0)], 6.0))
    one, two = (alarms(decided(watcher(), pictures))[-1] for _ in range(2))
    first, second = detection(*one), detection(*two)
    assert first.id == second.id
    assert first.kind == "falling_object"
    assert len(first.path) >= SETTINGS.points
    spot = first.path[-1]
    assert abs(spot.x - column(1.2, 0)) < 30
    assert spot.y < row(0) + 5
