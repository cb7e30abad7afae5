"""What pydantic found wrong, in words an operator can act on, at the place to mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hub.errors import Mistake
from hub.settings.node import Node, Step, locate
from hub.settings.quantity import Unit

_OWN_PATH: Final = re.compile(r"([A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*): (.+)\Z", re.DOTALL)
_BOUNDS: Final = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_KINDS: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a map of names",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "date_from_datetime_parsing": "a date such as 2027-03-31",
    "date_type": "a date such as 2027-03-31",
    "date_parsing": "a date such as 2027-03-31",
}
"""Every kind of "this is the wrong sort of value", and what belongs there."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    folded = {name.lower().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name."""
    names = sorted(known)
    close = nearest(word, names)
    if close is not None:
        return f"did you mean '{close}'?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 30 else ""


def explain(error: ValidationError, root: Node, model: type[BaseModel], prefix: Sequence[Step] = ()) -> list[Mistake]:
    """Each error of validating `root` with `model`, with position. `prefix` is where `root` stands in its file."""
    return [_mistake(details, root, model, prefix) for details in error.errors(include_url=False)]


def _mistake(details: ErrorDetails, root: Node, model: type[BaseModel], prefix: Sequence[Step]) -> Mistake:
    loc, kind = details["loc"], details["type"]
    node = _deepest(root, loc)
    problem, remedy = _words(details, node, model)
    if kind == "value_error" and (own := _OWN_PATH.match(problem)):
        # A check across fields names the one to mend in front of its sentence.
        steps = (*loc, *own.group(1).split("."))
        if _deepest(root, steps) is not node:
            loc, problem = steps, own.group(2)
    if kind == "value_error" and "; " in problem:
        problem, remedy = problem.split("; ", 1)
    position = locate(root, loc, kind)
    path = ".".join(str(step) for step in (*prefix, *loc) if step != "[key]")
    return Mistake(position.file, position.line, position.column, path, problem, remedy)


def _deepest(root: Node, loc: Sequence[Step]) -> Node:
    node = root
    for step in loc:
        node = node.child(step) or node
    return node


def _words(details: ErrorDetails, node: Node, model: type[BaseModel]) -> tuple[str, str]:
    loc, kind, context = details["loc"], details["type"], details.get("ctx", {})
    written = str(loc[-2]) if len(loc) > 1 and loc[-1] == "[key]" else node.text
    shown = f"'{written}'" if written else "this"
    if kind == "missing":
        return f"'{loc[-1]}' is missing", f"add '{loc[-1]}:'"
    if kind == "extra_forbidden":
        return f"unknown key '{loc[-1]}'", suggestion(str(loc[-1]), known_keys(model, loc[:-1]))
    if kind == "value_error":
        return str(context.get("error", details["msg"])), ""
    if kind in ("literal_error", "enum"):
        words = re.findall(r"'([^']*)'|(\d+)", str(context.get("expected", "")))
        allowed = [text or number for text, number in words]
        close = nearest(written, allowed)
        meant = f"did you mean '{close}'? " if close else ""
        return f"{shown} is none of the words known here", f"{meant}use one of: {', '.join(allowed)}"
    if kind in _BOUNDS:
        name, words_ = _BOUNDS[kind]
        unit = _unit(model, loc)
        bound = unit.text(float(context[name])) if unit else context[name]
        return f"{shown} is out of range; it must be {words_} {bound}", ""
    if kind == "string_type" and isinstance(node.value, int | float | bool):
        return f"{shown} is read as a number or true/false, not as text", f'quote it: "{node.text}"'
    if kind in _KINDS:
        return f"{shown} is not {_KINDS[kind]}", f"write {_KINDS[kind]}"
    return str(details["msg"]), ""


def known_keys(model: type[BaseModel], loc: Sequence[Step]) -> set[str]:
    """The keys that a map at `loc` of this model may have; empty where any name fits."""
    return {name for found in _models(model, loc) for name in found.model_fields}


def _models(annotation: Any, loc: Sequence[Step]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not loc:
            return [annotation]
        field = annotation.model_fields.get(str(loc[0]))
        if field is not None:
            return _models(field.annotation, loc[1:])
        return _models(annotation, loc[1:])  # the step is the name of a union member
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    mapping = getattr(annotation, "__origin__", None)
    rest = loc[1:] if mapping in (dict, tuple, list, frozenset, set) else loc
    if mapping in (dict, tuple, list, frozenset, set) and not loc:
        return []
    return [found for arg in inner for found in _models(arg, rest)]


def _unit(model: type[BaseModel], loc: Sequence[Step]) -> Unit | None:
    """The unit of the quantity at `loc`."""
    for depth in range(len(loc), 0, -1):
        for owner in _models(model, loc[: depth - 1]):
            field = owner.model_fields.get(str(loc[depth - 1]))
            if field is not None:
                return unit_of(field)
    return None


def unit_of(field: FieldInfo) -> Unit | None:
    """The unit that a field is written in, if it is a quantity."""
    return next((mark for mark in (*field.metadata, *_marks(field.annotation)) if isinstance(mark, Unit)), None)


def _marks(annotation: Any) -> list[Any]:
    marks = list(getattr(annotation, "__metadata__", ()))
    for arg in get_args(annotation):
        marks += _marks(arg)
    return marks
