"""The detectors on real recordings, as `property-hub evaluate` runs them. Skipped where there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.evaluate import evaluate
from app.replay import replay
from hub.errors import ConfigError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(not (DATA / "labels.yaml").is_file(), reason="the recordings (../shared/data) are not here"),
]


def told(only: str) -> dict[str, Any]:
    text = evaluate(DATA, only=only).to_json()
    result: dict[str, Any] = json.loads(text)[only]
    return result


@pytest.mark.timeout(300)
def test_both_office_falls_are_found_once_and_nothing_else_is_told() -> None:
    result = told("falling_object")
    by_file = {clip["file"]: clip for clip in result["clips"]}
    for name in ("hrl_office1", "hrl_office3"):
        clip = by_file[f"falling/{name}.mp4"]
        assert (clip["found"], clip["false_alarms"]) == (1, 0), clip
        assert [report["status"] for report in clip["reports"]] == ["alarm"]
    assert result["false_alarms"] <= 2
    assert result["uncovered_seconds"] <= 3.0 * len(result["clips"])
    assert result["seconds"] > 300
    assert result["false_alarms_per_hour"]["upper_95"] > result["false_alarms_per_hour"]["rate"]
    assert result["time_to_alert_s"]["p95"] < 2.0
    tower = by_file["falling/ham_video2.mp4"]
    assert tower["found"] == 1
    assert tower["reports"][0]["origin_floor"] == pytest.approx(11.8, abs=1.0)
    assert result["decode_ms_per_frame"] > 0
    assert result["detect_ms_per_frame"] > 0


@pytest.mark.timeout(300)
def test_every_fire_picture_is_fire_and_no_other_is() -> None:
    result = told("thermal_fire")
    assert result["found"] == result["truths"] == 8
    assert result["false_alarms"] == 0
    for clip in result["clips"]:
        for report in clip["reports"]:
            if clip["truths"]:
                assert report["told"] <= 5.0
            else:
                assert report["level"] != "fire"


@pytest.mark.timeout(120)
def test_every_test_fire_is_found_and_none_before_it_burns() -> None:
    result = told("sensors")
    assert result["found"] == result["truths"] == 7
    assert result["false_alarms"] == 0
    flaming = [clip for clip in result["clips"] if "sdc0" in clip["file"] and "sdc01" not in clip["file"]]
    assert any(report["rule"] == "heat_rise" and report["told"] < 60 for clip in flaming for report in clip["reports"])


def test_a_recording_is_replayed_through_its_detector() -> None:
    lines = list(replay(DATA / "falling" / "hrl_office3.mp4"))
    assert "falling_object" in lines[0]
    assert sum(" alarm " in line for line in lines[1:]) == 1
    table = json.loads("".join(replay(DATA / "sensors" / "nist_sdc05.csv", as_json=True)))
    assert table["detector"] == "sensors"
    assert table["reports"]
    still = json.loads("".join(replay(DATA / "thermal" / "fire" / "scene_596c.tiff", as_json=True)))
    assert still["reports"][0]["level"] == "fire"


def test_a_name_that_is_no_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match="falling_object"):
        evaluate(DATA, only="birds")
