"""Layers of thresholds: who wins, where a value came from, and what a bad merge points at."""

from __future__ import annotations

import pytest

from hub.errors import ConfigError
from hub.settings.tuning import Tuning
from tests.unit.hub.small_city import DEFAULTS, SECTIONS, Alerts, Thermal, checked, only, where

HIGH = "thermal:\n  count: 7\n  rules:\n    fixed: {hold: 30 s}\n"
SMOKE = "alerts: {again: 10 s}\n"
TUNED = """\
site: cuihu
like: [high]
thermal:
  rules:
    fixed: {at: 90 °C}
buildings:
  b3:
    thermal: {share: 70 %}
devices:
  thermal-b3:
    thermal:
      outline: [[0, 0], [1, 1]]
      rules:
        fixed: {at: 95 °C}
        flue: {at: 250 °C}
"""


def tuned(text: str = TUNED, defaults: str = DEFAULTS) -> Tuning:
    found = checked(
        tuning__sites__cuihu=text, tuning__presets__high=HIGH, tuning__presets__smoke=SMOKE, tuning__defaults=defaults
    )
    assert found.mistakes == (), "\n".join(map(str, found.mistakes))
    return found.tuning


def test_the_narrowest_layer_wins_and_maps_merge() -> None:
    thermal = tuned().of("thermal", Thermal, "cuihu/thermal-b3")
    assert thermal.rules["fixed"].at == 95.0
    assert thermal.rules["fixed"].hold == 30.0
    assert thermal.rules["flue"].at == 250.0
    assert thermal.share == pytest.approx(0.7)
    assert thermal.count == 7


@pytest.mark.parametrize(
    ("device", "kind", "place", "at", "hold", "share"),
    [
        ("", "", "", 80.0, 20.0, 0.5),
        ("elsewhere/x", "", "", 80.0, 20.0, 0.5),
        ("cuihu/never-registered", "", "", 90.0, 30.0, 0.5),
        ("cuihu/never-registered", "", "cuihu/b3/u1/3", 90.0, 30.0, 0.7),
        ("cuihu/cam-b3", "", "", 90.0, 30.0, 0.7),
        ("", "", "cuihu", 90.0, 30.0, 0.5),
    ],
)
def test_what_holds_where(device: str, kind: str, place: str, at: float, hold: float, share: float) -> None:
    thermal = tuned().of("thermal", Thermal, device, kind, place)
    rule = thermal.rules["fixed"]
    assert (rule.at, rule.hold) == (at, hold)
    assert thermal.share == pytest.approx(share)


def test_a_preset_named_like_a_kind_holds_for_that_kind() -> None:
    assert tuned().of("alerts", Alerts, "cuihu/smoke-b3-12").again == 10.0
    assert tuned().of("alerts", Alerts, "nowhere/x", kind="smoke").again == 10.0
    assert tuned().of("alerts", Alerts, "cuihu/door-b1").again == 30.0


def test_lists_replace() -> None:
    tuning = tuned(TUNED, DEFAULTS + "  outline: [[1, 1], [2, 2], [3, 3]]\n")
    assert tuning.of("thermal", Thermal, "cuihu/thermal-b3").outline == ((0.0, 0.0), (1.0, 1.0))


def test_equal_layers_are_loaded_once() -> None:
    tuning = tuned()
    assert tuning.of("thermal", Thermal, "cuihu/door-b1") is tuning.of("thermal", Thermal, "cuihu/other")


def test_explains_where_a_value_came_from() -> None:
    tuning = tuned()
    origin = tuning.explain("thermal", "rules.fixed.at", Thermal, "cuihu/thermal-b3")
    assert (
        str(origin)
        == "95 °C   tuning/sites/cuihu.yaml:14 ← 90 °C tuning/sites/cuihu.yaml:5 ← 80 °C tuning/defaults.yaml:3"
    )
    built_in = tuning.explain("thermal", "colour", Thermal)
    assert str(built_in) == "white-hot   built-in"
    assert tuning.explain("thermal", "nonsense", Thermal) is None


@pytest.mark.parametrize(
    ("old", "new", "problem", "at"),
    [
        ("at: 95 °C", "at: 95", "95 has no unit", "95"),
        ("at: 95 °C", "at: 9500 °C", "at most 400 °C", "9500"),
        ("share: 70 %", "share: 170 %", "at most 100 %", "170 %"),
        ("share: 70 %", "shore: 70 %", "unknown key 'shore'", "shore"),
        ("fixed: {at: 90 °C}", "fixed: {at: 90 °F}", "is no unit that fits", "90 °F"),
        ("like: [high]", "like: [hihg]", "no preset 'hihg'", "hihg"),
        ("  b3:\n", "  b9:\n", "no building 'b9'", "b9:"),
        ("  thermal-b3:\n", "  thermal-b9:\n", "no device 'thermal-b9'", "thermal-b9"),
        ("site: cuihu", "site: jinxiu", "the file is named cuihu.yaml", "jinxiu"),
        ("thermal:\n  rules", "thermals:\n  rules", "unknown key 'thermals'", "thermals"),
    ],
)
def test_points_at_the_leaf_to_mend(old: str, new: str, problem: str, at: str) -> None:
    text = TUNED.replace(old, new, 1)
    found = checked(tuning__sites__cuihu=text, tuning__presets__high=HIGH)
    mistake = only(found)
    assert problem in mistake.problem
    assert (mistake.file, mistake.line, mistake.column) == ("tuning/sites/cuihu.yaml", *where(text, at))


def test_a_merge_that_yields_nonsense_points_at_the_layer_that_did_it() -> None:
    # 250 °C with the preset's 30 s is fine; with a site's 90 s it is not.
    text = TUNED.replace("fixed: {at: 90 °C}", "fixed: {at: 90 °C}\n    flue: {hold: 90 s}").replace("250", "350")
    mistake = only(checked(tuning__sites__cuihu=text, tuning__presets__high=HIGH))
    assert mistake.problem == "too long for such heat"
    assert mistake.remedy == "write '60 s' or less"
    assert (mistake.line, mistake.column) == where(text, "90 s")


def test_a_preset_nobody_uses_is_checked_too() -> None:
    found = checked(tuning__presets__spare="thermal: {count: none}\n")
    assert (only(found).file, only(found).line, only(found).column) == ("tuning/presets/spare.yaml", 1, 18)


def test_a_mistake_in_the_defaults_is_told_once() -> None:
    found = checked(tuning__defaults=DEFAULTS.replace("80 °C", "80"))
    mistake = only(found)
    assert (mistake.problem, mistake.remedy) == ("80 has no unit", "did you mean '80 °C'?")
    assert mistake.path == "thermal.rules.fixed.at"


def test_unchecked_tuning_still_refuses_what_makes_no_sense() -> None:
    found = checked(tuning__defaults=DEFAULTS.replace("80 °C", "80"))
    with pytest.raises(ConfigError, match="no unit"):
        found.tuning.of("thermal", Thermal)


def test_every_section_is_known_by_name() -> None:
    assert set(SECTIONS) == {"thermal", "alerts"}
    mistake = only(checked(tuning__defaults="termal: {count: 3}\n"))
    assert mistake.remedy == "did you mean 'thermal'?"
