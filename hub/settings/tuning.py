"""Thresholds in layers: built-in < defaults < preset < site < building < device. The narrowest one wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from hub.errors import ConfigError
from hub.settings.city import City
from hub.settings.document import Document
from hub.settings.node import Node, Position, Step, merge
from hub.settings.wording import explain as explain_mistakes

M = TypeVar("M", bound=BaseModel)

DEFAULTS: Final = "tuning/defaults.yaml"
PRESETS: Final = "tuning/presets/"
SITES: Final = "tuning/sites/"
_NOWHERE: Final = Position("", 0, 0)
_NOTHING: Final = Node(_NOWHERE, _NOWHERE, {})


class Origin(msgspec.Struct, frozen=True):
    """Where an effective value came from. `file` is "built-in" where no layer said anything."""

    value: str
    file: str
    line: int
    over: tuple[Origin, ...] = ()

    def __str__(self) -> str:
        own = f"{self.value}   {self.file}:{self.line}" if self.line else f"{self.value}   {self.file}"
        return " ← ".join([own, *(f"{low.value} {low.file}:{low.line}" for low in self.over)])


class Tuning:
    """All layers of one revision. Immutable; what was worked out is kept."""

    def __init__(self, documents: Mapping[str, Document], city: City) -> None:
        """`documents` by name; those that are no tuning files are left aside."""
        self._city = city
        self._defaults = documents[DEFAULTS].root if DEFAULTS in documents else _NOTHING
        self.presets = {stem(name): doc.root for name, doc in documents.items() if name.startswith(PRESETS)}
        self._sites = {stem(name): doc.root for name, doc in documents.items() if name.startswith(SITES)}
        self._merged: dict[tuple[str, tuple[int, ...]], Node] = {}
        self._loaded: dict[tuple[str, type[BaseModel], tuple[int, ...]], BaseModel] = {}

    def of(self, section: str, model: type[M], device_id: str = "", kind: str = "", place: str = "") -> M:
        """The settings of a section that hold for a device, or for a place alone. Raises ConfigError.

        A registered device's kind and place are known; for others give what is known of them.
        """
        layers = self._layers(device_id, kind, place)
        key = (section, model, tuple(map(id, layers)))
        loaded = self._loaded.get(key)
        if loaded is None:
            node = self._effective(section, layers)
            try:
                loaded = model.model_validate(node.plain())
            except ValidationError as error:
                raise ConfigError(explain_mistakes(error, node, model, (section,))) from error
            self._loaded[key] = loaded
        assert isinstance(loaded, model)
        return loaded

    def explain(
        self, section: str, path: str, model: type[BaseModel], device_id: str = "", kind: str = "", place: str = ""
    ) -> Origin | None:
        """What holds at a dotted path, who said so, and what that overrode. None where there is no such value."""
        steps: list[Step] = list(path.split("."))
        node = self._effective(section, self._layers(device_id, kind, place)).at(steps)
        built_in = _dig(self.of(section, model, device_id, kind, place), steps)
        if node is None:
            return None if built_in is None else Origin(str(built_in), "built-in", 0)
        said = [Origin(str(n.plain()), n.start.file, n.start.line) for n in node.history()]
        return Origin(said[0].value, said[0].file, said[0].line, tuple(said[1:]))

    def combinations(self) -> Iterator[tuple[str, str, str]]:
        """Every (device id, kind, place) whose settings may differ: what a check has to try."""
        yield "", "", ""
        # A preset holds for devices of its name, so naming it as a kind lays it over the defaults.
        for preset in self.presets:
            yield "", preset, ""
        for site in self._city.sites:
            yield "", "", site
            for building in self._city.sites[site].buildings:
                yield "", "", f"{site}/{building}"
        for device in self._city.devices.values():
            yield device.id, device.kind, device.place
        for camera in self._city.cameras.values():
            yield camera.id, camera.kind, camera.place

    def _effective(self, section: str, layers: tuple[Node, ...]) -> Node:
        key = (section, tuple(map(id, layers)))
        node = self._merged.get(key)
        if node is None:
            node = _NOTHING
            for layer in layers:
                if (part := layer.child(section)) is not None:
                    node = merge(node, part) if node is not _NOTHING else part
            self._merged[key] = node
        return node

    def _layers(self, device_id: str, kind: str, place: str) -> tuple[Node, ...]:
        """The maps that apply, the weakest first."""
        known = self._city.device(device_id) or self._city.camera(device_id)
        kind = kind or (known.kind if known else "")
        place = place or self._city.place_of(device_id)
        site_id, _, rest = (place or device_id).partition("/")
        site = self._sites.get(site_id, _NOTHING)
        building = site.at(("buildings", rest.split("/")[0])) if place and rest else None
        device = site.at(("devices", device_id.partition("/")[2])) if device_id else None
        narrow = [layer for layer in (site, building, device) if layer is not None and layer is not _NOTHING]
        liked = [name for layer in narrow for name in likes(layer)]
        presets = [self.presets[name] for name in dict.fromkeys([kind, *liked]) if name in self.presets]
        return (self._defaults, *presets, *narrow)


def likes(layer: Node) -> tuple[str, ...]:
    """The presets that a layer of a site's file names."""
    like = layer.child("like")
    if like is None or not isinstance(like.value, tuple):
        return ()
    return tuple(str(item.value) for item in like.value)


def stem(name: str) -> str:
    """cuihu for sites/cuihu.yaml."""
    return name.rsplit("/", 1)[-1].removesuffix(".yaml")


def _dig(value: Any, steps: list[Step]) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else getattr(value, str(step), None)
    return value
