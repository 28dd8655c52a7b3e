"""What a picture of a tree shows, as plain lists: nodes with labels, words, values and notes, of any kind of tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from nltk import Tree

from parsers.dependency_trees import DependencyTree
from parsers.errors import TreeError
from parsers.printing import shown_words
from parsers.trees import constituents
from recnn.draw.layout import preorder


class ColourScale(NamedTuple):
    """Range and meaning of the values that are shown as colours; 0 is the neutral colour."""

    name: str = "value"
    low: float = -1.0
    high: float = 1.0
    ends: tuple[str, str] | None = None
    """Texts at the ends of the legend; by default the numbers."""

    @property
    def bound(self) -> float:
        """Absolute value of the last colour in either direction."""
        return max(abs(self.low), abs(self.high))


def fitted(values: Sequence[float | None], scale: ColourScale | None) -> ColourScale | None:
    """The scale of values, by default a symmetric one, or from 0 if none is negative; None if there are no values."""
    known = [value for value in values if value is not None and not isnan(value)]
    if not known:
        return None
    if scale is not None:
        return scale
    largest = max(map(abs, known))
    return ColourScale(low=0.0 if min(known) >= 0 else -largest, high=largest)


@dataclass(frozen=True)
class Drawing:
    """A tree to draw. All lists have an entry for each node, in any order.

    Attributes:
        children: indices of the children of each node.
        labels: label, or None.
        words: word, or None. Inner nodes may have words, as in dependency trees, programs and chains.
        positions: position of the word of each node in the sentence, from 1, in a dependency tree; else None.
        values: number shown as the colour of the node, or None; by default no node has one.
        notes: text that is shown when the pointer is over the node; by default none.
        gates: value from 0 to 1 shown as the width of the edge from the node to its parent, or None, such as the mean
            of a forget gate; by default all edges have one width.
        scale: range and meaning of ``values``; by default the range is that of the values.

    Raises:
        TreeError: the lists differ in length, or the children do not form one tree.
    """

    children: Sequence[Sequence[int]]
    labels: Sequence[str | None]
    words: Sequence[str | float | None]
    positions: Sequence[int] | None = None
    values: Sequence[float | None] = ()
    notes: Sequence[str] = ()
    gates: Sequence[float | None] = ()
    scale: ColourScale | None = None

    def __post_init__(self) -> None:
        for name in ("values", "gates"):  # of an array or a tensor
            if hasattr(column := getattr(self, name), "tolist"):
                object.__setattr__(self, name, column.tolist())
        size = len(self.children)
        for name in ("labels", "words", "positions", "values", "notes", "gates"):
            column = getattr(self, name)
            if (name in ("labels", "words") or column) and len(column) != size:
                raise TreeError(f"expected {name} of {size} nodes, got {len(column)}")
        if not size:
            raise TreeError("a tree without nodes")
        parent = [-1] * size
        for node, below in enumerate(self.children):
            for child in below:
                if not 0 <= child < size:
                    raise TreeError(f"node {node} has the child {child}, but the nodes are 0..{size - 1}")
                if parent[child] >= 0:
                    raise TreeError(f"node {child} has two parents, {parent[child]} and {node}")
                parent[child] = node
        roots = [node for node, above in enumerate(parent) if above < 0]
        if len(roots) > 1:
            raise TreeError(f"expected a tree with one root, got {len(roots)}")
        reached = list(roots)
        for node in reached:  # the list grows during the loop
            reached.extend(self.children[node])
        if len(reached) < size:
            raise TreeError(f"{size - len(reached)} nodes form a cycle")

    @property
    def is_chain(self) -> bool:
        """Whether the tree is a sequence: every node has a word, and no node two children."""
        return all(len(below) < 2 for below in self.children) and None not in self.words

    @property
    def words_are_leaves(self) -> bool:
        """Whether all leaves have words and no other node has, as in a constituency tree."""
        return all((word is None) == bool(below) for word, below in zip(self.words, self.children, strict=True))

    def in_order(self) -> list[int]:
        """Return the nodes that have words, in the order of these: from left to right, or from the first step."""
        order = preorder(self.children)
        if self.positions is not None:
            order.sort(key=self.positions.__getitem__)
        elif self.is_chain:
            order.reverse()
        return [node for node in order if self.words[node] is not None]

    def phrases(self) -> list[str]:
        """Return the words of the phrase of each node, or its label where it has none; of many, the first 100."""
        order = self.in_order()
        words = [str(self.words[node]) for node in order]
        first, last = ([-1] * len(self.children) for _ in range(2))
        for place, node in enumerate(order, 1):
            first[node] = last[node] = place
        for node in reversed(preorder(self.children)):
            below = [child for child in self.children[node] if first[child] > 0] + [node] * (first[node] > 0)
            if below:
                first[node], last[node] = min(first[child] for child in below), max(last[child] for child in below)
        return [
            shown_words(words, start, end) if start > 0 else str(label or "")
            for start, end, label in zip(first, last, self.labels, strict=True)
        ]


def tree_to_drawing(tree: Tree) -> Drawing:
    """Convert an nltk.Tree to a drawing, whose nodes are those of `recnn.tree_to_graph`, in the same order.

    The notes of an nltk.ProbabilisticTree are the probabilities of its phrases.

    Args:
        tree: the tree; a phrase over one word is one node, and in a `parsers.DependencyTree` every phrase is one node
            together with its own word.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string; in a dependency tree, a phrase with
            several words of its own or none.
    """
    found = constituents(tree)
    within = isinstance(tree, DependencyTree)  # every word is part of the node above it, else words alone in a phrase
    own: dict[int, int] = {}  # constituents of phrases, and of the word that is part of each
    for index, (node, _, _, parent) in enumerate(found):
        if isinstance(node, str) and parent >= 0 and (within or len(found[parent].node) == 1):
            if parent in own:
                raise TreeError(
                    f"a phrase of a dependency tree has two words: {found[own[parent]].node!r} and {node!r}"
                )
            own[parent] = index
    merged = set(own.values())
    depth = [0] * len(found)
    for index, constituent in enumerate(found[1:], 1):
        depth[index] = depth[constituent.parent] + 1
    kept = sorted((index for index in range(len(found)) if index not in merged), key=depth.__getitem__)
    number = {index: place for place, index in enumerate(kept)}
    children: list[list[int]] = [[] for _ in kept]
    for index in kept[1:]:
        children[number[found[index].parent]].append(number[index])
    labels, words = [], []
    for index in kept:
        node, word = found[index].node, found[own.get(index, index)].node
        labels.append(node.label() if isinstance(node, Tree) else None)
        words.append(word if isinstance(word, str) else None)
    if within and None in words:
        raise TreeError(f"the phrase ({labels[words.index(None)]}) of a dependency tree has no word of its own")
    positions = [found[own[index]].start for index in kept] if within else None
    notes = [
        f"probability {node.prob():.3g}" if hasattr(node, "prob") else "" for node in (found[i].node for i in kept)
    ]
    return Drawing(children, labels, words, positions, notes=notes if any(notes) else ())
