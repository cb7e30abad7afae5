"""The command line's manners: exit codes, and mistakes in words."""

import json
from pathlib import Path

import pytest

from app import cli


def test_the_shipped_configuration_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "configs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["ok"]


def test_every_mistake_is_told_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("web: {port: 99999}\nmqt: {}\n")
    assert cli.main(["check", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert "hub.yaml:1:" in said
    assert "hub.yaml:2:1" in said
    assert "mqtt" in said  # what was meant


@pytest.mark.parametrize("words", [["nonsense"], ["run", "nonsense"], ["check", "/nowhere/at/all"]])
def test_wrong_words_end_with_code_2_and_no_traceback(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert said.err.strip()


def test_a_deployment_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["run", "alerts", "--config", str(tmp_path / "hub.yaml")]) == 2
    assert "--config" in capsys.readouterr().err
