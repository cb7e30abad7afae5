"""What ships passes; hundreds of slips in it are each found on their line, or provably change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from alerts.policy import AlertSettings
from detectors.falling.settings import FallingSettings
from hub.errors import ConfigError
from hub.settings.check import Checked, check, examine, parse_all, read_folder, report
from hub.settings.deployment import Deployment
from hub.settings.document import parse
from hub.settings.revision import body_of, from_folder, revision_of
from hub.settings.written import CityFile, SiteFile
from tests.unit.hub.small_city import CITY, CONFIGS, FILES, HUB, SECTIONS, SITE, checked

SHIPPED = read_folder(CONFIGS)
SHIPPED_SECTIONS: dict[str, type[BaseModel]] = {"falling": FallingSettings, "alerts": AlertSettings}
_TUNING_WORDS = {"site", "like", "why", "buildings", "devices", "falling", "alerts"}
_KEY = re.compile(r"^( *)([a-z0-9_-]+):( |$)")


def fields(model: type[BaseModel]) -> set[str]:
    """Every key that any part of a model knows."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


KNOWN = (
    {"site.yaml": fields(SiteFile), "city.yaml": fields(CityFile), "hub.yaml": fields(Deployment)}
    | {"tuning": _TUNING_WORDS | fields(FallingSettings) | fields(AlertSettings)}
)  # fmt: skip


def known_in(name: str) -> set[str]:
    return KNOWN["tuning" if name.startswith("tuning/") else "site.yaml" if name.startswith("sites/") else name]


def examined(name: str, text: str) -> Checked:
    """The shipped files with one of them changed; only that one is parsed anew."""
    files = {**SHIPPED, name: text.encode()}
    known = {**PARSED, name: parse(name, text.encode())}
    return examine(files, SHIPPED_SECTIONS, folder=CONFIGS, environ={}, known=known)


PARSED = parse_all(SHIPPED)


def lines_of(name: str) -> list[str]:
    return SHIPPED[name].decode().split("\n")


def keys() -> Iterator[tuple[str, int, str]]:
    """(file, index of the line, the key that it begins with)."""
    for name in SHIPPED:
        for index, line in enumerate(lines_of(name)):
            if match := _KEY.match(line):
                yield name, index, match.group(2)


def found_near(found: Checked, name: str, low: int, high: int) -> bool:
    """Whether a mistake in `name` stands on one of these lines (from 1)."""
    return any(m.file == name and low <= m.line <= high for m in found.mistakes)


KEYS = list(keys())


def test_what_ships_is_sound() -> None:
    found = examine(SHIPPED, SHIPPED_SECTIONS, folder=CONFIGS, environ={})
    assert found.mistakes == ()
    assert found.warnings == ()
    assert len(found.city.sites) == 3
    assert len(KEYS) > 150


def test_every_file_begins_with_its_schema() -> None:
    for name in SHIPPED:
        first = lines_of(name)[0]
        match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert match, f"{name}: {first}"
        assert (CONFIGS / name).parent.joinpath(match.group(1)).resolve().parent == (CONFIGS / "schema").resolve()


def test_a_full_width_colon_is_found_on_its_line() -> None:
    for name, index, key in KEYS:
        lines = lines_of(name)
        lines[index] = lines[index].replace(f"{key}:", f"{key}：", 1)
        assert found_near(examined(name, "\n".join(lines)), name, index + 1, index + 1), (name, index + 1)


def test_a_value_left_out_is_found_on_its_line() -> None:
    for name, index, key in KEYS:
        lines = lines_of(name)
        indent, _, value = lines[index].partition(f"{key}:")
        if not value.split("#")[0].strip():
            continue
        lines[index] = f"{indent}{key}:"
        assert found_near(examined(name, "\n".join(lines)), name, index + 1, index + 1), (name, index + 1)


def test_a_mistyped_key_is_found_on_its_line_or_is_a_name_of_our_own() -> None:
    for name, index, key in KEYS:
        lines = lines_of(name)
        lines[index] = lines[index].replace(f"{key}:", f"{key}x:", 1)
        found = examined(name, "\n".join(lines))
        if key in known_in(name):
            assert found_near(found, name, index + 1, index + 1), (name, index + 1)
        else:
            # A name people choose: the new one is in force, or whatever refers to the old one complains.
            document = found.documents[name]
            assert found.mistakes or f"{key}x" in str(document.root.plain()), (name, index + 1)


def test_a_line_written_twice_is_found() -> None:
    for name, index, _ in KEYS:
        lines = lines_of(name)
        lines.insert(index, lines[index])
        assert found_near(examined(name, "\n".join(lines)), name, index + 1, index + 2), (name, index + 1)


def test_a_tab_is_found_on_its_line() -> None:
    for name, index, _ in KEYS:
        lines = lines_of(name)
        lines[index] = "\t" + lines[index].lstrip(" ")
        assert found_near(examined(name, "\n".join(lines)), name, index + 1, index + 1), (name, index + 1)


