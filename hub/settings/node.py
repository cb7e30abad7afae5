"""A value of a YAML file that knows where it stands, so that every mistake can be pointed at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool | None
Step: TypeAlias = str | int


class Position(msgspec.Struct, frozen=True):
    """A place in a file. Line and column count from 1, as editors show them."""

    file: str
    line: int
    column: int


class Node(msgspec.Struct, frozen=True):
    """One value: a scalar, a list (tuple of nodes) or a map.

    `start` is where the value begins, `key` where its key stands (the value's own start, where it has none).
    `text` is a scalar as it was written. `over` is what a lower layer said at the same path, if anything.
    """

    start: Position
    key: Position
    value: Scalar | tuple[Node, ...] | dict[str, Node]
    text: str = ""
    over: Node | None = None

    def child(self, step: Step) -> Node | None:
        """The node one step down, or None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def at(self, path: Sequence[Step]) -> Node | None:
        """The node at the end of a path, or None."""
        node: Node | None = self
        for step in path:
            node = node.child(step) if node is not None else None
        return node

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def entries(self) -> dict[str, Node]:
        """The map's entries; empty where this is no map."""
        return self.value if isinstance(self.value, dict) else {}

    def under(self, step: Step) -> dict[str, Node]:
        """The entries of the map one step down; empty where there is none."""
        node = self.child(step)
        return node.entries() if node is not None else {}

    def history(self) -> Iterator[Node]:
        """This value, then what it overrode, the highest layer first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.over


def merge(low: Node, high: Node) -> Node:
    """`high` laid over `low`: maps merge, everything else (lists too) replaces."""
    if not isinstance(low.value, dict) or not isinstance(high.value, dict):
        return Node(start=high.start, key=high.key, value=high.value, text=high.text, over=low)
    entries = dict(low.value)
    for name, node in high.value.items():
        entries[name] = merge(entries[name], node) if name in entries else node
    return Node(start=high.start, key=high.key, value=entries, over=low.over)


def locate(root: Node, loc: Sequence[Step], kind: str) -> Position:
    """Where the error `kind` at pydantic's `loc` stands in the file.

    A missing key is shown at the map that lacks it, an unknown or bad key at the key itself, a wrong value at the
    value (a wrong map or block list at its key). Steps of `loc` that are no keys (names of union members) are
    skipped.
    """
    steps = list(loc)
    at_key = kind == "extra_forbidden"
    if steps and steps[-1] == "[key]":
        at_key = True
        steps.pop()
    node = root
    for step in steps:
        below = node.child(step)
        if below is not None:
            node = below
    if at_key or isinstance(node.value, dict | tuple):
        return node.key
    return node.start
