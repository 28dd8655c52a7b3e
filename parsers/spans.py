"""Trees as labelled spans of words, and back: what span-based parsers predict."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nltk import Tree

from parsers.errors import TreeError
from parsers.trees import constituents

JOINER = "+"
"""Character between the labels of phrases that have the same words."""


class Span(NamedTuple):
    """A phrase, words ``start`` up to ``end`` of a sentence, counted from 0 and without the word at ``end``."""

    start: int
    end: int
    label: str
    """Label of the phrase; labels of phrases with the same words are joined from the outermost on, ``S+VP``."""


class TaggedSpans(NamedTuple):
    """The content of a constituency tree."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    """Part-of-speech tag of each word."""
    spans: tuple[Span, ...]
    """The phrases in preorder; the first has all words."""


def spans_of(tree: Tree) -> TaggedSpans:
    """Return the words, tags and spans of a tree.

    >>> spans_of(Tree.fromstring("(S (VP (VB Duck) (NP (PRP her))))"))  # doctest: +NORMALIZE_WHITESPACE
    TaggedSpans(words=('Duck', 'her'), tags=('VB', 'PRP'),
                spans=(Span(start=0, end=2, label='S+VP'), Span(start=1, end=2, label='NP')))

    Raises:
        TreeError: a word has no tag of its own, a label is empty or contains "+", or the tree is only a tagged word.
    """
    words: list[str] = []
    tags: list[str] = []
    spans: list[Span] = []
    found = constituents(tree)
    place = [-1] * len(found)  # index in spans of each node, -1 for those that are no phrase
    for index, (node, start, end, parent) in enumerate(found):
        if isinstance(node, str):
            continue
        label = node.label()
        if len(node) == 1 and isinstance(node[0], str):
            words.append(node[0])
            tags.append(label)
            continue
        if bare := next((child for child in node if isinstance(child, str)), None):
            raise TreeError(f"the word {bare!r} in the phrase ({label}) has no part-of-speech tag of its own")
        if not label or JOINER in label:
            raise TreeError(f"the label {label!r} of words {start} to {end} is empty or contains {JOINER!r}")
        above = place[parent] if parent >= 0 else -1
        if above >= 0 and spans[above][:2] == (start - 1, end):
            spans[above] = spans[above]._replace(label=f"{spans[above].label}{JOINER}{label}")
            place[index] = above
        else:
            place[index] = len(spans)
            spans.append(Span(start - 1, end, label))
    if not spans:
        raise TreeError(f"the tree ({tree.label()}) is a tagged word without a phrase")
    return TaggedSpans(tuple(words), tuple(tags), tuple(spans))


def tree_of(words: Sequence[str], tags: Sequence[str], spans: Iterable[Span]) -> Tree:
    """Return the tree of words, tags and spans, the inverse of `spans_of`; the order of the spans is free.

    Raises:
        ValueError: no span has all words, or two spans overlap without one being part of the other.
    """
    rest = sorted(spans, key=lambda span: (-span.start, span.end))
    if not rest or rest[-1][:2] != (0, len(words)):
        raise ValueError(f"expected a span of all {len(words)} words")
    root: Tree | None = None
    open_phrases: list[tuple[Tree, int]] = []
    for at, (word, tag) in enumerate(zip(words, tags, strict=True)):
        while rest and rest[-1].start == at:
            span = rest.pop()
            if open_phrases and span.end > open_phrases[-1][1]:
                raise ValueError(f"{span} overlaps another span, which ends at {open_phrases[-1][1]}")
            for label in span.label.split(JOINER):
                phrase = Tree(label, [])
                if root is None:
                    root = phrase
                else:
                    open_phrases[-1][0].append(phrase)
                open_phrases.append((phrase, span.end))
        open_phrases[-1][0].append(Tree(tag, [word]))
        while open_phrases and open_phrases[-1][1] == at + 1:
            open_phrases.pop()
    assert root is not None
    return root
