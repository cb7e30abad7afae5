"""The one function that says whether the settings are sound. What it accepts is what loads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from hub.errors import ConfigError, Mistake
from hub.settings import deployment as deployments
from hub.settings.assemble import assemble
from hub.settings.city import City
from hub.settings.deployment import Deployment
from hub.settings.document import Document, Parsed, parse
from hub.settings.node import locate
from hub.settings.tuning import DEFAULTS, PRESETS, SITES, Tuning, stem
from hub.settings.tuning_form import Sections, tuning_mistakes
from hub.settings.wording import explain, suggestion
from hub.settings.written import CityFile, SiteFile

CITY: Final = "city.yaml"
PLACES: Final = "sites/"
Decoders = Mapping[str, type[BaseModel] | None]
"""The decoders of ingest by name, each with the model of its mapping, if it takes one. The app knows them all."""

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


def check(
    path: Path,
    sections: Sections | None,
    decoders: Decoders | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Checked:
    """Check a settings folder, or one file of it (the whole folder is read, its own mistakes are told).

    Raises ConfigError when there is nothing to check at `path`.
    """
    root = path if path.is_dir() else root_of(path)
    checked = examine(read_folder(root), sections, decoders, folder=root, environ=environ)
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
    decoders: Decoders | None = None,
    *,
    folder: Path = Path(),
    environ: Mapping[str, str] = os.environ,
    known: Mapping[str, Parsed] | None = None,
) -> Checked:
    """Check files by name and content. `known` spares parsing again what has not changed (see `Parses`).

    Without `sections` (a worker that loads a stored revision, checked before) the tuning's values are not judged.
    Without `decoders` the mappings of hub.yaml are not judged.
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
        if deployment is not None and decoders is not None:
            mistakes += _subscriptions(deployment, documents[deployments.FILE], decoders)
    city_file = _load(documents.get(CITY), CityFile, mistakes)
    sites = {stem(n): _load(d, SiteFile, mistakes) for n, d in documents.items() if _form(n) == PLACES}
    present = {stem(name) for name in files if _form(name) == PLACES}
    read = {name: loaded for name, loaded in sites.items() if loaded is not None}
    unread = frozenset(present - set(read))
    assembled = assemble(city_file, read, unread, deployment)
    mistakes += assembled.mistakes

    tuning = Tuning(documents, assembled.city)
    if sections is not None:
        for name, document in documents.items():
            mistakes += tuning_mistakes(name, document, sections, assembled.city, tuning, unread)
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


class Parses:
    """Remembers what was parsed: of a city of 250 sites only the file that was saved is parsed again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, Parsed]] = {}

    def of(self, files: Mapping[str, bytes]) -> dict[str, Parsed]:
        """Each file on its own; what is not among `files` is forgotten."""
        kept = {name: self._kept[name] for name, raw in files.items() if self._kept.get(name, (None,))[0] == raw}
        new = parse_all({name: raw for name, raw in files.items() if name not in kept})
        self._kept = kept | {name: (files[name], parsed) for name, parsed in new.items()}
        return {name: parsed for name, (_, parsed) in self._kept.items()}


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


def _ordered(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    return tuple(sorted(set(mistakes), key=lambda m: (m.file, m.line, m.column, m.path, m.problem)))


def _subscriptions(deployment: Deployment, document: Document, decoders: Decoders) -> list[Mistake]:
    """What is wrong with the decoders that hub.yaml names, and with their mappings."""
    mistakes: list[Mistake] = []

    def refuse(path: tuple[str, ...], problem: str, remedy: str, kind: str = "value_error") -> None:
        at = locate(document.root, path, kind)
        mistakes.append(Mistake(at.file, at.line, at.column, ".".join(path), problem, remedy))

    for name, subscription in deployment.mqtt.subscriptions.items():
        path = ("mqtt", "subscriptions", name)
        model = decoders.get(subscription.decoder)
        if subscription.decoder not in decoders:
            remedy = suggestion(subscription.decoder, decoders)
            refuse((*path, "decoder"), f"there is no decoder '{subscription.decoder}'", remedy)
        elif model is not None and subscription.mapping is None:
            refuse(path, f"the decoder {subscription.decoder} needs a mapping", "add 'mapping:'", "extra_forbidden")
        elif model is None and subscription.mapping is not None:
            problem = f"the decoder {subscription.decoder} takes no mapping"
            refuse((*path, "mapping"), problem, "delete it, or write 'decoder: json-mapping'", "extra_forbidden")
        elif model is not None and (node := document.root.at(["mqtt", "mappings", subscription.mapping or ""])):
            try:
                model.model_validate(node.plain())
            except ValidationError as error:
                mistakes += explain(error, node, model, ("mqtt", "mappings", subscription.mapping or ""))
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
