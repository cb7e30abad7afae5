"""What decoders make of messages, good and bad: a result or a reason, never anything else."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ingest.decoders as families
from hub.errors import ConfigError, MessageError
from ingest.decoders import TABLE, decoder
from ingest.decoders.json_mapping import Mapping
from ingest.said import Said, SaidFrame

TOPIC = "property/cuihu/smoke/smoke-b3-12"
THERMAL = "property/cuihu/thermal/th-b3"
MAPPING = {
    "topic": "acme/{site}/+/{device}/up",
    "kind": "smoke",
    "values": {
        "smoke_alarm": {"path": "data.state", "states": {"ALARM": 1, "OK": 0}},
        "temperature": {"path": "data.temp.0", "factor": 0.1, "offset": -5},
    },
    "time": "data.ts",
    "sequence": "n",
    "purpose": "mode",
}
ACME = "acme/cuihu/gw1/sn-0815/up"


def said(payload: dict[str, Any] | bytes, topic: str = TOPIC) -> Said:
    out = decoder("hub-json")(topic, payload if isinstance(payload, bytes) else msgspec.json.encode(payload))
    assert isinstance(out, Said)
    return out


def refused(decode: Callable[[str, bytes], object], topic: str, payload: bytes) -> str:
    with pytest.raises(MessageError) as error:
        decode(topic, payload)
    return error.value.reason


def test_the_hubs_own_json() -> None:
    message = {"t": 1_800_000_000.25, "seq": 17, "values": {"smoke_alarm": True, "temperature": 23.5}, "battery": 0.93}
    assert said(message) == Said(
        site="cuihu",
        kind="smoke",
        device="smoke-b3-12",
        values={"smoke_alarm": 1.0, "temperature": 23.5, "battery": 0.93},
        t=1_800_000_000.25,
        sequence=17,
    )


@pytest.mark.parametrize(
    ("t", "understood"),
    [
        (1_800_000_000, 1_800_000_000.0),
        (1_800_000_000_123, 1_800_000_000.123),
        ("2027-01-15T08:00:00Z", 1_800_000_000.0),
        ("2027-01-15T16:00:00.5+08:00", 1_800_000_000.5),
        ("2027-01-15T16:00:00", None),
        ("yesterday", None),
        (-5, None),
        (1e300, None),
        (None, None),
    ],
)
def test_a_device_may_tell_its_time_in_several_ways_and_an_alarm_outlives_a_bad_one(
    t: object, understood: float | None
) -> None:
    assert said({"t": t, "values": {"smoke_alarm": 1}}).t == understood


@pytest.mark.parametrize(
    ("claimed", "given_"), [("test", "test"), ("drill", "drill"), ("canary", "canary"), ("replay", "live"), (7, "live")]
)
def test_only_three_purposes_are_honoured(claimed: object, given_: str) -> None:
    assert said({"values": {"smoke_alarm": 1}, "purpose": claimed}).purpose == given_


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"{", "unreadable"),
        (b"\xff\xfe{}", "unreadable"),
        (b'{"values": {"temperature": NaN}}', "unreadable"),
        (b'{"values": {"temperature": Infinity}}', "unreadable"),
        (b'{"values": {"temperature": "hot"}}', "invalid"),
        (b'{"values": {}}', "invalid"),
        (b'{"values": {"a b": 1}}', "invalid"),
        (b'{"values": {"a\\u0000": 1}}', "invalid"),
        (b'{"seq": 1}', "invalid"),
        (b"[1, 2]", "invalid"),
        (b'{"values": {"x": 1}, "deep": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "too_deep"),
        (b'{"values": {"x": 1}, "long": "' + b"x" * 100_000 + b'"}', "too_large"),
        (msgspec.json.encode({"values": {f"v{i}": i for i in range(100)}}), "too_large"),
    ],
)
def test_bad_json_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    assert refused(decoder("hub-json"), TOPIC, payload) == reason


@pytest.mark.parametrize("topic", ["property", "property/cuihu/smoke", "property/cuihu//x", "property/a/b/c/d"])
def test_topics_of_another_shape_are_refused(topic: str) -> None:
    assert refused(decoder("hub-json"), topic, b'{"values": {"x": 1}}') == "topic"


def test_numbers_that_json_can_write_but_nobody_can_hold() -> None:
    for text in (b"1e999", b"-1e999", b"1" + b"0" * 400):
        with pytest.raises(MessageError):
            said(b'{"values": {"temperature": ' + text + b"}}")


def picture(width: int = 4, height: int = 3, **changed: float) -> bytes:
    fields = {"t": 1_800_000_000.0, "seq": 3, "scale": 0.01, "offset": -273.15, "low": -20.0, "high": 550.0} | changed
    head = struct.pack(
        "<dIHHffffB3x",
        fields["t"], int(fields["seq"]), width, height,
        fields["scale"], fields["offset"], fields["low"], fields["high"], 1,
    )  # fmt: skip
    return b"HTF1" + head + np.arange(width * height, dtype="<u2").tobytes()


def test_a_thermal_picture() -> None:
    frame = decoder("hub-json")(THERMAL, picture())
    assert isinstance(frame, SaidFrame)
    assert (frame.site, frame.camera, frame.width, frame.height, frame.sequence) == ("cuihu", "th-b3", 4, 3, 3)
    assert frame.t == 1_800_000_000.0
    assert frame.raw == np.arange(12, dtype="<u2").tobytes()
    assert frame.radiometric
    untimed = decoder("thermal-binary")(THERMAL, picture(t=0.0))
    assert untimed.t is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (picture()[:-1], "truncated"),
        (picture() + b"\0", "truncated"),
        (b"HTF1" + bytes(10), "truncated"),
        (b"HTF2" + bytes(100), "invalid"),
        (picture(scale=math.nan), "not_finite"),
        (picture(high=math.inf), "not_finite"),
        (picture(scale=0.0), "invalid"),
        (picture(low=600.0), "invalid"),
        (b"", "empty"),
    ],
)
def test_bad_thermal_pictures_are_refused_with_their_reason(payload: bytes, reason: str) -> None:
    assert refused(decoder("hub-json"), THERMAL, payload) == reason


@pytest.mark.parametrize(("hottest", "within"), [(80.0, 0.006), (900.0, 0.03)])
def test_a_small_array_keeps_its_temperatures(hottest: float, within: float) -> None:
    celsius = [20.0, 21.37, hottest, -10.2, 0.0, 35.5]
    body = {"width": 3, "height": 2, "range": [-20, 300], "celsius": celsius, "seq": 9}
    frame = decoder("hub-json")(THERMAL, msgspec.json.encode(body))
    assert isinstance(frame, SaidFrame)
    back = np.frombuffer(frame.raw, "<u2") * frame.scale + frame.offset
    assert np.abs(back - celsius).max() < within
    wrong = msgspec.json.encode(body | {"width": 4})
    assert refused(decoder("thermal-json"), THERMAL, wrong) == "truncated"


def test_another_makers_json() -> None:
    decode = decoder("json-mapping", MAPPING)
    body = {"data": {"state": "ALARM", "temp": [251], "ts": 1_800_000_000_000}, "n": 5, "mode": "drill"}
    assert decode(ACME, msgspec.json.encode(body)) == Said(
        site="cuihu",
        kind="smoke",
        device="sn-0815",
        values={"smoke_alarm": 1.0, "temperature": pytest.approx(20.1)},  # type: ignore[dict-item]  # approx is no float
        t=1_800_000_000.0,
        sequence=5,
        purpose="drill",
    )
    partial = decode(ACME, b'{"data": {"state": "OK"}}')
    assert isinstance(partial, Said)
    assert partial.values == {"smoke_alarm": 0.0}


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (ACME, b'{"data": {"state": "MAYBE"}}', "invalid"),
        (ACME, b'{"data": {"temp": ["nan"]}}', "not_finite"),
        (ACME, b'{"data": {"temp": [[1]]}}', "invalid"),
        (ACME, b'{"data": {}}', "invalid"),
        (ACME, b"[" * 50_000, "too_deep"),
        ("acme/cuihu/sn", b'{"data": {"state": "OK"}}', "topic"),
    ],
)
def test_what_does_not_fit_the_mapping_is_refused(topic: str, payload: bytes, reason: str) -> None:
    assert refused(decoder("json-mapping", MAPPING), topic, payload) == reason


@pytest.mark.parametrize(
    "change",
    [{"topic": "a/{room}"}, {"topic": "{site}/{site}"}, {"values": {}}, {"vaules": {}}, {"time": "a b"}, {"kind": 3}],
)
def test_a_wrong_mapping_is_a_mistake_in_the_configuration(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        decoder("json-mapping", MAPPING | change)


def test_an_unknown_decoder_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="hub-json"):
        decoder("hub-jason")
    with pytest.raises(ConfigError, match="mapping"):
        decoder("json-mapping")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "t": JSON,
        "seq": JSON,
        "values": st.dictionaries(st.text(max_size=3), JSON, max_size=4),
        "battery": JSON,
        "purpose": JSON,
        "data": st.fixed_dictionaries({}, optional={"state": JSON, "temp": JSON, "ts": JSON}),
        "n": JSON,
        "width": st.integers(-1, 4),
        "height": st.integers(-1, 4),
        "range": st.lists(st.floats(), max_size=3),
        "celsius": st.lists(st.floats(), max_size=9),
    },
)


def _lenient(body: object) -> bytes:
    return json.dumps(body, allow_nan=True).encode()  # as devices with a careless library write it


PAYLOADS = (
    st.binary(max_size=300)
    | SHAPED.map(_lenient)
    | st.binary(max_size=60).map(lambda tail: b"HTF1" + tail)
    | st.tuples(st.integers(0, 60), st.binary(max_size=3)).map(lambda cut: picture()[: cut[0]] + cut[1])
)


@given(
    name=st.sampled_from(sorted(TABLE)),
    topic=st.sampled_from([TOPIC, THERMAL, ACME]) | st.text(max_size=40),
    payload=PAYLOADS,
)
@example(name="hub-json", topic=TOPIC, payload=b'{"values":{"x":1},"t":' + b"[" * 5000)
def test_every_decoder_gives_a_whole_result_or_a_reason(name: str, topic: str, payload: bytes) -> None:
    try:
        out = decoder(name, MAPPING if name == "json-mapping" else None)(topic, payload)
    except MessageError:
        return
    assert out.sequence is None or 0 <= out.sequence < 2**63
    assert out.t is None or 0 < out.t < 1e10
    assert out.purpose in {"live", "test", "drill", "canary"}
    if isinstance(out, Said):
        assert out.values
        assert all(math.isfinite(value) for value in out.values.values())
    else:
        assert len(out.raw) == out.width * out.height * 2
        assert out.scale > 0
        assert math.isfinite(out.offset)


def test_every_decoder_file_is_in_the_table_and_says_what_it_is() -> None:
    files = {path.stem.replace("_", "-") for path in Path(families.__file__).parent.glob("*.py")} - {"--init--"}
    assert files == set(TABLE)
    assert all(field.description for field in Mapping.model_fields.values())
