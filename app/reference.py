"""The editors' schemas and docs/configuration.md, written from the settings' own models.

python -m app.reference            write them
python -m app.reference --check    say which are out of date; ends with code 1 if any is
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.sections import SECTIONS
from hub.settings.deployment import Deployment
from hub.settings.tuning_form import layer_form, preset_form, site_form
from hub.settings.wording import unit_of
from hub.settings.written import CityFile, SiteFile
from ingest.decoders import TABLE

ROOT: Final = Path(__file__).parents[1]
_SCHEMA: Final = "configs/schema"

_INTRODUCTION: Final = """\
# Configuration

<!-- Written by `python -m app.reference` from the models in the code. Change the descriptions there. -->

Everything lies in one folder, `configs/` by default:

| file | holds | changes take effect |
| --- | --- | --- |
| `hub.yaml` | addresses, folders and limits of this installation; secrets only by reference | at the next start |
| `city.yaml` | streets 街道, communities 社区, grids 网格, people and parties | at once |
| `sites/<id>.yaml` | one site 小区: buildings, floors, sensors, cameras and their calibration | at once |
| `tuning/defaults.yaml` | thresholds for all | at once |
| `tuning/presets/<name>.yaml` | thresholds for a kind of place or device | at once |
| `tuning/sites/<id>.yaml` | thresholds of one site, its buildings and devices | at once |

`property-hub check` names every mistake with file, line, column and remedy, and ends with code 2 if there is any.
The running hub makes the same check whenever a file is saved: what passes becomes a numbered revision and is in force
within a second or two, without a restart; what does not pass changes nothing, and the page shows why.

* **A value carries its unit**: `75 °C`, `8.3 K/min`, `3 s`, `2 floors`, `60 %`. A bare number is a mistake.
  Seconds may also be written as `ms`, `min`, `h` or `d`. A difference of temperatures is in `K`.
* **Ids** are small letters, digits and `-`, and are never used for something else later. A place is
  `site/building/unit/floor` or `site/area`, a device `site/device`; inside a site's own file without the site.
* **Layers**: built-in < `defaults.yaml` < preset < site < building < device. Maps merge, lists replace.
  A preset holds for a site, building or device that names it under `like:`, and by itself for devices of the kind
  it is named after (`presets/smoke.yaml`), registered or not.
* YAML 1.2: write `true` and `false`; `22:30` and `yes` are text. Aliases (`*x`) and merge keys (`<<`) are refused,
  because they hide where a value comes from.
* The first line of each file names its schema: an editor with a YAML language server completes and checks as you type.

The environment overrides `hub.yaml`: `HUB_WEB__PORT=8080` is `web.port`. A secret is `{file: path}` or `{env: NAME}`;
relative paths count from the folder of `hub.yaml`.

*What-if* says how a changed threshold can be tried on the past: `exact` from stored candidates and readings, `clips`
only where video still exists, `none` not at all.
"""


class _Row:
    """One line of a table."""

    def __init__(self, path: str, kind: str, default: str, limits: str, says: str, replay: str) -> None:
        self.cells = (f"`{path}`", kind, default, limits, says, replay)


def generated() -> dict[str, str]:
    """Every generated file by its path from the project's root."""
    schemas: dict[str, type[BaseModel]] = {
        "hub": Deployment,
        "city": CityFile,
        "site": SiteFile,
        "defaults": layer_form(SECTIONS),
        "preset": preset_form(SECTIONS),
        "site-tuning": site_form(SECTIONS),
    }
    partial = {"defaults", "preset", "site-tuning"}
    files = {
        f"{_SCHEMA}/{name}.json": _json(_schema(model, partial=name in partial)) for name, model in schemas.items()
    }
    files["docs/configuration.md"] = _markdown()
    return files


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _schema(model: type[BaseModel], *, partial: bool) -> dict[str, Any]:
    """The JSON Schema of a file. In a layer (`partial`) nothing is required but the site's id: others may say it."""
    schema = model.model_json_schema()
    for name, part in [("", schema), *schema.get("$defs", {}).items()]:
        if partial and name:
            part.pop("required", None)
        for field in part.get("properties", {}).values():
            field.pop("title", None)
            # A quantity's default is a plain number in the code; an editor would offer it without its unit.
            if "patternProperties" in field:
                field.setdefault("additionalProperties", False)
            if "patternErrorMessage" in field or any("patternErrorMessage" in one for one in field.get("anyOf", ())):
                field.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _markdown() -> str:
    parts = [_INTRODUCTION]
    for title, model in (("hub.yaml", Deployment), ("city.yaml", CityFile), ("sites/&lt;id&gt;.yaml", SiteFile)):
        parts.append(f"## {title}\n\n{_table(model, replay=False)}")
    parts.append("## Mappings of `hub.yaml` (`mqtt.mappings.<name>`)\n")
    for name, family in TABLE.items():
        if family.settings is not None:
            parts.append(f"For the decoder `{name}`:\n\n{_table(family.settings, replay=False)}")
    parts.append("## Tuning\n")
    for section, settings in SECTIONS.items():
        words = " ".join((settings.__doc__ or "").split())
        parts.append(f"### `{section}`\n\n{words}\n\n{_table(settings, replay=True)}")
    return "\n".join(parts)


