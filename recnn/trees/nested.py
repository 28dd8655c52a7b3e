"""Trees of typed nodes from any nested data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from parsers.errors import TreeError
from recnn.trees.typed_tree import TypedTree

_N = TypeVar("_N")


def from_nested(
    root: _N,
    children: Callable[[_N], Iterable[_N]],
    label: Callable[[_N], str],
    word: Callable[[_N], str | None] = lambda node: None,
    numbers: Callable[[_N], float | Sequence[float]] = lambda node: (),
) -> TypedTree:
    """Convert nested data of any kind to a tree, without recursion.

    >>> from pathlib import Path
    >>> def below(path):
    ...     return sorted(path.iterdir()) if path.is_dir() else []
    >>> tree = from_nested(Path("examples/sst"), below, label=lambda path: path.suffix, word=lambda path: path.name)
    >>> tree.words
    ('sst', 'bilstm.toml', 'recnn.toml', 'rntn.toml', 'tree_lstm.toml')

    Args:
        root: the root.
        children: function from a node to its children, in their order.
        label: function from a node to its type.
        word: function from a node to its value, or None.
        numbers: function from a node to its numeric features: a number, or as many as other nodes have, or none.

    Raises:
        TreeError: a node is below itself, or as in `TypedTree`.
    """
    parents: list[int] = []
    labels: list[str] = []
    words: list[str | None] = []
    rows: list[tuple[float, ...]] = []
    path: list[tuple[int, _N]] = []  # index and node, from the root to the current node
    on_path: set[int] = set()  # identities of these nodes
    agenda = [(-1, root)]
    while agenda:
        parent, node = agenda.pop()
        while path and path[-1][0] != parent:
            on_path.discard(id(path.pop()[1]))
        below = list(children(node))
        if below and id(node) in on_path:
            raise TreeError(f"node {len(parents)} ({type(node).__name__}) is below itself: not a tree")
        index = len(parents)
        parents.append(parent)
        labels.append(label(node))
        words.append(word(node))
        own = numbers(node)
        rows.append(tuple(own) if isinstance(own, Sequence) else (own,))
        if below:
            path.append((index, node))
            on_path.add(id(node))
            agenda.extend((index, child) for child in reversed(below))
    return TypedTree(tuple(parents), tuple(labels), tuple(words), tuple(rows) if any(rows) else ())
