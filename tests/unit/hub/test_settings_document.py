"""Reading one YAML file: values with positions, and what keeps a file from being read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import Mistake
from hub.settings.document import MAX_BYTES, parse
from hub.settings.node import locate, merge
from hub.settings.wording import explain


def read(text: str) -> Any:
    """The plain value of a text without mistakes."""
    parsed = parse("a.yaml", text.encode())
    assert parsed.mistakes == ()
    assert parsed.document is not None
    return parsed.document.root.plain()


def mistakes(text: str | bytes) -> Sequence[Mistake]:
    return parse("a.yaml", text.encode() if isinstance(text, str) else text).mistakes


def first(text: str | bytes) -> tuple[int, int, str]:
    """Line, column and problem of the only mistake."""
    found = mistakes(text)
    assert len(found) == 1, found
    return found[0].line, found[0].column, found[0].problem


def test_reads_yaml_1_2() -> None:
    assert read("at: 22:30\nyes: no\nten: 010\nhalf: 0.5\nn: -3\non: true\nquoted: '12'\nlist: [a, 1]\n") == {
        "at": "22:30",
        "yes": "no",
        "ten": 10,
        "half": 0.5,
        "n": -3,
        "on": True,
        "quoted": "12",
        "list": ["a", 1],
    }


def test_an_empty_file_is_an_empty_map() -> None:
    assert read("") == {}
    assert read("# nothing yet\n") == {}


def test_windows_text_is_read_as_any_other() -> None:
    parsed = parse("a.yaml", b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert parsed.mistakes == ()
    assert parsed.document is not None
    assert parsed.document.root.plain() == {"a": 1, "b": "x"}
    assert parsed.document.root.entries()["b"].start.line == 2


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "line 1 already"),
        ("a:\n  b: 1\n\n  c: 2\n  b: 3\n", 5, 3, "line 2 already"),
        ("a: 1\nb:\nc: 2\n", 2, 1, "has no value"),
        ("a: ~\n", 1, 4, "has no value"),
        ("a: &x 1\nb: *x\n", 2, 4, "alias"),
        ("a: {b: 1}\nc:\n  <<: {b: 1}\n", 3, 3, "<<"),
        ("a: !secret x\n", 1, 4, "tag"),
        ("- a\n- b\n", 1, 1, "expected keys"),
        ("just text\n", 1, 1, "expected keys"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("a: 1\n b: 2\n", 2, 3, "not YAML"),
        ("a: 1\nb: [1, 2\n", 2, 4, "not YAML"),
        ("a: 'x\nb: 1\n", 1, 4, "not YAML"),
        ("? [1, 2]\n: x\n", 1, 3, "key"),
        ("a: \x07\n", 1, 4, "control character"),
        ("x: " + "[" * 100 + "]" * 100, 1, 27, "too deeply"),
    ],
)
def test_says_where_the_form_is_wrong(text: str, line: int, column: int, words: str) -> None:
    found = first(text)
    assert found[:2] == (line, column)
    assert words in found[2]


def test_a_hundred_thousand_brackets_do_no_harm() -> None:
    assert "too deeply" in first("a: " + "[" * 100_000)[2]


def test_laughs_are_refused_before_they_multiply() -> None:
    text = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
    assert {(m.line, m.column) for m in mistakes(text)} == {(2, 8), (2, 12), (3, 8), (3, 12)}


def test_every_mistake_of_a_file_is_told() -> None:
    assert [m.line for m in mistakes("a: 1\na: 2\nb:\nc: *x\n")] == [2, 3, 4]


def test_other_encodings_are_pointed_at() -> None:
    assert first("a: 1\nname: 翠湖苑\n".encode("gbk")) == (2, 7, "not UTF-8 text")
    assert first("a: 1\n".encode("utf-16"))[:2] == (1, 1)


def test_files_too_large_are_not_read() -> None:
    assert "too many" in first(b"a: 1\n" + b"#" * MAX_BYTES)[2]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("fixed:\n  alarm：75 °C\n  hold: 3 s\n", 2, 8, "full-width colon"),
        ("fixed: {at：75 °C, hold: 3 s}\n", 1, 11, "full-width colon"),
        ("fixed: {at: 75 °C，hold: 3 s}\n", 1, 18, "full-width comma"),
        ("a:\n  b: [1，2]\n", 2, 8, "full-width comma"),
        ("a:\n　b: 1\n", 2, 1, "ideographic space"),
        ("a:\n\tb: 1\n", 2, 1, "tab"),
        ("a: “x”\n", 1, 4, "curly quote"),
        ("a:　x\n", 1, 3, "ideographic space"),
        ("like: 【a】\n", 1, 7, "full-width bracket"),
        ("＃ comment\na: 1\n", 1, 1, "full-width ＃"),
        ("a:\n－ x\n", 2, 1, "full-width －"),
        ("a: 1\u200b\n", 1, 5, "zero-width"),
    ],
)
def test_full_width_structure_is_pointed_at(text: str, line: int, column: int, words: str) -> None:
    assert any((m.line, m.column) == (line, column) and words in m.problem for m in mistakes(text)), mistakes(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1 # 注释：“可以”，随便写\n",
        "why: 反光，20 s 内消失：“无妨”\n",
        "name: 翠湖苑（一期），东区\n",
        "a: {why: 反光，20 s 内消失, b: 1}\n",
        "a: '“x”，：'\n",
        'a: "x：\\"，"\n',
        "a: |\n  alarm：75\n  \tx\n  “y”\nb: 1\n",
        "a: don't\nb: it's\n",
    ],
)
def test_sentences_may_be_chinese(text: str) -> None:
    assert mistakes(text) == ()


def test_the_cause_is_told_not_what_the_parser_made_of_it() -> None:
    found = mistakes("alarm：75 °C\nhold: 3 s\n")
    assert [(m.line, m.column) for m in found] == [(1, 6)]
    assert "alarm: " in found[0].remedy


@given(st.binary(max_size=200))
def test_no_bytes_can_raise(raw: bytes) -> None:
    parsed = parse("a.yaml", raw)
    assert parsed.document is not None or parsed.mistakes


@given(st.text(alphabet="ab:-#[]{},'\"|>&*!%@`?\n \t：，“”　0.~<", max_size=60))
def test_no_text_can_raise(text: str) -> None:
    parsed = parse("a.yaml", text.encode())
    assert parsed.document is not None or parsed.mistakes
    for mistake in parsed.mistakes:
        assert 1 <= mistake.line <= text.count("\n") + 1
        assert mistake.column >= 1


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = Field(5, ge=1, le=9)
    text: str = Field("", min_length=0, max_length=5, pattern="^[a-z]*$")
    words: tuple[str, ...] = Field(("x",), min_length=1, max_length=2)
    pick: Literal["red", "blue"] = "red"
    ratio: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    flag: bool = True
    day: date = date(2026, 1, 1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    need: int
    inner: Inner = Inner()
    named: dict[str, Inner] = {}
    numbered: dict[int, str] = {}
    either: Inner | int = 1


@pytest.mark.parametrize(
    ("text", "kind", "line", "column"),
    [
        ("inner: {n: 1}\n", "missing", 1, 1),
        ("need: 1\nbad: 2\n", "extra_forbidden", 2, 1),
        ("need: 1\ninner:\n  m: 2\n", "extra_forbidden", 3, 3),
        ("need: 1\nnamed:\n  a: {n: 3, m: 2}\n", "extra_forbidden", 3, 13),
        ("need: x\n", "int_parsing", 1, 7),
        ("need: 1.5\n", "int_from_float", 1, 7),
        ("need: [1]\n", "int_type", 1, 1),
        ("need: 1\ninner: 3\n", "model_type", 2, 8),
        ("need: 1\nnamed: [1]\n", "dict_type", 2, 1),
        ("need: 1\nnamed:\n  a: x\n", "model_type", 3, 6),
        ("need: 1\nnumbered: {a: x}\n", "int_parsing", 2, 12),
        ("need: 1\ninner: {n: 99}\n", "less_than_equal", 2, 12),
        ("need: 1\ninner: {n: 0}\n", "greater_than_equal", 2, 12),
        ("need: 1\ninner: {ratio: 0}\n", "greater_than", 2, 16),
        ("need: 1\ninner: {ratio: 1}\n", "less_than", 2, 16),
        ("need: 1\ninner: {ratio: .inf}\n", "finite_number", 2, 16),
        ("need: 1\ninner: {ratio: x}\n", "float_parsing", 2, 16),
        ("need: 1\ninner: {ratio: [x]}\n", "float_type", 2, 9),
        ("need: 1\ninner: {text: 12}\n", "string_type", 2, 15),
        ("need: 1\ninner: {text: A}\n", "string_pattern_mismatch", 2, 15),
        ("need: 1\ninner: {text: abcdef}\n", "string_too_long", 2, 15),
        ("need: 1\ninner: {words: []}\n", "too_short", 2, 9),
        ("need: 1\ninner: {words: [a, b, c]}\n", "too_long", 2, 9),
        ("need: 1\ninner: {words: x}\n", "tuple_type", 2, 16),
        ("need: 1\ninner:\n  words:\n    - a\n    - 2\n", "string_type", 5, 7),
        ("need: 1\ninner: {pick: green}\n", "literal_error", 2, 15),
        ("need: 1\ninner: {flag: maybe}\n", "bool_parsing", 2, 15),
        ("need: 1\ninner: {flag: [1]}\n", "bool_type", 2, 9),
        ("need: 1\ninner: {day: soon}\n", "date_from_datetime_parsing", 2, 14),
        ("need: 1\neither: {n: 99}\n", "less_than_equal", 2, 13),
    ],
)
def test_locates_each_kind_of_error(text: str, kind: str, line: int, column: int) -> None:
    document = parse("a.yaml", text.encode()).document
    assert document is not None
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document.root.plain())
    errors = {error["type"]: error for error in caught.value.errors()}
    assert kind in errors
    at = locate(document.root, errors[kind]["loc"], kind)
    assert (at.line, at.column) == (line, column)
    told = explain(caught.value, document.root, Outer)
    assert (line, column) in {(m.line, m.column) for m in told}
    assert all(m.problem for m in told)


def words_for(text: str) -> Mistake:
    document = parse("a.yaml", text.encode()).document
    assert document is not None
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document.root.plain())
    return explain(caught.value, document.root, Outer)[0]


def test_suggests_the_nearest_key_and_word() -> None:
    assert words_for("need: 1\nner: 3\n").remedy == "did you mean 'inner'?"
    assert words_for("need: 1\nnamed: {a: {worts: [x]}}\n").remedy == "did you mean 'words'?"
    assert "did you mean 'blue'?" in words_for("need: 1\ninner: {pick: blu}\n").remedy
    assert words_for("need: 1\nxyzzy: 3\n").remedy.startswith("known here: ")
    assert words_for("need: 1\ninner: {text: 0123}\n").remedy == 'quote it: "0123"'


def test_merging_keeps_positions_and_what_was_overridden() -> None:
    low = parse("low.yaml", b"a: {x: 1, y: [1, 2], z: 3}\n").document
    high = parse("high.yaml", b"a:\n  x: 9\n  y: [5]\n").document
    assert low is not None
    assert high is not None
    both = merge(low.root, high.root)
    assert both.plain() == {"a": {"x": 9, "y": [5], "z": 3}}
    x, z = both.at(["a", "x"]), both.at(["a", "z"])
    assert x is not None
    assert z is not None
    assert [(n.start.file, n.start.line, n.value) for n in x.history()] == [("high.yaml", 2, 9), ("low.yaml", 1, 1)]
    assert z.start.file == "low.yaml"
