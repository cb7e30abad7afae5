"""One YAML file, read with the position of every value, or the list of what keeps it from being read."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from hub.errors import Mistake
from hub.settings.node import Node, Position, Scalar
from hub.settings.prelint import prelint

MAX_BYTES: Final = 2 * 2**20
"""One site of 10,000 devices fits; anything larger is not a settings file."""
MAX_DEPTH: Final = 24

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]{1,30}\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")

_REMEDIES: Final = {
    "mapping values are not allowed here": "check the colon and the indent of this line and the one above",
    "could not find expected ':'": "a key needs ': ' after it; check the indent",
    "cannot start any token": "quote the text",
    "unexpected end of stream": "close the quote",
    "but got '<stream end>'": "close the bracket",
    "expected ',' or": "close the bracket, or put a comma between the items",
}


class Document(msgspec.Struct, frozen=True):
    """A file that could be read. `name` is relative to the settings folder, `digest` its SHA-256."""

    name: str
    text: str
    digest: str
    root: Node


class Parsed(msgspec.Struct, frozen=True):
    """A document, where the file can be read at all, and everything wrong with its form."""

    document: Document | None
    mistakes: tuple[Mistake, ...] = ()


def parse(name: str, raw: bytes) -> Parsed:
    """Read one file. Never raises; every fault of form is a mistake with its position."""
    if len(raw) > MAX_BYTES:
        return _refused(Mistake(name, 1, 1, "", f"{len(raw)} bytes are too many", f"keep it under {MAX_BYTES} bytes"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig", "replace")) + 1
        return _refused(Mistake(name, line, column, "", "not UTF-8 text", "save the file as UTF-8"))
    text = text.replace("\r\n", "\n")
    lint = prelint(name, text)
    builder = _Builder(name)
    try:
        root = builder.build(text)
    except MarkedYAMLError as error:
        # A line with a full-width colon makes the parser complain about the next one: the first cause is enough.
        return Parsed(None, tuple(lint or [_broken(name, error)]))
    except ReaderError as error:
        before_char = text[: error.position]
        at = (before_char.count("\n") + 1, error.position - before_char.rfind("\n"))
        return _refused(Mistake(name, *at, "", "a control character", "delete it"))
    except _Unreadable as error:
        return Parsed(None, (*lint, error.mistake))
    digest = hashlib.sha256(raw).hexdigest()
    document = Document(name=name, text=text, digest=digest, root=root)
    return Parsed(document, tuple(lint + builder.mistakes))


def _refused(mistake: Mistake) -> Parsed:
    return Parsed(None, (mistake,))


def _broken(name: str, error: MarkedYAMLError) -> Mistake:
    problem = error.problem or "unreadable"
    unclosed = "<stream end>" in problem or "end of stream" in problem
    mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    remedy = next((text for words, text in _REMEDIES.items() if words in problem), "")
    if "expected <block end>" in problem and error.context_mark is not None:
        remedy = f"check the indent: its block begins on line {error.context_mark.line + 1}"
    return Mistake(name, line, column, "", f"not YAML: {problem}", remedy)


class _Unreadable(Exception):
    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(str(mistake))


class _Open:
    """A map or list whose end has not come yet."""

    def __init__(self, start: Position, key: Position, *, is_map: bool) -> None:
        self.start, self.key, self.is_map = start, key, is_map
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.pending: tuple[str, Position] | None = None
        self.doubled: bool = False


class _Builder:
    """Puts nodes together from the parser's events, without recursion, so that depth can't hurt."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node:
        """The root of `text`; an empty file is an empty map. Raises _Unreadable and ruamel's errors."""
        for event in YAML(typ="safe", pure=True).parse(text):
            self._take(event)
        if self._root is None or (self._root.value is None and not self._root.text):
            start = Position(self.file, 1, 1)
            return Node(start, start, {})
        if not isinstance(self._root.value, dict):
            self._note(self._root.start, "expected keys with values, such as 'site: cuihu'", "")
            return Node(self._root.start, self._root.start, {})
        return self._root

    def _note(self, at: Position, problem: str, remedy: str) -> None:
        path = ".".join(frame.pending[0] for frame in self._stack if frame.pending)
        self.mistakes.append(Mistake(at.file, at.line, at.column, path, problem, remedy))

    def _take(self, event: Event) -> None:
        at = Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _Unreadable(Mistake(self.file, at.line, at.column, "", "a second document", "delete the '---'"))
        elif isinstance(event, AliasEvent):
            self._note(at, f"the alias *{event.anchor} hides where a value comes from", "write the value, or a preset")
            self._add(Node(at, self._key(at), None, text=f"*{event.anchor}"), at)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, at)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._tagged(event, at)
            if len(self._stack) >= MAX_DEPTH:
                raise _Unreadable(Mistake(self.file, at.line, at.column, "", "nested too deeply", "flatten it"))
            frame = self._stack[-1] if self._stack else None
            if frame is not None and frame.is_map and frame.pending is None:
                raise _Unreadable(Mistake(self.file, at.line, at.column, "", "a key must be a plain word", ""))
            self._stack.append(_Open(at, self._key(at), is_map=isinstance(event, MappingStartEvent)))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            done = self._stack.pop()
            self._add(Node(done.start, done.key, done.entries if done.is_map else tuple(done.items)), done.start)

    def _key(self, at: Position) -> Position:
        frame = self._stack[-1] if self._stack else None
        return frame.pending[1] if frame is not None and frame.pending is not None else at

    def _tagged(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, at: Position) -> None:
        if event.tag is not None and str(event.tag) != "!":
            self._note(at, f"the tag {event.tag} means nothing here", "delete it")

    def _scalar(self, event: ScalarEvent, at: Position) -> None:
        self._tagged(event, at)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.is_map and frame.pending is None:
            frame.pending = (event.value, at)
            frame.doubled = event.value in frame.entries
            if event.value == "<<":
                self._note(at, "'<<' hides where a value comes from", "write the values, or a preset with 'like:'")
            elif frame.doubled:
                first = frame.entries[event.value].key
                self._note(at, f"the key stands here again; it is on line {first.line} already", "keep one of them")
            return
        plain = event.style in (None, "") and not event.tag
        value = resolve(event.value) if plain else event.value
        if value is None and frame is not None:
            # The parser places an absent value at the next token, which may be lines below: show its key.
            at = self._key(at) if not event.value else at
            self._note(at, "has no value", "give it a value, or delete the line")
        self._add(Node(at, self._key(at), value, text=event.value), at)

    def _add(self, node: Node, at: Position) -> None:
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        if not frame.is_map:
            frame.items.append(node)
            return
        if frame.pending is None:
            raise _Unreadable(Mistake(self.file, at.line, at.column, "", "a key must be a plain word", ""))
        name, _ = frame.pending
        if not frame.doubled and name != "<<":
            frame.entries[name] = node
        frame.pending = None


def resolve(text: str) -> Scalar:
    """What a plain (unquoted) scalar means in YAML 1.2: `22:30` and `yes` are text, `010` is ten."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL.match(text):
        return float(text.replace(".", "").lower())
    return text
