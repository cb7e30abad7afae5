"""The forms of the tuning files: their sections, and around them what a layer may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from hub.errors import Mistake
from hub.settings.city import City
from hub.settings.document import Document
from hub.settings.node import Node, locate
from hub.settings.text import Id
from hub.settings.tuning import DEFAULTS, PRESETS, SITES, Tuning, stem
from hub.settings.wording import explain, suggestion

Sections = Mapping[str, type[BaseModel]]
"""The settings model of each section of the tuning files, by name. The app knows them all."""

_STRICT = ConfigDict(extra="forbid", frozen=True)


ANYTHING: Final = dict[str, Any]
"""The type of a section where only the form of a file is judged; schemas put the section's own model in its place."""


def layer_form(sections: Mapping[str, Any]) -> type[BaseModel]:
    """The model of tuning/defaults.yaml: `sections` by name, each with the type of its value."""
    fields: dict[str, Any] = {
        name: (value, Field(default_factory=dict, description=_first_line(value))) for name, value in sections.items()
    }
    return create_model("DefaultsFile", __config__=_STRICT, **fields)


def preset_form(sections: Mapping[str, Any]) -> type[BaseModel]:
    """The model of tuning/presets/<name>.yaml."""
    why = (str, Field("", description="这组设置适用于什么情况"))
    return create_model("PresetFile", __base__=layer_form(sections), why=why)


def site_form(sections: Mapping[str, Any]) -> type[BaseModel]:
    """The model of tuning/sites/<site>.yaml."""
    like = (tuple[Id, ...], Field((), description="采用哪些预设；后面的覆盖前面的"))
    why = (str, Field("", description="为什么这样设置"))
    narrow = create_model("NarrowLayer", __base__=layer_form(sections), like=like, why=why)
    return create_model(
        "SiteTuningFile",
        __base__=layer_form(sections),
        site=(Id, Field(description="小区编号，与文件名相同")),
        like=like,
        why=why,
        buildings=(dict[Id, narrow], Field({}, description="单独设置的楼栋，按编号")),
        devices=(dict[Id, narrow], Field({}, description="单独设置的设备，按小区内编号")),
    )


def _first_line(value: Any) -> str:
    return (value.__doc__ or "").partition("\n")[0] if isinstance(value, type) and issubclass(value, BaseModel) else ""


def tuning_mistakes(
    name: str, document: Document, sections: Sections, city: City, tuning: Tuning, unread: frozenset[str]
) -> list[Mistake]:
    """What is wrong with the form of one tuning file, and with the names in it; its values are judged elsewhere.

    `unread` are sites whose own files have mistakes: names in them are not judged.
    """
    plain = dict.fromkeys(sections, ANYTHING)
    if name == DEFAULTS:
        return _unfit(document.root, layer_form(plain))
    if name.startswith(PRESETS):
        return _unfit(document.root, preset_form(plain))
    if not name.startswith(SITES):
        return []
    root, site_id = document.root, stem(name)
    mistakes = _unfit(root, site_form(plain))

    def refuse(path: tuple[str | int, ...], problem: str, remedy: str, kind: str = "extra_forbidden") -> None:
        at = locate(root, path, kind)
        mistakes.append(Mistake(at.file, at.line, at.column, ".".join(map(str, path)), problem, remedy))

    named = root.child("site")
    if named is not None and named.value != site_id:
        refuse(("site",), f"the file is named {site_id}.yaml", f"write 'site: {site_id}' or rename it", "value_error")
    narrow = [(kind, key) for kind in ("buildings", "devices") for key in root.under(kind)]
    for path in ((), *narrow):
        like = root.at([*path, "like"])
        for index, item in enumerate(like.value if like is not None and isinstance(like.value, tuple) else ()):
            if item.value not in tuning.presets:
                remedy = suggestion(str(item.value), tuning.presets)
                refuse((*path, "like", index), f"there is no preset '{item.text}'", remedy, "value_error")
    if site_id in unread:
        return mistakes
    if site_id not in city.sites:
        refuse(("site",), f"there is no site '{site_id}'", suggestion(site_id, city.sites), "value_error")
        return mistakes
    devices = {i.partition("/")[2] for i in (*city.devices, *city.cameras) if i.startswith(f"{site_id}/")}
    known = {"buildings": set(city.sites[site_id].buildings), "devices": devices}
    for kind, key in narrow:
        if key not in known[kind]:
            problem = f"{site_id} has no {kind.removesuffix('s')} '{key}'"
            refuse((kind, key), problem, suggestion(key, known[kind]))
    return mistakes


def _unfit(root: Node, model: type[BaseModel]) -> list[Mistake]:
    try:
        model.model_validate(root.plain())
    except ValidationError as error:
        return explain(error, root, model)
    return []
