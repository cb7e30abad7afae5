"""The page's words: the same keys in each language, and none that is used and missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

import control_room
from alerts.incident import MOVES, NOTED
from alerts.policy import BUILT_IN
from control_room.account import ROLES
from control_room.desk import Action
from hub.settings.city import LADDER

STATIC = Path(control_room.__file__).parent / "static"
LANGUAGES = ("zh", "en")


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "text" / f"{language}.json").read_text("utf-8"))
    return found


def scripts() -> list[Path]:
    return [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]


def test_languages_have_the_same_keys() -> None:
    assert texts("zh").keys() == texts("en").keys()


def test_languages_fill_in_the_same_names() -> None:
    zh, en = texts("zh"), texts("en")
    differ = [key for key in zh if set(re.findall(r"{(\w+)}", zh[key])) != set(re.findall(r"{(\w+)}", en[key]))]
    assert differ == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_the_page_uses_has_a_text(language: str) -> None:
    used = {key for path in scripts() for key in re.findall(r'\bt\(\s*"([^"]+)"', path.read_text("utf-8"))}
    assert len(used) > 60
    assert used - texts(language).keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_domain_has_a_text(language: str) -> None:
    known = texts(language)
    states = {"new", *(move.after for move in MOVES.values())}
    wanted = {
        *(f"action.{action}" for action in get_args(Action)),
        *(f"state.{state}" for state in states),
        *(f"kind.{kind}" for kind in BUILT_IN),
        *(f"role.{role}" for role in ROLES),
        *(f"people.{role}" for role in LADDER),
        *(f"urgency.{urgency}" for urgency in (1, 2, 3, 4, "ill")),
    }
    assert wanted - known.keys() == set()


def test_the_page_asks_for_no_action_the_desk_does_not_know() -> None:
    assert set(get_args(Action)) == set(MOVES) | NOTED


def test_scripts_fit_in_the_head_and_say_what_they_are_for() -> None:
    for path in scripts():
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= 400, path.name
        assert lines[0].startswith("// "), path.name


def test_pages_hold_no_script_of_their_own() -> None:
    # The Content-Security-Policy would refuse it, and the page would stay empty.
    page = (STATIC / "index.html").read_text("utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|style=", page) == []


def test_vendored_libraries_come_with_their_licences() -> None:
    readme = (STATIC / "vendor" / "README.md").read_text("utf-8")
    for path in (STATIC / "vendor").glob("*.js"):
        assert f"`{path.name}`" in readme, path.name
    for licence in set(re.findall(r"LICENSE-[\w-]+\.txt", readme)):
        assert (STATIC / "vendor" / licence).stat().st_size > 500