def test_a_slipped_indent_is_found_there_or_changes_nothing() -> None:
    for name, index, _ in KEYS:
        lines = lines_of(name)
        before = PARSED[name].document
        lines[index] = f" {lines[index]}"
        found = examined(name, "\n".join(lines))
        after = found.documents.get(name)
        if after is None or before is None or after.root.plain() != before.root.plain():
            # A slip of a block's first key is only seen at the next one: there the file stops making sense.
            indent = len(lines[index]) - len(lines[index].lstrip()) - 1
            following = next(
                (n for n in range(index + 1, len(lines)) if re.match(rf" {{0,{indent}}}[a-z]", lines[n])), index
            )
            assert found_near(found, name, index, following + 1), (name, index + 1)


def test_a_quantity_without_its_unit_is_found_on_its_line() -> None:
    slips = 0
    for name in SHIPPED:
        for index, line in enumerate(lines_of(name)):
            bare = re.sub(r"(\d) (?:s|m|min|h|°C|K|%|px|floors|grey|GiB|K/min)\b(?=\s*[,}#]|\s*$)", r"\1", line)
            if bare == line or line.lstrip().startswith(("#", "why")):
                continue
            slips += 1
            lines = lines_of(name)
            lines[index] = bare
            found = examined(name, "\n".join(lines))
            assert found_near(found, name, index + 1, index + 1), (name, index + 1)
            assert "did you mean" in str(found.mistakes[0])
    assert slips >= 5


def test_a_file_cut_short_never_loads_what_nobody_wrote() -> None:
    for name, raw in SHIPPED.items():
        for cut in range(0, len(raw), max(1, len(raw) // 25)):
            files = {**SHIPPED, name: raw[:cut]}
            found = examine(
                files, SHIPPED_SECTIONS, folder=CONFIGS, environ={}, known={**PARSED, name: parse(name, raw[:cut])}
            )
            if not found.mistakes:
                devices = examine(SHIPPED, SHIPPED_SECTIONS, folder=CONFIGS, environ={}, known=PARSED).city.devices
                assert set(found.city.devices) <= set(devices)


def test_an_emergency_for_the_hotline_alone_is_refused_at_its_line() -> None:
    text = SHIPPED["tuning/defaults.yaml"].decode().rstrip("\n")
    text += "\n" + "  kinds:\n    smoke:\n      hotline: order\n"
    assert "alerts:" in text
    text = re.sub(r"(?m)^alerts:$", "alerts:", text)
    found = examined("tuning/defaults.yaml", text)
    [mistake] = found.mistakes
    assert mistake.line in range(text.split("\n").index("    smoke:") + 1, text.count("\n") + 1)
    assert "12345" in str(mistake)


def test_strange_files_are_not_silently_left_aside() -> None:
    files = {name: text.encode() for name, text in FILES.items()}
    for stranger in ("sites/fenghe.yml", "site/fenghe.yaml", "tuning/default.yaml", "sites/deep/x.yaml"):
        found = examine({**files, stranger: b"a: 1\n"}, SECTIONS, environ={})
        assert [m.file for m in found.mistakes] == [stranger]


def test_a_missing_city_is_a_mistake() -> None:
    assert "city.yaml" in {m.file for m in checked(city=None).mistakes}


def test_checks_a_folder_or_one_file_of_it(tmp_path: Path) -> None:
    for name, text in {**FILES, "city.yaml": CITY.replace("grid: two", "grid: tow")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".hidden.yaml").write_text("x: [")
    (tmp_path / "city.yaml~").write_text("x: [")
    assert [m.file for m in check(tmp_path, SECTIONS, environ={}).mistakes] == ["city.yaml"]
    assert [m.file for m in check(tmp_path / "city.yaml", SECTIONS, environ={}).mistakes] == ["city.yaml"]
    assert check(tmp_path / "sites" / "cuihu.yaml", SECTIONS, environ={}).mistakes == ()
    with pytest.raises(ConfigError, match="does not exist"):
        check(tmp_path / "nothing.yaml", SECTIONS, environ={})
    with pytest.raises(ConfigError, match=r"city\.yaml:\d+:\d+  people\.li\.grid: there is no grid 'tow'"):
        from_folder(tmp_path, SECTIONS)


def test_reports_in_lines_that_editors_can_follow() -> None:
    found = checked(hub=HUB.replace("kind: wecom", "kind: wechat"), city=CITY.replace("320", "900"))
    lines = report(found, "configs/").split("\n")
    assert lines[0].startswith("configs/hub.yaml:6:22  channels.robots.grid-one.kind: 'wechat' is none of the words")
    assert lines[1].endswith("(warning)")
    assert lines[2] == "1 mistakes, 1 warnings"
    assert report(checked()) == "sound: 4 files, 1 sites, 2 sensors, 2 cameras, 0 warnings"


def test_a_revision_is_its_texts_without_hub_yaml() -> None:
    found = checked()
    body = body_of(found)
    assert set(body.files) == {"city.yaml", "sites/cuihu.yaml", "tuning/defaults.yaml"}
    assert revision_of(found, 7).digest == body.digest
    again = examine({name: text.encode() for name, text in body.files.items()}, None)
    assert again.mistakes == ()
    assert again.city == found.city
    assert body_of(checked(sites__cuihu=SITE + "# a comment\n")).digest != body.digest
