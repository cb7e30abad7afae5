"""The sentences people read: from what detectors really decide, in both languages, and never a flat."""

from __future__ import annotations

import string
from typing import Any

import msgspec
import pytest

from alerts.condition import begin
from alerts.message import title
from alerts.sentences import SENTENCES
from alerts.wording import DETECTOR_SAYS, elsewhere, floors, sentence, worded
from detectors import sensor_limit
from detectors.detection import detection as detection_of
from detectors.falling import verdict as falling
from detectors.falling.settings import FallingSettings
from detectors.sensor.settings import SensorSettings
from detectors.thermal import verdict as thermal
from detectors.thermal.settings import ThermalSettings
from hub.model import Candidate, Claim, Detection
from tests.small_estate import START, fall, seen

HOT = {
    "max_c": 353.29, "t95": 340.0, "area": 92.0, "ambient": 12.0, "saturated": 0.0, "flame_pixels": 71.0,
    "flame_share": 1.0, "flame_seconds": 3.0, "warm_seconds": 4.0, "slope60": 0.0, "slope20": 0.0, "rise": 286.0,
    "growth": 6.4, "growth_pixels": 79.0, "moving": 0.0, "drift": 1.0, "smoke": 0.0,
}  # fmt: skip


def hot_spot(**features: float) -> Detection:
    weighed = candidate("thermal_fire", "thermal_fire", HOT | features, {"about": "hot_spot"})
    return detection_of(weighed, thermal.decide(weighed, ThermalSettings()))


def reading(rule: str, value: float, metric: str, unit: str = "", **features: float) -> Detection:
    words = {"rule": rule, "about": "begin", "metric": metric, "unit": unit}
    weighed = candidate("sensor_limit", "gas", {"value": value, "held": 0.0, **features}, words)
    return detection_of(weighed, sensor_limit.decide(weighed, SensorSettings()))


def candidate(detector: str, kind: str, features: dict[str, float], words: dict[str, str]) -> Candidate:
    claim = Claim(
        kind=kind, subject="cuihu/x", place="cuihu/b3", start=START, end=START, features=features, words=words
    )
    return Candidate(id="c", site="cuihu", at=START, detector=detector, code_version="1", revision=1, claim=claim)


def fallen(rule: str = "fall", **numbers: float) -> Detection:
    known = {"seconds": 1.8, "floors_down": 5.67, "calibrated": 1.0, **numbers}
    return msgspec.structs.replace(fall(0), detector="falling_object", rule=rule, numbers=known)


def in_both(detection: Detection) -> tuple[str | None, str | None]:
    return sentence(detection, "zh"), sentence(detection, "en")


def test_a_fall_says_its_interval_of_floors() -> None:
    assert in_both(fallen(origin_floor=8.6, origin_low=8.07, origin_high=9.14)) == (
        "物体 1.8 秒内坠落 5.7 层，符合重力轨迹；起始楼层约 8–9 层（90 % 区间）",
        "something fell 5.7 floors in 1.8 s along gravity's curve; it began about floors 8–9 (90 % interval)",
    )
    assert "起始楼层约 8 层" in str(sentence(fallen(origin_floor=8.5, origin_low=8.1, origin_high=8.9), "zh"))


def test_a_camera_that_cannot_tell_floors_names_none() -> None:
    uncalibrated = fallen(calibrated=0.0)
    assert floors(uncalibrated) is None
    assert sentence(uncalibrated, "zh") == "物体 1.8 秒内坠落约 17 米，符合重力轨迹；摄像机未标定，无法判断起始楼层"
    assert "无法判断" in str(sentence(fallen(), "zh"))
    assert "米" not in str(sentence(fallen(floors_down=1e3, calibrated=0.0), "zh"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(8.07, 9.14, (8, 9)), (0.3, 1.2, (1, 1)), (9.0, 8.0, None), (float("nan"), 3.0, None), (3.0, 1e9, None)],
)
def test_floors_are_those_between_the_lines(low: float, high: float, expected: tuple[int, int] | None) -> None:
    assert floors(begin(fallen(origin_low=low, origin_high=high))) == expected


def test_a_falls_title_has_floors_and_never_a_flat() -> None:
    came = fallen(origin_floor=8.6, origin_low=8.07, origin_high=9.14)
    at_a_flat = msgspec.structs.replace(came, place="cuihu/b3/u1/12/1203")
    told = worded(at_a_flat, "zh")
    assert told.place == "cuihu/b3/u1"
    first = begin(told)
    assert title((first,), "翠湖苑 3号楼", "zh") == "翠湖苑 3号楼 高空抛物（约 8–9 层）"
    assert title((first,), "Cuihu 3", "en") == "Cuihu 3 falling object (about floors 8–9)"
    many = tuple(begin(fallen(origin_low=n + 0.1, origin_high=n + 0.5)) for n in range(1, 9))
    assert title(many, "翠湖苑", "zh") == "翠湖苑 高空抛物（约 1 层、2 层、3 层等）"


