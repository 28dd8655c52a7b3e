"""Traversals of nltk.Tree without recursion, for trees of any depth (NLTK's own fail at some 900 levels)."""

import re
from typing import NamedTuple

from nltk import Tree

from parsers.errors import TreeError


class Constituent(NamedTuple):
    """A node of a tree: a phrase or a word, with its position.

    Attributes:
        node: the subtree, or the word.
        start: position of its first word, from 1.
        end: position of its last word.
        parent: index of the parent in the list of `constituents`, -1 for the root.
    """

    node: Tree | str
    start: int
    end: int
    parent: int


def constituents(tree: Tree) -> list[Constituent]:
    """Return all nodes of ``tree`` in preorder, words included.

    Raises:
        TreeError: not an nltk.Tree, a phrase without words, or a label or word that is not a string.
    """
    if not isinstance(tree, Tree):
        raise TreeError(f"expected an nltk.Tree, got {type(tree).__name__}: {str(tree)[:60]!r}")
    nodes: list[Tree | str] = []
    starts: list[int] = []
    ends: list[int] = []
    parents: list[int] = []
    words = 0
    agenda: list[tuple[object, int]] = [(tree, -1)]
    while agenda:
        node, parent = agenda.pop()
        first = words + 1
        if isinstance(node, Tree):
            if not isinstance(node.label(), str):
                raise TreeError(f"the label {node.label()!r} is not a string (at word {first})")
            if not node:
                raise TreeError(f"the phrase ({node.label()}) has no words (before word {first})")
            here = len(nodes)
            agenda += [(child, here) for child in reversed(node)]
        elif isinstance(node, str):
            words = first
        else:
            raise TreeError(f"word {first} is not a string: {node!r}")
        nodes.append(node)
        starts.append(first)
        ends.append(words)  # of a phrase, until its words are counted, the word before it
        parents.append(parent)
    for child in reversed(range(1, len(nodes))):
        if ends[child] > ends[parents[child]]:
            ends[parents[child]] = ends[child]
    return list(map(Constituent, nodes, starts, ends, parents))


def words_of(tree: Tree) -> list[str]:
    """Return the words of ``tree`` from left to right, as ``Tree.leaves`` does, but without recursion."""
    return [c.node for c in constituents(tree) if isinstance(c.node, str)]


def plain_label(label: str) -> str:
    """Return a label without function tags and indices.

    >>> [plain_label(label) for label in ("NP-SBJ-1", "NP=2", "-LRB-", "PRP$")]
    ['NP', 'NP', '-LRB-', 'PRP$']
    """
    return label if label.startswith("-") else re.split("[-=]", label, maxsplit=1)[0] or label
