"""What each family of devices says, one file each.

A decoder takes a topic and a payload and returns what was said, or raises MessageError. It knows no clock, no
registry and no other message. To add one: a file here, and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ValidationError

from hub.errors import ConfigError
from ingest.decoders import json_mapping
from ingest.decoders.hub_json import HubJson
from ingest.decoders.json_mapping import JsonMapping
from ingest.decoders.thermal_binary import MAGIC, ThermalBinary
from ingest.decoders.thermal_json import ThermalJson
from ingest.said import Said, SaidFrame

Decode = Callable[[str, bytes], Said | SaidFrame]
THERMAL: Final = "thermal"


class Family(msgspec.Struct, frozen=True):
    """One line of the table. `settings` is the model of its mapping in hub.yaml; None if it has no settings."""

    make: Callable[[Any], Decode]
    settings: type[BaseModel] | None = None


class _Hub:
    """The hub's own topics: readings in JSON, thermal pictures in either form."""

    def __init__(self) -> None:
        self._readings: Decode = HubJson()
        self._pictures: Decode = ThermalBinary()
        self._arrays: Decode = ThermalJson()

    def __call__(self, topic: str, payload: bytes) -> Said | SaidFrame:
        if topic.split("/")[2:3] != [THERMAL]:
            return self._readings(topic, payload)
        # What a radiometric camera sends begins with our four letters or, in the small form, with a brace.
        array = payload[: len(MAGIC)] != MAGIC and payload.lstrip()[:1] == b"{"
        return self._arrays(topic, payload) if array else self._pictures(topic, payload)


TABLE: Final[dict[str, Family]] = {
    "hub-json": Family(lambda _: _Hub()),
    "json-mapping": Family(JsonMapping, json_mapping.Mapping),
    "thermal-binary": Family(lambda _: ThermalBinary()),
    "thermal-json": Family(lambda _: ThermalJson()),
}


def decoder(name: str, mapping: Mapping[str, Any] | None = None) -> Decode:
    """The decoder of this name with its settings. Raises ConfigError when there is none, or they are wrong."""
    family = TABLE.get(name)
    if family is None:
        raise ConfigError(f"there is no decoder '{name}'; use one of: {', '.join(TABLE)}")
    if family.settings is None:
        return family.make(None)
    if mapping is None:
        raise ConfigError(f"decoder '{name}' needs a mapping; name one of mqtt.mappings")
    try:
        return family.make(family.settings.model_validate(dict(mapping)))
    except ValidationError as error:
        lines = [f"mapping {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error
