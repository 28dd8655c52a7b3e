"""Trees of S-expressions, and back."""

from __future__ import annotations

import re
from typing import NamedTuple

from parsers.errors import TreeError
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree
from recnn.trees.values import as_features

_TOKEN = re.compile(
    r"""(?P<open>\()|(?P<close>\))|(?P<string>"(?:[^"\\]|\\.)*")|;[^\n]*|\s+|(?P<atom>[^()"\s;]+)""", re.S
)


class _Expression(NamedTuple):
    label: str
    word: str | None
    below: list[_Expression]


def from_sexpr(text: str) -> TypedTree:
    r"""Convert an S-expression to a tree.

    The type of a list is its first symbol, or empty if it does not begin with one. Symbols, numbers and strings are
    leaves of these types with their text as word; a number is also a numeric feature.

    >>> print(from_sexpr('(+ 1 (* x "a b"))  ; a comment'))
    +
    ├── number: 1
    └── *
        ├── symbol: x
        └── string: a b

    Raises:
        TreeError: there is no expression, or more than one, or a bracket or string does not end; the message has the
            line and the column.
    """
    top: list[_Expression] = []
    opened: list[tuple[list[_Expression], int]] = [(top, 0)]  # the parts of each open list, and its place
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise _error(text, place, "a string that does not end")
        if token["open"]:
            opened.append(([], place))
        elif token["close"]:
            if len(opened) == 1:
                raise _error(text, place, "a bracket that was not opened")
            opened[-2][0].append(_list(opened.pop()[0]))
        elif token["string"] or token["atom"]:
            opened[-1][0].append(_leaf(token["atom"], token["string"]))
        place = token.end()
    if len(opened) > 1:
        raise _error(text, opened[-1][1], "a bracket that is not closed")
    if len(top) != 1:
        raise TreeError(f"expected one S-expression, got {len(top)}")
    return from_nested(top[0], lambda e: e.below, lambda e: e.label, lambda e: e.word, _features)


def _error(text: str, place: int, problem: str) -> TreeError:
    line = text.count("\n", 0, place) + 1
    return TreeError(f"line {line}, column {place - text.rfind(chr(10), 0, place)}: {problem}")


def _list(parts: list[_Expression]) -> _Expression:
    if parts and parts[0].label == "symbol" and parts[0].word is not None:
        return _Expression(parts[0].word, None, parts[1:])
    return _Expression("", None, parts)


def _leaf(atom: str | None, string: str | None) -> _Expression:
    if atom is None:
        inner = re.sub(r"\\(.)", r"\1", (string or "")[1:-1], flags=re.S)
        return _Expression("string", inner, [])
    return _Expression("number" if _number(atom) is not None else "symbol", atom, [])


def _number(atom: str) -> float | None:
    return float(atom) if re.fullmatch(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", atom, re.ASCII) else None


def _features(expression: _Expression) -> tuple[float, ...]:
    if expression.label != "number" or expression.word is None:
        return ()
    return as_features(float(expression.word))


def to_sexpr(tree: TypedTree) -> str:
    """Convert a tree to an S-expression, the inverse of `from_sexpr`; without recursion.

    Raises:
        TreeError: the tree is not of this kind; the message has the index of the node.
    """
    below = tree.children()
    parts: list[str] = []
    agenda = [0]
    while agenda:
        node = agenda.pop()
        if node < 0:
            parts.append(")")
            continue
        label, word = tree.labels[node], tree.words[node]
        space = " " if parts and not parts[-1].endswith("(") else ""
        if word is None:
            parts.append(f"{space}({label}")
            agenda.extend([-1, *reversed(below[node])])
        elif below[node] or label not in ("string", "symbol", "number"):
            raise TreeError(f"node {node} ({label[:60]!r}) is not as `from_sexpr` makes it")
        else:
            escaped = re.sub(r'(["\\])', r"\\\1", word)
            parts.append(space + (f'"{escaped}"' if label == "string" else word))
    return "".join(parts)
