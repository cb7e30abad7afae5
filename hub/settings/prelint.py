"""Full-width characters, curly quotes and tabs where YAML expects structure, found before the parser is confused."""

from __future__ import annotations

import re
from typing import Final

from hub.errors import Mistake

FREE_TEXT: Final = frozenset({"why", "response", "note", "title", "description"})
"""Keys whose values are sentences: any punctuation is fine there."""

_INVISIBLE: Final = {
    "\u200b": "zero-width space",
    "\u200c": "zero-width character",
    "\u200d": "zero-width character",
    "\u2060": "zero-width character",
    "\ufeff": "byte order mark",
    "\u2028": "line separator",
    "\u2029": "paragraph separator",
    "\x85": "next-line character",
    "\u202e": "text direction mark",
}
_SPACES: Final = {"\t": "a tab", "\u3000": "an ideographic space", "\xa0": "a no-break space"}
_BRACKETS: Final = {"｛": "{", "｝": "}", "［": "[", "］": "]", "【": "[", "】": "]"}
_QUOTES: Final = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "＂": '"', "＇": "'"}
_KEY: Final = re.compile(r"[A-Za-z0-9_.\-]+\Z")
_BLOCK: Final = re.compile(r"[|>][+-]?[1-9]?[+-]?[ ]*(#.*)?\Z")


class _Lint:
    """The state that a line inherits from those above it: an open quote, open brackets, a block of text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.quote = ""
        self.depth = 0
        self.block: int | None = None

    def found(self, line: int, column: int, problem: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.file, line, column + 1, "", problem, remedy))

    def line(self, number: int, text: str) -> None:
        body = text.lstrip(" \t\u3000\xa0")
        indent = len(text) - len(body)
        if self.block is not None:
            if not body or indent > self.block:
                return
            self.block = None
        if not body:
            return
        if not self.quote and not body.startswith("#"):
            for column, char in enumerate(text[:indent]):
                if char in _SPACES:
                    self.found(number, column, f"{_SPACES[char]} in the indent", "indent with spaces")
        self._body(number, text, indent)

    def _body(self, number: int, text: str, start: int) -> None:
        key, token, column = "", start, start
        while column < len(text):
            char, fresh = text[column], not text[token:column].strip()
            if self.quote:
                if char == "\\" and self.quote == '"':
                    column += 1
                elif char == self.quote:
                    self.quote = ""
            elif char == "#" and (column == start or text[column - 1] in " \t"):
                return
            elif fresh and char in "\"'":
                self.quote = char
            elif char == ":" and (column + 1 == len(text) or text[column + 1] in " \t\u3000\xa0"):
                key, token = text[token:column].strip(" \"'"), column + 1
            elif fresh and char == "-" and text[column + 1 : column + 2] in ("", " "):
                token = column + 1
            elif fresh and self.depth == 0 and char in "|>" and _BLOCK.match(text[column:]):
                self.block = len(text) - len(text.lstrip(" "))
                return
            elif char in "{[" and (fresh or self.depth):
                self.depth, key, token = self.depth + 1, "", column + 1
            elif char in "}]" and self.depth:
                self.depth -= 1
            elif char == "," and self.depth:
                key, token = "", column + 1
            elif key not in FREE_TEXT:
                self._wide(number, column, char, text[token:column].strip(), key)
            column += 1

    def _wide(self, number: int, column: int, char: str, before: str, key: str) -> None:
        """Complains of a character that looks like structure. `before` is what precedes it in its token."""
        if char == "：" and not key and _KEY.match(before):
            self.found(number, column, f"full-width colon after '{before}'", f"write '{before}: ' in half width")
        elif char == "，" and self.depth:
            self.found(number, column, "full-width comma", "separate with ', ' in half width")
        elif char in _QUOTES and not before:
            self.found(number, column, f"curly quote {char}", f"quote with {_QUOTES[char]} or leave the quotes out")
        elif char in _BRACKETS and not before:
            self.found(number, column, f"full-width bracket {char}", f"write {_BRACKETS[char]}")
        elif char == "＃" and not before:
            self.found(number, column, "full-width ＃", "begin a comment with #")
        elif char == "－" and not before and not key:
            self.found(number, column, "full-width －", "begin a list item with '- '")
        elif char in "\u3000\xa0" and not before:
            self.found(number, column, f"{_SPACES[char]} before the value", "use a plain space")


def prelint(file: str, text: str) -> list[Mistake]:
    """What a parser would misread or report in the wrong place. Comments and sentences are left alone."""
    lint = _Lint(file)
    for number, line in enumerate(text.split("\n"), start=1):
        for column, char in enumerate(line):
            if char in _INVISIBLE:
                lint.found(number, column, f"an invisible {_INVISIBLE[char]}", "delete it")
        lint.line(number, line.rstrip("\r"))
    return lint.mistakes
