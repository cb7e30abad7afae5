"""How nouns become bytes and back: JSON that a person can read, and raw bytes for pictures and video."""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec

from hub.errors import MessageError
from hub.model import Packet, ThermalFrame, VideoChunk

T = TypeVar("T", bound=msgspec.Struct)

META = "meta"
"""The header that carries everything of a bytes noun but its bytes."""

Headers = tuple[tuple[str, bytes], ...]

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {}


class _Chunk(msgspec.Struct, frozen=True):
    chunk: VideoChunk
    sizes: tuple[int, ...]


def encode(noun: msgspec.Struct) -> tuple[bytes, Headers]:
    """The value and headers of a noun. Raises ValueError on a number that is not finite: a bug of the writer."""
    if isinstance(noun, VideoChunk):
        bare = tuple(Packet(b"", p.pts, p.dts, p.key) for p in noun.packets)
        meta = _Chunk(msgspec.structs.replace(noun, packets=bare), tuple(len(p.data) for p in noun.packets))
        return b"".join(p.data for p in noun.packets), ((META, _encoder.encode(meta)),)
    if isinstance(noun, ThermalFrame):
        return noun.raw, ((META, _encoder.encode(msgspec.structs.replace(noun, raw=b""))),)
    value = _encoder.encode(noun)
    if b"null" in value and not _finite(noun):
        raise ValueError(f"{type(noun).__name__} holds a number that is not finite: {value[:200]!r}")
    return value, ()


def decode(noun: type[T], value: bytes, headers: Headers) -> T:
    """The noun in these bytes. Raises MessageError when it is not one; unknown fields are ignored."""
    if noun is VideoChunk:
        return _chunk(value, headers)  # type: ignore[return-value]  # the branch has just compared the type
    if noun is ThermalFrame:
        return _frame(value, headers)  # type: ignore[return-value]  # as above
    return parse(noun, value)


def parse(kind: type[T], value: bytes) -> T:
    """A struct from JSON, with every way in which JSON can be bad told as a MessageError."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(value)  # type: ignore[return-value]  # the decoder was made for `kind`
    except msgspec.ValidationError as error:
        raise MessageError("invalid", f"{kind.__name__}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError("unreadable", f"{kind.__name__}: {error}") from error
    except RecursionError as error:
        raise MessageError("too_deep", f"{kind.__name__}: nested too deeply") from error


def _chunk(value: bytes, headers: Headers) -> VideoChunk:
    meta = parse(_Chunk, _meta(headers))
    bare = meta.chunk.packets
    if len(bare) != len(meta.sizes) or min(meta.sizes, default=0) < 0 or sum(meta.sizes) != len(value):
        raise MessageError("truncated", f"a video chunk of {len(value)} bytes does not match its packet sizes")
    packets, start = [], 0
    for packet, size in zip(bare, meta.sizes, strict=True):
        packets.append(Packet(value[start : start + size], packet.pts, packet.dts, packet.key))
        start += size
    return msgspec.structs.replace(meta.chunk, packets=tuple(packets))


def _frame(value: bytes, headers: Headers) -> ThermalFrame:
    frame = parse(ThermalFrame, _meta(headers))
    if min(frame.width, frame.height) < 1 or frame.width * frame.height * 2 != len(value):
        raise MessageError("truncated", f"{len(value)} bytes are no {frame.width}x{frame.height} 16-bit picture")
    return msgspec.structs.replace(frame, raw=value)


def _meta(headers: Headers) -> bytes:
    for name, value in headers:
        if name == META:
            return value
    raise MessageError("no_meta", "a bytes record without its meta header")


def _finite(value: object) -> bool:
    # msgspec writes NaN and infinity as null, which no reader of a number accepts: better to fail at the writer.
    # Asked only where there is a null, for it takes five times as long as the writing.
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, msgspec.Struct):
        return all(_finite(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_finite, value))
    return True
