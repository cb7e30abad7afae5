"""Texts of a fixed form, such as ids and addresses, that say in words what they expect."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema


def form(pattern: str, words: str, example: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Metadata of a text that has to match all of `pattern`; `words` say so to people."""
    whole = re.compile(pattern)

    def read(value: str) -> str:
        if whole.fullmatch(value) is None:
            raise ValueError(f"'{value}' does not fit; expected {words}, such as '{example}'")
        return value

    schema = {
        "type": "string",
        "pattern": f"^{pattern}$",
        "patternErrorMessage": f"expected {words}, such as '{example}'",
        "examples": [example],
    }
    return AfterValidator(read), WithJsonSchema(schema)


def _some_text(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; write some text, or delete the line")
    return value


_ID, _PLACE, _FULL_PLACE, _RTSP, _STREAM, _HTTP, _VARIABLE = (
    form("[a-z0-9][a-z0-9-]{0,62}", "small letters, digits and '-'", "b3-south"),
    form("[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*(/-?[0-9]{1,3})?)?", "building/unit/floor or an area", "b3/u1/12"),
    form("[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*){0,2}", "site, site/building or site/building/unit", "cuihu/b3"),
    form(r"(rtsp|rtsps|file)://\S+", "an RTSP address", "rtsp://10.0.0.8/1"),
    form(r"[a-z0-9][a-z0-9-]*:/\S*", "the name of a base and a path", "nvr:/b3-south"),
    form(r"https?://[^\s/]+\S*", "an HTTP address", "https://hotline.example/orders"),
    form("[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", "MQTT_PASSWORD"),
)

Id = Annotated[str, *_ID]
Name = Annotated[str, BeforeValidator(_some_text), Field(max_length=80)]
RelativePlace = Annotated[str, *_PLACE]
FullPlace = Annotated[str, *_FULL_PLACE]
StreamAddress = Annotated[str, *_RTSP]
StreamPath = Annotated[str, *_STREAM]
HttpAddress = Annotated[str, *_HTTP]
Variable = Annotated[str, *_VARIABLE]
