"""Trees over sentences that have none: those of a parser, with as many children as a network takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import tee
from os.path import exists, isabs
from typing import TYPE_CHECKING, TypeAlias

import lazy_loader

import parsers
from parsers.errors import GrammarError, InputError, SentenceError

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.cells.base import Arity

nltk = lazy_loader.load("nltk")

Sentence: TypeAlias = "str | Sequence[str] | Tree"
"""A sentence: a string, a sequence of words, or a tree over them."""


@lru_cache(maxsize=4)
def parser_named(name: str, max_edges: int | None = None, timeout: float | None = None) -> parsers.Parser:
    """Load a parser, see `parsers.load`, once.

    Raises:
        InputError: there is no such parser; the message says so if it was a file or folder, as models keep its path.
    """
    if isabs(name) and not exists(name):
        raise GrammarError(f"parser {name}: no such file or folder any more; give another parser")
    return parsers.load(name, max_edges, timeout)


def numbered(index: int) -> str:
    """Return the beginning of an error message about the sentence with this index."""
    return f"sentence {index + 1}: "


def trees_over(
    sentences: Iterable[Sentence],
    parser: str | parsers.Parser,
    arity: Arity,
    place: Callable[[int], str] = numbered,
) -> Iterator[Tree]:
    """Yield a tree over each sentence, binarised where a node has more children than ``arity``.

    Args:
        sentences: strings or sequences of words, which are parsed in batches; or trees, which are taken as they are.
        parser: parser of the sentences without a tree, or its name, see `parsers.load`; it is loaded when it is needed.
        arity: largest number of children, or "sum" for any.
        place: beginning of the error messages about the sentence with this index.

    Raises:
        InputError: a sentence has no parse, there is no such parser, or a tree does not fit, see `fitting`.
    """
    given, plain = tee(sentences)
    parsed = _parsed(_without_tree(plain, place), parser)
    for index, sentence in enumerate(given):
        tree = sentence if isinstance(sentence, nltk.Tree) else next(parsed)
        if isinstance(tree, SentenceError):
            by = f"parser {parser}: " if isinstance(parser, str) else ""
            raise InputError(f"{place(index)}{by}{tree}")
        try:
            fitted = fitting(tree, arity)
        except InputError as error:
            raise InputError(f"{place(index)}{error}") from None
        yield fitted


def _without_tree(sentences: Iterable[Sentence], place: Callable[[int], str]) -> Iterator[str | Sequence[str]]:
    for index, sentence in enumerate(sentences):
        if not isinstance(sentence, Sequence):
            problem = f"expected a string, a list of words or an nltk.Tree, got {type(sentence).__name__}"
            raise InputError(f"{place(index)}{problem}: {str(sentence)[:60]}")
        if not isinstance(sentence, nltk.Tree):
            yield sentence


def _parsed(sentences: Iterable[str | Sequence[str]], parser: str | parsers.Parser) -> Iterator[Tree | SentenceError]:
    yield from (parser_named(parser) if isinstance(parser, str) else parser).parse_each(sentences)


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