def test_only_floors_that_exclude_the_first_ones_are_elsewhere() -> None:
    def at(low: float, high: float) -> Any:
        return begin(fallen(origin_low=low, origin_high=high))

    assert not elsewhere(at(8.0, 9.4), at(8.1, 8.8))
    assert elsewhere(at(3.2, 4.1), at(6.5, 7.4))
    assert elsewhere(begin(fallen()), at(6.5, 7.4))
    assert not elsewhere(at(6.5, 7.4), begin(fallen()))


@pytest.mark.parametrize(
    ("features", "zh"),
    [
        ({}, "同一位置 71 个像素最高 353 °C，持续 3 秒"),
        ({"saturated": 1.0}, "同一位置 71 个像素最高 353 °C（已达传感器上限），持续 3 秒"),
        ({"moving": 1.0, "flame_seconds": 9.0}, "移动的高温物体最高 353 °C，请核实"),
        ({"flame_share": 0.0, "slope20": 90.0}, "每分钟升温 90 °C，已达 340 °C"),
        ({"flame_share": 0.0, "slope60": 60.0}, "每分钟升温 60 °C，已达 340 °C，面积还在扩大"),
        (
            {"flame_share": 0.0, "rise": 0.0, "growth": 0.0, "warm_seconds": 90.0, "smoke": 1.0, "t95": 80.0},
            "80 °C 持续 90 秒，该处同时有烟感报警",
        ),
    ],
)
def test_what_the_thermal_rules_say(features: dict[str, float], zh: str) -> None:
    made = hot_spot(**features)
    assert sentence(made, "zh") == zh, made.reason
    assert sentence(made, "en"), made.rule


def test_what_the_sensors_rules_say() -> None:
    assert in_both(reading("gas", 25.4, "gas", "%LEL")) == (
        "燃气浓度 25.4 %LEL，超过 25 %LEL",
        "gas 25.4 %LEL, over 25 %LEL",
    )
    assert sentence(reading("gas_early", 12, "gas", "%LEL", held=30.4), "zh") == (
        "燃气浓度 12 %LEL，超过 10 %LEL，持续 30 秒"
    )
    assert sentence(reading("gas_alarm", 1, "gas_alarm"), "zh") == "燃气探测器发出报警信号"
    rising = reading("heat_rise", 31.0, "temperature", "°C", rate=9.24, held=3.0)
    assert sentence(rising, "zh") == "温度每分钟上升 9.2 °C，已达 31 °C，持续 3 秒"


def test_a_metric_that_nobody_knows_keeps_its_own_name() -> None:
    rule = {"metric": "chlorine", "above": "1 ppm"}
    settings = SensorSettings.model_validate({"rules": {"pool": rule}})
    words = {"rule": "pool", "about": "begin", "metric": "chlorine", "unit": "ppm"}
    weighed = candidate("sensor_limit", "pool", {"value": 2.0, "held": 0.0}, words)
    made = detection_of(weighed, sensor_limit.decide(weighed, settings))
    assert sentence(made, "zh") == "chlorine 2 ppm，超过 1 ppm"


def test_the_detectors_own_sentence_is_kept_beside_ours_or_stands_alone() -> None:
    told = worded(hot_spot(), "zh")
    assert told.words[DETECTOR_SAYS] == hot_spot().reason
    strange = seen("smoke", rule="of another maker", detector="maker")
    assert worded(strange, "zh") is strange
    for broken in (
        msgspec.structs.replace(hot_spot(), numbers={}),
        msgspec.structs.replace(hot_spot(), rule="a rule of tomorrow"),
        msgspec.structs.replace(reading("gas", 30, "gas"), numbers={"value": 30.0, "held": 0.0}),
        fallen("a rule of tomorrow"),
    ):
        assert worded(broken, "zh") is broken or worded(broken, "zh").reason == broken.reason


def test_both_languages_say_the_same_things_with_the_same_numbers() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    zh, en = SENTENCES["zh"], SENTENCES["en"]
    assert {key: fields(text) for key, text in zh.items()} == {key: fields(text) for key, text in en.items()}


def test_every_rule_that_a_fall_can_nearly_keep_has_words() -> None:
    told = (
        "points seconds span_share span floors_down residual sideways share leaning wall entry_speed fill steady "
        "activity company inside age"
    )
    numbers = dict.fromkeys(told.split(), 1.0)
    names = {limit.name for limit in falling._limits(numbers, FallingSettings())}
    assert names <= {key.removeprefix("nearly:") for key in SENTENCES["zh"]}
    assert str(sentence(fallen("nearly:company"), "zh")).startswith(
        "疑似坠物（坠落约 17 米），但附近同时有多个东西落下"
    )
