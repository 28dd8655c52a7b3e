"""Trees of Python source, as in the `ast` module, and back."""

from __future__ import annotations

import ast
import re
import warnings
from functools import cache
from typing import Any, NamedTuple

from parsers.errors import TreeError
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree
from recnn.trees.values import as_features

_SCALARS = {"identifier", "constant", "string", "int"}
_DEFAULTS = {"conversion": -1, "level": 0, "is_async": 0, "simple": 1}
"""Values of integer fields that have no node."""


class _Field(NamedTuple):
    """A field of a syntax node that may be missing, or has several values."""

    name: str
    values: tuple[Any, ...]
    word: str | None = None


class _Declared(NamedTuple):
    """A field as the abstract grammar declares it."""

    name: str
    kind: str
    mark: str
    """``?`` if it may be missing, ``*`` if it has several values."""


@cache
def _grammar() -> dict[str, tuple[_Declared, ...]]:
    """Return the fields of each class of syntax nodes, from the abstract grammar in the docstrings of `ast`."""
    found = {}
    classes = [ast.AST]
    for kind in classes:  # the list grows during the loop
        classes.extend(kind.__subclasses__())
        if match := re.fullmatch(rf"{kind.__name__}(?:\((.*)\))?", kind.__doc__ or "", flags=re.DOTALL):
            fields = re.findall(r"(\w+)([?*]?)\s+(\w+)", match[1] or "")
            found[kind.__name__] = tuple(_Declared(name, type_, mark) for type_, mark, name in fields)
    return found


@cache
def _word_field(label: str) -> str | None:
    """Return the name of the field that is the word of a node: its first name, or the value of a constant."""
    fields = _grammar()[label]
    return next((name for name, kind, mark in fields if kind in ("identifier", "constant") and mark != "*"), None)


def from_python(source: str | bytes | ast.AST) -> TypedTree:
    """Convert Python source to its syntax tree.

    The type of a node is the class of `ast`, such as Name or Call; its word is the name, or the text of a constant. A
    field that may be missing or has several values, such as body or orelse, is a node, too, if it is not empty. The
    context Load has no node. A constant that is a number is also a numeric feature.

    >>> print(from_python("x = f(1)"))
    Module
    └── body
        └── Assign
            ├── targets
            │   └── Name: x
            │       └── Store
            └── Call
                ├── Name: f
                └── args
                    └── Constant: 1

    Args:
        source: source as text, or bytes in any encoding that it declares; or a node of the `ast` module.

    Raises:
        TreeError: not Python source of the running version, or nested too deeply for Python's parser.
    """
    root = source if isinstance(source, ast.AST) else _parsed(source)
    return from_nested(root, _children, _label, _word, _numbers)


def _parsed(source: str | bytes) -> ast.AST:
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes in strings
            return ast.parse(source)
    except SyntaxError as error:
        raise TreeError(f"line {error.lineno or 1}, column {max(1, error.offset or 1)}: {error.msg}") from None
    except ValueError as error:  # a NUL character
        raise TreeError(str(error)) from None
    except (RecursionError, MemoryError):
        raise TreeError("nested too deeply for Python's parser") from None


def _children(node: Any) -> list[Any]:
    if isinstance(node, _Field):
        return list(node.values)
    found: list[Any] = []
    own = _word_field(_label(node)) if isinstance(node, ast.AST) else None
    for name, kind, mark in _grammar()[_label(node)] if isinstance(node, ast.AST) else ():
        value = getattr(node, name, None)
        if name == own or value in (None, []) or isinstance(value, ast.Load):
            continue
        if mark == "*":
            found.append(_Field(name, tuple(value)))
        elif kind in _SCALARS:
            if value != _DEFAULTS.get(name):
                found.append(_Field(name, (), str(value)))
        else:
            found.append(_Field(name, (value,)) if mark else value)
    return found


def _label(node: Any) -> str:
    if isinstance(node, _Field):
        return node.name
    return "identifier" if isinstance(node, str) else type(node).__name__ if node is not None else "None"


def _word(node: Any) -> str | None:
    if isinstance(node, str):
        return node
    if isinstance(node, _Field) or node is None or (name := _word_field(_label(node))) is None:
        return node.word if isinstance(node, _Field) else None
    value = getattr(node, name, None)
    return _literal(value) if isinstance(node, ast.Constant | ast.MatchSingleton) else value


def _literal(value: Any) -> str:
    if isinstance(value, float | complex):
        return repr(value).replace("inf", "1e309")
    return "..." if value is ... else repr(value)


def _numbers(node: Any) -> tuple[float, ...]:
    value = node.value if isinstance(node, ast.Constant) else None
    return as_features(value) if isinstance(value, int | float) and not isinstance(value, bool) else ()


def to_python(tree: TypedTree) -> str:
    """Convert a tree to Python source, whose syntax tree is that of the source that it was made of.

    Comments and layout are not part of the tree.

    Raises:
        TreeError: the tree is not of this kind, or nested too deeply for `ast.unparse`.
    """
    root = to_ast(tree)
    try:
        return ast.unparse(root)
    except RecursionError:
        raise TreeError("nested too deeply for ast.unparse") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise TreeError(f"not the tree of a Python program: {error}") from None


def to_ast(tree: TypedTree) -> ast.AST:
    """Convert a tree to a node of the `ast` module, the inverse of `from_python`; all its places are line 1.

    Raises:
        TreeError: the tree is not of this kind; the message has the index of the node.
    """
    below = tree.children()
    found: list[Any] = [None] * len(tree)
    for node in reversed(range(len(tree))):
        label, word, parts = tree.labels[node], tree.words[node], [found[child] for child in below[node]]
        if label in _grammar():
            found[node] = _syntax_node(node, label, word, parts)
        elif label == "identifier":
            found[node] = word
        else:
            found[node] = None if label == "None" else _Field(label, tuple(parts), word)
    if not isinstance(found[0], ast.AST):
        raise TreeError(f"the root is of type {tree.labels[0][:60]!r}, which is no class of the ast module")
    return found[0]


def _syntax_node(node: int, label: str, word: str | None, parts: list[Any]) -> ast.AST:
    own, rest = _word_field(label), iter([*parts, None])
    part = next(rest)
    values: dict[str, Any] = {}
    for name, of, mark in _grammar()[label]:
        here = isinstance(part, _Field) and part.name == name
        if name == own:
            values[name] = _constant(node, word) if of == "constant" else word
            continue
        if mark == "*":
            values[name] = list(part.values) if here else []
        elif of in _SCALARS:
            text = part.word if here else None
            values[name] = (int(text) if text else _DEFAULTS.get(name)) if of == "int" else text
        elif mark:
            values[name] = part.values[0] if here and part.values else None
        elif of == "expr_context":
            here = isinstance(part, ast.expr_context)
            values[name] = part if here else ast.Load()
        elif isinstance(part, ast.AST):
            here, values[name] = True, part
        else:
            raise TreeError(f"node {node} ({label}): there is no {name}")
        if here:
            part = next(rest)
    if part is not None:
        raise TreeError(f"node {node} ({label}): a child that a node of this type does not have")
    kind = getattr(ast, label)
    places = dict.fromkeys(("lineno", "end_lineno"), 1) | dict.fromkeys(("col_offset", "end_col_offset"), 0)
    made: ast.AST = kind(**values, **(places if kind._attributes else {}))
    return made


def _constant(node: int, word: str | None) -> Any:
    try:
        return ast.literal_eval(word or "")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise TreeError(f"node {node}: {word!r:.60} is not a constant of Python") from None
