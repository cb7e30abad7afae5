"""The one function that says whether the settings are sound. What it accepts is what loads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from hub.errors import ConfigError, Mistake
from hub.settings import deployment as deployments
from hub.settings.assemble import assemble
from hub.settings.city import City, Id
from hub.settings.deployment import Deployment
from hub.settings.document import Document, Parsed, parse
from hub.settings.node import locate
from hub.settings.tuning import DEFAULTS, PRESETS, SITES, Tuning
from hub.settings.wording import explain, suggestion
from hub.settings.written import CityFile, SiteFile

CITY: Final = "city.yaml"
PLACES: Final = "sites/"
Sections = Mapping[str, type[BaseModel]]
"""The settings model of each section of the tuning files, by name. The app knows them all."""

F = TypeVar("F", bound=BaseModel)
_EXPECTED: Final = "hub.yaml, city.yaml, sites/<id>.yaml, tuning/defaults.yaml, tuning/presets/ or tuning/sites/"


class Checked(msgspec.Struct, frozen=True):
    """The settings as far as they could be read. In force only when there are no `mistakes`."""

    documents: dict[str, Document]
    city: City
    tuning: Tuning
    deployment: Deployment | None
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]

    def mentioning(self, files: frozenset[str]) -> Checked:
        """The same, with only what concerns these files."""
        return msgspec.structs.replace(
            self,
            mistakes=tuple(m for m in self.mistakes if m.file in files),
            warnings=tuple(w for w in self.warnings if w.file in files),
        )


def check(path: Path, sections: Sections | None, environ: Mapping[str, str] = os.environ) -> Checked:
    """Check a settings folder, or one file of it (the whole folder is read, its own mistakes are told).

    Raises ConfigError when there is nothing to check at `path`.
    """
    root = path if path.is_dir() else root_of(path)
    checked = examine(read_folder(root), sections, folder=root, environ=environ)
    return checked if path.is_dir() else checked.mentioning(frozenset({path.resolve().relative_to(root).as_posix()}))


def root_of(file: Path) -> Path:
    """The settings folder that a file lies in."""
    if not file.is_file():
        raise ConfigError(f"{file} does not exist")
    for folder in file.resolve().parents:
        if (folder / CITY).is_file() or (folder / deployments.FILE).is_file():
            return folder
    raise ConfigError(f"{file} lies in no settings folder: neither city.yaml nor hub.yaml is above it")


def read_folder(root: Path) -> dict[str, bytes]:
    """Every YAML file below `root` by its relative name. Hidden files and editors' left-overs are no settings."""
    found: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix.lower() in (".yaml", ".yml") and not any(part.startswith(".") for part in name.split("/")):
            try:
                found[name] = path.read_bytes()
            except FileNotFoundError:  # an editor replaces files while we look
                continue
            except OSError as error:
                raise ConfigError([Mistake(name, 1, 1, "", f"can't be read: {error.strerror}", "")]) from error
    return found


def examine(
    files: Mapping[str, bytes],
    sections: Sections | None,
    *,
    folder: Path = Path(),
    environ: Mapping[str, str] = os.environ,
    known: Mapping[str, Parsed] | None = None,
) -> Checked:
    """Check files by name and content. `known` spares parsing again what has not changed (see `parse_all`).

    Without `sections` (a worker that loads a stored revision, checked before) the tuning's values are not judged.
    Without hub.yaml among the files the names of robots and secrets are not judged.
    """
    parsed = known if known is not None else parse_all(files)
    mistakes = [mistake for one in parsed.values() for mistake in one.mistakes]
    documents = {name: one.document for name, one in parsed.items() if one.document is not None}
    mistakes += [
        Mistake(name, 1, 1, "", "no file of this name is read here", f"expected {_EXPECTED}")
        for name in files
        if _form(name) is None
    ]
    if CITY not in files:
        mistakes.append(Mistake(CITY, 1, 1, "", "the file is missing", "it holds the city's grids and people"))

    deployment: Deployment | None = None
    if deployments.FILE in documents:
        deployment, found = deployments.deploy(documents[deployments.FILE], folder, environ)
        mistakes += found
    city_file = _load(documents.get(CITY), CityFile, mistakes)
    sites = {_stem(n): _load(d, SiteFile, mistakes) for n, d in documents.items() if _form(n) == PLACES}
    present = {_stem(name) for name in files if _form(name) == PLACES}
    read = {name: loaded for name, loaded in sites.items() if loaded is not None}
    unread = frozenset(present - set(read))
    assembled = assemble(city_file, read, unread, deployment)
    mistakes += assembled.mistakes

    tuning = Tuning(documents, assembled.city)
    if sections is not None:
        for name, document in documents.items():
            mistakes += _tuning_form(name, document, sections, assembled.city, tuning, unread)
        mistakes += _tuning_values(tuning, sections)
    return Checked(
        documents=documents,
        city=assembled.city,
        tuning=tuning,
        deployment=deployment,
        mistakes=_ordered(mistakes),
        warnings=_ordered(assembled.warnings),
    )