def _table(model: type[BaseModel], *, replay: bool) -> str:
    heads = ["setting", "value", "default", "limits", "meaning", "what-if"][: 6 if replay else 5]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    for row in _rows(model, ""):
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row.cells[: len(heads)]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str, usual: BaseModel | None = None) -> Iterator[_Row]:
    """A row for each setting below `model`. `usual` is what the model around it has where nothing is written."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner, step = _inner(field.annotation)
        if inner is not None:
            if step:
                yield _Row(f"{path}{step}", "", "", "", field.description or "", _replay(field))
            below = _usual(field, getattr(usual, name, None))
            yield from _rows(inner, f"{path}{step}.", below if not step and isinstance(below, BaseModel) else None)
        else:
            default = _default(field, getattr(usual, name, None))
            yield _Row(path, _kind(field), default, _limits(field), field.description or "", _replay(field))


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model that a value is made of, and how its members are reached: "" directly, ".<name>", "[]"."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin = get_origin(annotation)
    for arg in get_args(annotation):
        found, step = _inner(arg)
        if found is not None:
            own = ".<name>" if origin is dict else "[]" if origin in (tuple, list) else ""
            return found, own + step
    return None, ""


def _kind(field: FieldInfo) -> str:
    if (unit := unit_of(field)) is not None:
        return unit.name
    return _type(field.annotation)


def _type(annotation: Any) -> str:
    args = [arg for arg in get_args(annotation) if arg is not type(None) and arg is not Ellipsis]
    origin = get_origin(annotation)
    if annotation in (str, int, float, bool):
        return {str: "text", int: "whole number", float: "number", bool: "true, false"}[annotation]
    if origin is dict:
        return f"map of {_type(args[1])}"
    if origin in (tuple, list, frozenset):
        return f"list of {_type(args[0])}" if Ellipsis in get_args(annotation) or origin is not tuple else "[x, y]"
    if args and all(isinstance(arg, str) for arg in args):
        return ", ".join(f"`{arg}`" for arg in args)
    if hasattr(annotation, "__metadata__"):
        return _type(args[0])
    if args:
        return " or ".join(dict.fromkeys(_type(arg) for arg in args))
    return {"Path": "path", "date": "date", "Any": "any"}.get(getattr(annotation, "__name__", ""), "value")


def _usual(field: FieldInfo, value: Any) -> Any:
    return field.get_default(call_default_factory=True) if value is None and not field.is_required() else value


def _default(field: FieldInfo, usual: Any) -> str:
    if field.is_required():
        return "required"
    value = _usual(field, usual)
    if value in (None, "", (), {}, []):
        return "–"
    unit = unit_of(field)
    if unit is not None and isinstance(value, float | int):
        return f"`{unit.text(value)}`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value}`"


def _limits(field: FieldInfo) -> str:
    unit = unit_of(field)
    words = []
    for mark in field.metadata:
        for kind, sign in (
            (annotated_types.Ge, "≥"),
            (annotated_types.Gt, ">"),
            (annotated_types.Le, "≤"),
            (annotated_types.Lt, "<"),
        ):
            if isinstance(mark, kind):
                bound: Any = getattr(mark, kind.__name__.lower())
                words.append(f"{sign} {unit.text(bound) if unit else bound}")
    return ", ".join(words)


def _replay(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("replay", "")) if isinstance(extra, dict) else ""


def stale(root: Path = ROOT) -> list[str]:
    """The generated files that are not what the models say now."""
    return [
        name
        for name, text in generated().items()
        if not (root / name).is_file() or (root / name).read_text("utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    old = stale()
    if "--check" in arguments:
        for name in old:
            print(f"{name} is out of date: run `make fix`")
        return 1 if old else 0
    for name, text in generated().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, "utf-8")
    for name in old:
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
