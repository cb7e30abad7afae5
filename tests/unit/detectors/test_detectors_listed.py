"""A detector is one file and one line: every file is listed, loads, and describes itself and its settings."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

import detectors
from detectors import DETECTORS

FOLDER = Path(detectors.__file__).parent
NO_DETECTORS = {"__init__", "decision", "detection", "worker"}
"""Files beside the detectors that are none: what they share, and the role that runs them."""


def test_every_file_is_listed() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - NO_DETECTORS
    assert files == {listed.module.rpartition(".")[2] for listed in DETECTORS.values()} == set(DETECTORS)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_it_loads_and_has_its_three_parts(name: str) -> None:
    kind, settings = DETECTORS[name].load()
    module: ModuleType = importlib.import_module(DETECTORS[name].module)
    assert module.__doc__
    assert len(module.__doc__.splitlines()[0]) > 20
    assert kind.__doc__
    for method in ("observe", "advance", "snapshot", "restore"):
        assert getattr(kind, method).__doc__, method
    assert module.decide.__doc__
    assert name == module.NAME
    assert issubclass(settings, BaseModel)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_setting_is_described_and_says_what_a_replay_can_answer(name: str) -> None:
    _, settings = DETECTORS[name].load()
    for path, field in _fields(settings):
        assert field.description, path
        extra = field.json_schema_extra
        assert isinstance(extra, dict), path
        assert extra.get("replay") in ("exact", "clips", "none"), path


def _fields(model: type[BaseModel], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        found.append((here, field))
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += _fields(inner, here)
    return found
