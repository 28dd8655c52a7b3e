"""Trees over sentences that have none: those of a parser, with as many children as a network takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import parsers
from parsers.errors import InputError, SentenceError

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.cells.base import Arity


@lru_cache(maxsize=4)
def parser_named(name: str) -> parsers.Parser:
    """Load a parser, see `parsers.load`, once."""
    return parsers.load(name)


def trees_over(sentences: Iterable[str | Sequence[str]], parser: str, arity: Arity) -> Iterator[Tree]:
    """Yield the best parse of each sentence, binarised where a node has more children than ``arity``.

    Args:
        sentences: strings, or sequences of words.
        parser: name of the parser, see `parsers.load`.
        arity: largest number of children, or "sum" for any.

    Raises:
        InputError: a sentence has no parse, or the arity is 1.
    """
    for tree in parser_named(parser).parse_each(sentences):
        if isinstance(tree, SentenceError):
            raise InputError(f"parser {parser}: {tree}")
        yield fitting(tree, arity)


def fitting(tree: Tree, arity: Arity) -> Tree:
    """Binarise ``tree`` if it has nodes with more children than ``arity``.

    The nodes that this adds have no label, and so no target.

    Raises:
        InputError: ``arity`` is 1, and a node has more children; or the tree is a dependency tree, which cannot be
            binarised.
    """
    if isinstance(tree, parsers.DependencyTree):
        return _fitting_dependencies(tree, arity)
    children = (0 if isinstance(c.node, str) else len(c.node) for c in parsers.constituents(tree))
    most = max(children)
    if arity == "sum" or most <= arity:
        return tree
    if arity < 2:
        raise InputError(f"a node of the tree has {most} children, but the arity is 1: train with an arity of 2")
    return parsers.binarise(tree, labelled=False)


def _fitting_dependencies(tree: parsers.DependencyTree, arity: Arity) -> Tree:
    if arity != "sum":
        for node, *_ in parsers.constituents(tree):
            if not isinstance(node, str) and len(node) - 1 > arity:
                (word,) = (child for child in node if isinstance(child, str))
                problem = f"{word!r} has {len(node) - 1} dependents, but --arity is {arity}"
                raise InputError(f"{problem}: train with --arity sum")
    return tree
