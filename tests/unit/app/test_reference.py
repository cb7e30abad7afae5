"""Schemas and docs say what the models say, and what ships fits the schemas that editors use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # has no types

from app.reference import ROOT, generated, stale
from app.sections import SECTIONS
from hub.settings.check import check, read_folder
from hub.settings.document import parse

CONFIGS = ROOT / "configs"
SHIPPED = read_folder(CONFIGS)


def fitting(name: str, text: str) -> Any:
    """The worst misfit of a text with the schema that the shipped file of this name mentions; None if it fits."""
    reference = SHIPPED[name].decode().split("\n")[0].partition("$schema=")[2]
    schema = json.loads((CONFIGS / name).parent.joinpath(reference).read_text("utf-8"))
    document = parse(name, text.encode()).document
    assert document is not None
    return best_match(Draft202012Validator(schema).iter_errors(document.root.plain()))


def test_generated_files_are_up_to_date() -> None:
    assert stale() == [], "run `make fix`"


def test_stale_files_are_named(tmp_path: Path) -> None:
    assert stale(tmp_path) == list(generated())


def test_every_schema_is_sound() -> None:
    for name, text in generated().items():
        if name.endswith(".json"):
            Draft202012Validator.check_schema(json.loads(text))


def test_what_ships_passes_the_check_with_the_real_models() -> None:
    found = check(CONFIGS, SECTIONS)
    assert found.mistakes == ()
    assert found.deployment is not None


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_ships_fits_its_schema(name: str) -> None:
    misfit = fitting(name, SHIPPED[name].decode())
    assert misfit is None, misfit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tuning/defaults.yaml", "thermal: {rules: {fixed: {hold: 3}}}"),
        ("tuning/defaults.yaml", "thermal: {ruels: {}}"),
        ("tuning/defaults.yaml", "alerts: {repeat_after: 30}"),
        ("tuning/sites/jinxiu.yaml", "like: [high-rise]"),
        ("sites/cuihu.yaml", "site: cuihu\nname: x\nbuildings: {B1: {name: y, floors: 3}}"),
        ("hub.yaml", "mqtt: {password: hunter2}"),
        ("city.yaml", "city: {name: x}\npeople: {a: {name: y, role: mayor}}"),
    ],
)
def test_an_editor_sees_the_same_mistakes(name: str, text: str) -> None:
    assert fitting(name, text) is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tuning/defaults.yaml", "sensors: {rules: {smoke: {hold: 3 s}}}\nthermal: {zones: {flue: {limit: 250 °C}}}"),
        ("tuning/sites/jinxiu.yaml", "site: jinxiu\ndevices: {a: {falling: {masks: {tree: {why: 树}}}}}"),
    ],
)
def test_a_layer_may_say_a_part_of_what_others_say(name: str, text: str) -> None:
    assert fitting(name, text) is None
