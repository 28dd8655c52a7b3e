"""Trees of rhetorical structure theory, in the formats of the RST Discourse Treebank and of RSTTool."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from parsers.errors import TreeError
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree

_TOKEN = re.compile(r"[()]|_!(.*?)_!|//\S*|[^\s()]+", re.S)
_ROLES = ("Root", "Nucleus", "Satellite")


@dataclass(eq=False)
class _Unit:
    label: str
    word: str | None = None
    below: list[_Unit] = field(default_factory=list)
    first: int = 0
    """Number of its first segment in the text."""


def from_dis(text: str) -> TypedTree:
    """Convert a tree of the RST Discourse Treebank (``.dis``).

    The type of a node is its nuclearity and relation, such as ``Satellite:elaboration``; the word of a leaf is the text
    of its elementary discourse unit.

    Carlson, Marcu and Okurowski, "Building a discourse-tagged corpus in the framework of rhetorical structure theory",
    SIGdial 2001.

    Raises:
        TreeError: there is no tree, or it is malformed; the message has the line and the column.
    """
    opened: list[_Unit | None] = []  # None for a bracket with a property
    root: _Unit | None = None
    name, values = "", list[str]()
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if piece == "(":
            opened.append(None)
            name, values = "", []
        elif piece == ")":
            if not opened:
                raise _error(text, token.start(), "a bracket that was not opened")
            if opened.pop() is None and not (opened and (unit := opened[-1]) and _set(unit, name, values)):
                raise _error(text, token.start(), f"expected a property of a unit, found {name!r:.60}")
        elif opened and opened[-1] is None and not name:
            name = piece
            if piece in _ROLES:
                opened[-1] = unit = _Unit(piece)
                above = opened[-2] if len(opened) > 1 else None
                if (above is None) != (root is None):
                    raise _error(text, token.start(), f"a {piece} in a place where there can be none")
                root = root or unit
                if above is not None:
                    above.below.append(unit)
        elif not piece.startswith("//"):  # notes of the corpus about errors of its files
            values.append(piece if token[1] is None else token[1])
    if root is None or opened:
        raise TreeError("a bracket is never closed" if root else "there is no tree: expected ( Root ... )")
    return from_nested(root, lambda u: u.below, lambda u: u.label, lambda u: u.word)


def _set(unit: _Unit, name: str, values: list[str]) -> bool:
    if name == "rel2par":
        unit.label += ":" + " ".join(values)
    elif name == "text":
        unit.word = " ".join(values)
    return name in ("rel2par", "text", "span", "leaf")


def _error(text: str, place: int, problem: str) -> TreeError:
    line = text.count("\n", 0, place) + 1
    return TreeError(f"line {line}, column {place - text.rfind(chr(10), 0, place)}: {problem}")


def from_rs3(text: str | bytes) -> TypedTree:
    """Convert a tree of RSTTool or rstWeb (``.rs3``): segments of text and groups of these, each with its parent.

    The type of a node is its kind (segment, span or multinuc) and its relation to its parent, such as
    ``segment:elaboration``; the word of a segment is its text. A satellite is below its nucleus. Siblings are in the
    order of the text.

    O'Donnell, "RSTTool 2.4: a markup tool for rhetorical structure theory", INLG 2000.

    Raises:
        TreeError: not well-formed, or the parents do not form one tree; the message names the nodes.
    """
    try:
        body = ElementTree.fromstring(text).find("body")
    except (ElementTree.ParseError, ValueError) as error:
        raise TreeError(str(error)) from None
    if body is None:
        raise TreeError("expected an element 'rst' with a 'body'")
    units: dict[str, _Unit] = {}
    parents: dict[str, str] = {}
    for number, element in enumerate(body):
        if element.tag not in ("segment", "group"):
            continue
        name, relation = element.get("id", ""), element.get("relname")
        kind = "segment" if element.tag == "segment" else element.get("type", "group")
        word = " ".join((element.text or "").split()) if element.tag == "segment" else None
        if name in units:
            raise TreeError(f"two nodes have the id {name!r}")
        units[name] = _Unit(f"{kind}:{relation}" if relation else kind, word, first=number)
        if parent := element.get("parent"):
            parents[name] = parent
    return from_nested(_root(units, parents), lambda u: u.below, lambda u: u.label, lambda u: u.word)


def _root(units: dict[str, _Unit], parents: dict[str, str]) -> _Unit:
    """Hang all nodes below their parents, in the order of the text, and return the root."""
    for name, parent in parents.items():
        if parent not in units:
            raise TreeError(f"the parent {parent!r} of node {name!r} does not exist")
        units[parent].below.append(units[name])
    roots = [name for name in units if name not in parents]
    if len(roots) != 1:
        raise TreeError(f"expected one node without a parent, got {len(roots)}: {', '.join(roots[:8])}")
    order = [units[roots[0]]]
    for unit in order:  # the list grows during the loop
        order.extend(unit.below)
    if len(order) < len(units):
        raise TreeError("the parents of some nodes form a cycle")
    for unit in reversed(order):
        own = [unit.first] if unit.word is not None else []
        unit.first = min([*own, *(below.first for below in unit.below)], default=unit.first)
        unit.below.sort(key=lambda below: below.first)
    return order[0]
