"""Trees of JSON values, and of nested lists and dictionaries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, NamedTuple

from parsers.errors import TreeError
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree


class _Member(NamedTuple):
    """A key of an object with its value."""

    key: str
    value: Any


def from_value(value: Any) -> TypedTree:
    """Convert nested lists, tuples and dictionaries with strings, numbers, booleans and None to a tree.

    The types are those of JSON: object, array, string, number, boolean and null. The entries of an object are nodes of
    the type member, whose word is the key, with the value below. A number is also a numeric feature.

    >>> print(from_value({"name": "duck", "sizes": [1, 2.5]}))
    object
    ├── member: name
    │   └── string: duck
    └── member: sizes
        └── array
            ├── number: 1
            └── number: 2.5

    Raises:
        TreeError: a value or key of another type, or a list or dictionary that contains itself.
    """
    return from_nested(value, _children, _label, _word, _numbers)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (_Member(key, below) for key, below in value.items())
    if isinstance(value, _Member):
        return (value.value,)
    return value if isinstance(value, list | tuple) else ()


def _label(value: Any) -> str:
    if isinstance(value, _Member):
        return "member"
    kinds = {dict: "object", str: "string", bool: "boolean", list: "array", tuple: "array", int: "number"}
    for kind, label in (kinds | {float: "number", type(None): "null"}).items():
        if isinstance(value, kind):
            return label
    raise TreeError(f"expected a value as in JSON, got {type(value).__name__}: use from_nested")


def _word(value: Any) -> str | None:
    if isinstance(value, _Member):
        if not isinstance(value.key, str):
            raise TreeError(f"expected strings as keys, got {value.key!r:.60}")
        return value.key
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value) if isinstance(value, int | float) else None
    except ValueError as error:  # an integer of many digits
        raise TreeError(str(error)) from None


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ()
    return as_features(value)


def as_features(value: float) -> tuple[float, ...]:
    """Return a number as a numeric feature, or nothing if it is not a finite one."""
    try:
        found = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return ()
    return (found,) if isfinite(found) else ()


def from_json(text: str | bytes) -> TypedTree:
    """Convert a JSON text to a tree, see `from_value`.

    Raises:
        TreeError: not JSON, or nested so deeply that Python's json module cannot read it (some 1,000 levels); convert
            the values of another reader by `from_value`.
    """
    return from_value(parsed_json(text))


def parsed_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises the errors of `from_json`."""
    try:
        if isinstance(text, bytes):  # json itself takes surrogates in UTF-8
            text = text.decode(json.detect_encoding(text))
        return json.loads(text)
    except RecursionError:
        raise TreeError("nested too deeply for Python's json module") from None
    except UnicodeDecodeError as error:
        raise TreeError(f"not {error.encoding.upper()} text (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise TreeError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:  # an integer of many digits
        raise TreeError(str(error)) from None


def to_value(tree: TypedTree) -> Any:
    """Convert a tree to nested lists and dictionaries, the inverse of `from_value`, but that tuples become lists.

    Raises:
        TreeError: the tree is not of this kind; the message has the index of the node.
    """
    below = tree.children()
    found: list[Any] = [None] * len(tree)
    for node in reversed(range(len(tree))):
        label, word, parts = tree.labels[node], tree.words[node], [found[child] for child in below[node]]
        _check(tree, node, below[node])
        if label == "object":
            found[node] = dict(parts)
        elif label == "member":
            found[node] = _Member(str(word), parts[0])
        elif label == "array":
            found[node] = parts
        else:
            found[node] = word if label == "string" else json.loads(word or "null")
    return found[0]


def to_json(tree: TypedTree) -> str:
    """Convert a tree to JSON text, whose values are those that the tree was made of; without recursion.

    Raises:
        TreeError: as in `to_value`.
    """
    below = tree.children()
    parts: list[str] = []
    agenda: list[int | str] = [0]
    while agenda:
        node = agenda.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        label, word = tree.labels[node], tree.words[node]
        _check(tree, node, below[node])
        if label in ("object", "array"):
            opened, closed = "{}" if label == "object" else "[]"
            parts.append(opened)
            inner: list[int | str] = [part for child in below[node] for part in (", ", child)][1:]
            agenda.extend([closed, *reversed(inner)])
        elif label == "member":
            parts.append(f"{json.dumps(word)}: ")
            agenda.extend(below[node])
        else:
            parts.append(json.dumps(word) if label == "string" else word or "null")
    return "".join(parts)


def _check(tree: TypedTree, node: int, below: list[int]) -> None:
    label, word = tree.labels[node], tree.words[node]
    problem = None
    if label in ("object", "member", "array"):
        members = sum(tree.labels[child] == "member" for child in below)
        if members != (len(below) if label == "object" else 0):
            problem = "an object has members below it, and no other node has"
        elif label == "member" and (word is None or len(below) != 1):
            problem = "a member has a key and one value"
    elif below or (word is None) != (label == "null") or not _is_scalar(label, word):
        problem = f"the word {word!r:.60} is not that of a JSON value"
    if problem:
        raise TreeError(f"node {node} ({label[:60]!r}): {problem}")


def _is_scalar(label: str, word: str | None) -> bool:
    if label in ("string", "null"):
        return True
    try:
        value = json.loads(word or "")
    except ValueError:
        return False
    return label == {bool: "boolean", int: "number", float: "number"}.get(type(value))
