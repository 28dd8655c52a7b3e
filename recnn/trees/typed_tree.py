"""Immutable trees whose nodes have a type, and may have a value and numbers: columns in preorder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sys import float_info
from typing import Any

from parsers.errors import TreeError
from parsers.printing import printable

_LARGEST = float_info.max  # compared with integers of any size, which cannot all be converted


@dataclass(frozen=True, repr=False)
class TypedTree:
    """Tree of any arity and depth. Each column has an entry for each of N nodes, in preorder.

    Attributes:
        parents: index of the parent, -1 for the root.
        labels: type of the node, such as "Name" in a program.
        words: value of the node, such as the name itself, or None.
        numbers: numeric features of the node, none or as many as other nodes have; () if no node has any.
        slots: slot of the node below its parent, ascending among siblings; () for 0, 1, ... . Only a binarised tree has
            empty slots, see `left_child_right_sibling`.

    Raises:
        TreeError: there is no node, the columns differ in length, the order is not a preorder, or an entry has a wrong
            type; the message has the index of the node.
    """

    parents: tuple[int, ...]
    labels: tuple[str, ...]
    words: tuple[str | None, ...]
    numbers: tuple[tuple[float, ...], ...] = ()
    slots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.parents)
        if not count:
            raise TreeError("a tree without nodes")
        for name in ("labels", "words", "numbers", "slots"):
            column = getattr(self, name)
            if len(column) != count and (column or name in ("labels", "words")):
                raise TreeError(f"{name}: expected an entry for each of {count} nodes, got {len(column)}")
        self._check_order()
        self._check_entries()

    def _check_order(self) -> None:
        path: list[int] = []  # the nodes from the root to the previous one
        for node, parent in enumerate(self.parents):
            while path and path[-1] != parent:
                path.pop()
            if type(parent) is not int or (not path and (node or parent != -1)):
                expected = "an ancestor of the previous node, or that node" if node else "-1"
                raise TreeError(f"parents: node {node} has the parent {parent!r}, expected {expected} (preorder)")
            path.append(node)

    def _check_entries(self) -> None:
        for node, (label, word) in enumerate(zip(self.labels, self.words, strict=True)):
            if not isinstance(label, str):
                raise TreeError(f"labels: node {node} has {label!r:.60}, expected a string")
            if word is not None and not isinstance(word, str):
                raise TreeError(f"words: node {node} has {word!r:.60}, expected a string or None")
        width = self.width
        for node, row in enumerate(self.numbers):
            if not all(isinstance(number, int | float) and -_LARGEST <= number <= _LARGEST for number in row):
                raise TreeError(f"numbers: node {node} has {row!r:.60}, expected finite numbers")
            if len(row) not in (0, width):
                raise TreeError(f"numbers: node {node} has {len(row)} numbers, other nodes have {width}")
        last = [-1] * len(self.parents)
        for node, slot in enumerate(self.slots):
            if node and (type(slot) is not int or not last[self.parents[node]] < slot < 1 << 31):
                raise TreeError(f"slots: node {node} has the slot {slot!r}, expected ascending ones below a parent")
            last[self.parents[node]] = slot if node else -1

    def __len__(self) -> int:
        return len(self.parents)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {printable(self.labels[0])!r} of {len(self)} nodes>"

    def __str__(self) -> str:
        """Draw the tree with one indented line per node."""
        from rich.text import Text

        from recnn.draw.text import tree_to_lines

        texts = [
            Text(printable(label if word is None else f"{label}: {word}"))
            for label, word in zip(self.labels, self.words, strict=True)
        ]
        return "\n".join(line.plain for line in tree_to_lines(self.children(), texts))

    @property
    def width(self) -> int:
        """Number of numeric features of the nodes that have any."""
        return max(map(len, self.numbers), default=0)

    def children(self) -> list[list[int]]:
        """Return the children of each node, in their order."""
        found: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents[1:], 1):
            found[parent].append(node)
        return found

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns as JSON values, without nesting; columns without entries are left out."""
        columns = {name: list(getattr(self, name)) for name in ("parents", "labels", "words", "numbers", "slots")}
        columns["numbers"] = list(map(list, self.numbers))
        return {name: column for name, column in columns.items() if column}

    @classmethod
    def from_dict(cls, columns: Any) -> TypedTree:
        """Make a tree of its columns, the inverse of `to_dict`.

        Raises:
            TreeError: a column is missing, unknown or not a list, or as in the class.
        """
        if not isinstance(columns, dict) or not columns.keys() >= {"parents", "labels", "words"}:
            raise TreeError("expected a tree as an object with the columns parents, labels and words")
        for name, column in columns.items():
            if name not in cls.__dataclass_fields__:
                raise TreeError(f"{name[:60]!r} is not a column of a tree")
            if not isinstance(column, list):
                raise TreeError(f"{name}: expected a list, got {type(column).__name__}")
        rows = columns.get("numbers", [])
        if wrong := [node for node, row in enumerate(rows) if not isinstance(row, Sequence) or isinstance(row, str)]:
            raise TreeError(f"numbers: node {wrong[0]} has {rows[wrong[0]]!r:.60}, expected a list of numbers")
        found = {name: tuple(column) for name, column in columns.items()}
        return cls(**{**found, "numbers": tuple(map(tuple, rows))})