def parse_all(files: Mapping[str, bytes]) -> dict[str, Parsed]:
    """Each file on its own."""
    return {name: parse(name, raw) for name, raw in files.items() if _form(name) is not None}


def report(checked: Checked, root: str = "") -> str:
    """What a person reads: a line for each mistake and warning, and the sum of it. `root` goes before file names."""
    lines = [f"{root}{mistake}" for mistake in checked.mistakes]
    lines += [f"{root}{warning}  (warning)" for warning in checked.warnings]
    city = checked.city
    if checked.mistakes:
        lines.append(f"{len(checked.mistakes)} mistakes, {len(checked.warnings)} warnings")
    else:
        sizes = f"{len(city.sites)} sites, {len(city.devices)} sensors, {len(city.cameras)} cameras"
        lines.append(f"sound: {len(checked.documents)} files, {sizes}, {len(checked.warnings)} warnings")
    return "\n".join(lines)


def _load(document: Document | None, model: type[F], mistakes: list[Mistake]) -> tuple[Document, F] | None:
    if document is None:
        return None
    try:
        return document, model.model_validate(document.root.plain())
    except ValidationError as error:
        mistakes += explain(error, document.root, model)
        return None


def _form(name: str) -> str | None:
    """Which kind of file a name is: its own name, or the folder that it lies in; None for a stranger."""
    if name in (deployments.FILE, CITY, DEFAULTS):
        return name
    for folder in (PLACES, PRESETS, SITES):
        rest = name.removeprefix(folder)
        if rest != name and "/" not in rest and rest.endswith(".yaml"):
            return folder
    return None


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".yaml")


def _ordered(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    return tuple(sorted(set(mistakes), key=lambda m: (m.file, m.line, m.column, m.path, m.problem)))


# The forms of tuning files: sections, and around them what a layer may say.

_STRICT = ConfigDict(extra="forbid", frozen=True)


def layer_form(sections: Iterable[str], value: Any = dict[str, Any]) -> type[BaseModel]:
    """The model of tuning/defaults.yaml. `value` is the type of a section (schemas put the real ones in)."""
    fields: dict[str, Any] = {name: (value, Field({}, description="")) for name in sections}
    return create_model("DefaultsFile", __config__=_STRICT, **fields)


def preset_form(sections: Iterable[str]) -> type[BaseModel]:
    """The model of tuning/presets/<name>.yaml."""
    why = (str, Field("", description="这组设置适用于什么情况"))
    return create_model("PresetFile", __base__=layer_form(sections), why=why)


def site_form(sections: Iterable[str]) -> type[BaseModel]:
    """The model of tuning/sites/<site>.yaml."""
    names = list(sections)
    like = (tuple[Id, ...], Field((), description="采用哪些预设；后面的覆盖前面的"))
    why = (str, Field("", description="为什么这样设置"))
    narrow = create_model("NarrowLayer", __base__=layer_form(names), like=like, why=why)
    return create_model(
        "SiteTuningFile",
        __base__=layer_form(names),
        site=(Id, Field(description="小区编号，与文件名相同")),
        like=like,
        why=why,
        buildings=(dict[Id, narrow], Field({}, description="单独设置的楼栋，按编号")),
        devices=(dict[Id, narrow], Field({}, description="单独设置的设备，按小区内编号")),
    )


def _tuning_form(
    name: str, document: Document, sections: Sections, city: City, tuning: Tuning, unread: frozenset[str]
) -> list[Mistake]:
    form = {DEFAULTS: layer_form, PRESETS: preset_form, SITES: site_form}.get(_form(name) or "")
    if form is None:
        return []
    model = form(sections)
    mistakes: list[Mistake] = []
    _load(document, model, mistakes)
    if _form(name) != SITES:
        return mistakes
    root, site_id = document.root, _stem(name)

    def refuse(path: tuple[str | int, ...], problem: str, remedy: str, kind: str = "extra_forbidden") -> None:
        at = locate(root, path, kind)
        mistakes.append(Mistake(at.file, at.line, at.column, ".".join(map(str, path)), problem, remedy))

    named = root.child("site")
    if named is not None and named.value != site_id:
        refuse(("site",), f"the file is named {site_id}.yaml", f"write 'site: {site_id}' or rename it", "value_error")
    for path in ((), *((kind, key) for kind in ("buildings", "devices") for key in root.at([kind]).entries())):  # type: ignore[union-attr]  # below
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
    for kind, names in (("buildings", set(city.sites[site_id].buildings)), ("devices", devices)):
        branch = root.child(kind)
        for key in branch.entries() if branch is not None else ():
            if key not in names:
                what = kind.removesuffix("s")
                refuse((kind, key), f"{site_id} has no {what} '{key}'", suggestion(key, names))
    return mistakes


def _tuning_values(tuning: Tuning, sections: Sections) -> list[Mistake]:
    """Whatever would hold for any device, place or preset, validated."""
    mistakes: list[Mistake] = []
    for device, kind, place in tuning.combinations():
        for section, model in sections.items():
            try:
                tuning.of(section, model, device, kind, place)
            except ConfigError as error:
                mistakes += error.mistakes
    return mistakes
