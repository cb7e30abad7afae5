"""The score: who is found, what is false, and what a bound is worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.evaluation.labels import Label, read_labels
from app.evaluation.score import Report, percentile, poisson_upper, score
from hub.errors import ConfigError


def report(start: float, end: float, status: str = "alarm", **other: object) -> Report:
    values: dict[str, object] = {"start": start, "end": end, "told": end, "status": status, "confidence": 0.9} | other
    return Report(**values)  # type: ignore[arg-type]  # the tests name the fields themselves


def label(*truths: Mapping[str, object], **other: object) -> Label:
    return Label.model_validate({"file": "x", "truth": truths, **other})


FALL = {"start": 7.64, "end": 8.71}


def test_a_fall_is_found_once_and_a_second_match_is_false() -> None:
    result = score([report(7.0, 8.4), report(7.6, 8.7)], label(FALL), until_end=True)
    assert (result.truths, result.found, result.false_alarms) == (1, 1, 1)
    assert result.delays[0] == pytest.approx(8.4 - 7.64)


@pytest.mark.parametrize("span", [(6.5, 8.4), (7.7, 9.8)], ids=["begins too early", "ends too late"])
def test_what_does_not_match_is_false(span: tuple[float, float]) -> None:
    result = score([report(*span)], label(FALL), until_end=True)
    assert (result.found, result.false_alarms) == (0, 1)


def test_suspected_is_never_false_and_finds_only_where_that_is_enough() -> None:
    assert score([report(7.6, 8.7, "suspected")], label(FALL), until_end=True).found == 0
    enough = label({**FALL, "found_by": "suspected"})
    result = score([report(7.6, 8.7, "suspected"), report(1, 2, "suspected")], enough, until_end=True)
    assert (result.found, result.false_alarms, result.suspected) == (1, 0, 1)


def test_the_level_counts_and_may_be_tolerated() -> None:
    fire = label({"start": 0, "level": "fire"})
    assert score([report(0, 5, level="fire")], fire, until_end=False).found == 1
    early = score([report(0, 5, level="pre_alarm")], fire, until_end=False)
    assert (early.found, early.false_alarms) == (0, 1)
    tolerant = label(tolerate=["pre_alarm"])
    assert score([report(0, 5, level="pre_alarm")], tolerant, until_end=False).false_alarms == 0
    assert score([report(0, 5, level="fire")], tolerant, until_end=False).false_alarms == 1


def test_later_alarms_of_a_fire_found_are_neither_and_one_before_ignition_is_false() -> None:
    reports = [report(-20, -20), report(30, 30), report(90, 90)]
    result = score(reports, label({"start": 0}), until_end=False, one_fire=True)
    assert (result.found, result.false_alarms) == (1, 1)


@pytest.mark.parametrize(("count", "bound"), [(0, 2.9957), (1, 4.7439), (2, 6.2958), (3, 7.7537), (10, 16.9622)])
def test_the_poisson_bound_is_exact(count: int, bound: float) -> None:
    assert poisson_upper(count) == pytest.approx(bound, abs=2e-4)


def test_a_negative_count_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        poisson_upper(-1)


def test_percentiles() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5


def test_labels_are_spread_and_their_mistakes_listed(tmp_path: Path) -> None:
    for name in ("a_1.csv", "a_2.csv", "b.csv"):
        (tmp_path / name).write_text("Time\n")
    labels = tmp_path / "labels.yaml"
    labels.write_text(
        "sensors:\n"
        "  - {file: 'a_*.csv', time_column: Time, truth: [{start: 0}], remark: a note}\n"
        "  - {file: 'a_*.csv', sequence: true}\n"
        "  - {file: b.csv}\n"
    )
    clips = read_labels(labels, tmp_path)["sensors"]
    assert [clip.name for clip in clips] == ["a_1.csv", "a_2.csv", "a_*.csv", "b.csv"]
    assert len(clips[2].files) == 2
    labels.write_text("sensors:\n  - {file: c.csv}\n  - {file: b.csv, truth: [{start: soon}]}\n")
    with pytest.raises(ConfigError) as caught:
        read_labels(labels, tmp_path)
    assert len(caught.value.mistakes) == 2
    labels.write_text("sensors: [\n")
    with pytest.raises(ConfigError):
        read_labels(labels, tmp_path)
