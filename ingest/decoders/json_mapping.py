"""Other makers' JSON: where in their topic and payload the device, its time and its values stand.

mappings:
  acme:
    topic: "acme/{site}/{device}/up"
    kind: smoke
    values:
      smoke_alarm: data.alarm
      temperature: {path: data.temp, factor: 0.1}
    time: data.ts
    sequence: data.cnt
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from hub.errors import MessageError
from hub.model import UNPLACED
from ingest.said import Said, checked, counted, instant, limited, purpose_of

MOST_BYTES: Final = 256 * 1024
_NAMES: Final = ("site", "kind", "device")
_PART: Final = re.compile(r"\{([a-z_]*)\}")
Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Value(_Settings):
    """One value: `path` in the payload; number = theirs * factor + offset, or what `states` says of a word."""

    path: Path = Field(description="steps into the payload, with dots; a number is a place in a list")
    factor: float = Field(1.0, description="multiplied with their number")
    offset: float = Field(0.0, description="added after that")
    states: dict[str, float] = Field({}, description="numbers for words, such as ALARM: 1")


class Mapping(_Settings):
    """How one maker's messages are read. `device` may come from the topic or the payload; it may be a serial number."""

    topic: str = Field(min_length=1, description="their topic with {site}, {kind}, {device}; + for any step")
    kind: str = Field("", description="the kind of device, where the topic does not say it")
    device: Path | None = Field(None, description="where in the payload the device or its serial number stands")
    values: dict[str, Path | Value] = Field(min_length=1, description="quantity: where it stands")
    time: Path | None = Field(None, description="where the device's time stands: seconds, milliseconds or ISO 8601")
    sequence: Path | None = Field(None, description="where the device's own count of its messages stands")
    purpose: Path | None = Field(None, description="where test, drill or canary stands")

    @field_validator("topic")
    @classmethod
    def _known_parts(cls, topic: str) -> str:
        names = _PART.findall(topic)
        unknown = [name for name in names if name not in _NAMES]
        if unknown:
            raise ValueError(f"{{{unknown[0]}}} is not known; use {{site}}, {{kind}} or {{device}}")
        if len(set(names)) != len(names):
            raise ValueError("the same part stands twice")
        return topic


class JsonMapping:
    """Reads messages as a `Mapping` says. Raises MessageError where they are not like that.

    A value that is absent is left out; a message without any is refused.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        steps = [_step(step) for step in mapping.topic.split("/")]
        self._topic = re.compile("/".join(steps))
        self._values = {
            metric: Value(path=value) if isinstance(value, str) else value for metric, value in mapping.values.items()
        }

    def __call__(self, topic: str, payload: bytes) -> Said:
        """What the message says in the hub's words."""
        limited(payload, MOST_BYTES)
        match = self._topic.fullmatch(topic)
        if match is None:
            raise MessageError("topic", f"{topic[:200]!r} is not like {self._mapping.topic!r}")
        named = match.groupdict()
        body = _parsed(payload)
        said = self._mapping
        device = named.get("device") or _text(_at(body, said.device))
        if not device:
            raise MessageError("invalid", "it does not say which device")
        found = {metric: _number(body, value) for metric, value in self._values.items()}
        t, sequence = _at(body, said.time), _at(body, said.sequence)
        return Said(
            site=named.get("site") or UNPLACED,
            kind=named.get("kind") or said.kind,
            device=device,
            values=checked({metric: number for metric, number in found.items() if number is not None}),
            t=instant(t if isinstance(t, str | int | float) and not isinstance(t, bool) else None),
            sequence=counted(sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None),
            purpose=purpose_of(_at(body, said.purpose)),
        )


def _step(step: str) -> str:
    if step == "+":
        return "[^/]+"
    if step == "#":
        return ".*"
    return "".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(_PART.split(step)))


def _parsed(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except RecursionError as error:
        raise MessageError("too_deep", "nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError("unreadable", str(error)) from error


def _at(body: Any, path: str | None) -> Any:
    if path is None:
        return None
    for step in path.split("."):
        if isinstance(body, dict):
            body = body.get(step)
        elif isinstance(body, list) and step.isdecimal() and int(step) < len(body):
            body = body[int(step)]
        else:
            return None
    return body


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(body: Any, value: Value) -> float | None:
    found = _at(body, value.path)
    if found is None:
        return None
    if isinstance(found, str) and found in value.states:
        return value.states[found]
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            raise MessageError("invalid", f"{value.path} is {found[:80]!r}, no number and no known state") from None
    if isinstance(found, dict | list):
        raise MessageError("invalid", f"{value.path} is no number")
    return float(found) * value.factor + value.offset
