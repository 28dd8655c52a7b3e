"""Dependency trees in the CoNLL-U format (https://universaldependencies.org/format)."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import error_at, quoted
from corpora.text import WORD_LIMIT, fields, lines
from parsers.dependency_trees import DependencyTree, head_problem, tree_from_dependencies

_RANGE = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")  # a multiword token
_EMPTY = re.compile(r"(0|[1-9][0-9]{0,8})\.([1-9][0-9]{0,8})")  # an empty node of the enhanced graph
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class MultiwordToken(NamedTuple):
    """A token of the text that stands for several words, such as "du" for "de le"."""

    first: int
    """Position of its first word, from 1."""
    last: int
    """Position of its last word."""
    form: str
    """The token as it is in the text."""


class Dependencies(NamedTuple):
    """Dependency tree of a sentence of n words, with the annotations of the words.

    Attributes:
        words: forms of the n words.
        heads: position of the head of each word, 1 to n, or 0 for the root.
        relations: relation of each word to its head.
        lemmas: lemma of each word, None where it is unspecified (``_``); the same for ``upos`` and ``xpos``.
        upos: universal part of speech of each word.
        xpos: language-specific part of speech of each word.
        features: morphological features of each word, such as ``{"Case": "Nom", "Number": "Sing"}``.
        multiword: tokens that stand for several words, in the order of the text.
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]
    lemmas: tuple[str | None, ...] = ()
    upos: tuple[str | None, ...] = ()
    xpos: tuple[str | None, ...] = ()
    features: tuple[dict[str, str], ...] = ()
    multiword: tuple[MultiwordToken, ...] = ()

    def tokens(self) -> list[str]:
        """Return the tokens of the text: the words, with each multiword token in place of its words.

        >>> du = Dependencies(("à", "le", "lac"), (3, 3, 0), ("case", "det", "root"), multiword=((1, 2, "au"),))
        >>> du.tokens()
        ['au', 'lac']
        """
        merged = {first: (last, form) for first, last, form in self.multiword}
        found, position = [], 1
        while position <= len(self.words):
            position, form = merged.get(position, (position, self.words[position - 1]))
            found.append(form)
            position += 1
        return found

    def tree(self) -> DependencyTree:
        """Convert to an nltk.Tree, see `parsers.DependencyTree`; with `recnn.tree_to_graph` each word is a node.

        >>> print(Dependencies(("the", "boy", "slept"), (2, 3, 0), ("det", "nsubj", "root")).tree())
        (root (nsubj (det the) boy) slept)

        Raises:
            TreeError: the heads do not form a tree; those of `read_conllu` do.
        """
        return tree_from_dependencies(self.words, self.heads, self.relations)

    def nodes(self) -> list[tuple[int, dict[str, str]]]:
        """Return a node for each word, for networkx: its position, and its word and relation as attributes.

        With `arcs` it makes the graph of `tree`, but for the positions of the words::

            tree = networkx.DiGraph()
            tree.add_nodes_from(sentence.nodes())
            tree.add_edges_from(sentence.arcs())
            recnn.networkx_to_graph(tree)
        """
        pairs = zip(self.words, self.relations, strict=True)
        return [(index, {"word": word, "label": relation}) for index, (word, relation) in enumerate(pairs, 1)]

    def arcs(self) -> list[tuple[int, int]]:
        """Return the edges (head, dependent), in the order of the dependents.

        >>> Dependencies(("the", "boy", "slept"), (2, 3, 0), ("det", "nsubj", "root")).arcs()
        [(2, 1), (3, 2)]
        """
        return [(head, index) for index, head in enumerate(self.heads, 1) if head]


class _Word(NamedTuple):
    form: str
    head: int
    relation: str
    lemma: str | None
    upos: str | None
    xpos: str | None
    features: dict[str, str]
    line: int
    column: int  # of the head


def read_conllu(path: str | Path) -> Iterator[Dependencies]:
    """Read the sentences of a CoNLL-U file, one by one: the basic dependencies between syntactic words.

    Comments, enhanced dependencies and the empty nodes of these (``2.1``) are skipped.

    Raises:
        CorpusError: there is no sentence, a line does not have ten non-empty fields, a field is longer than
            `corpora.text.WORD_LIMIT`, the words, multiword tokens or empty nodes are out of order, a head or multiword
            token is not in the sentence, two multiword tokens overlap, features are malformed, or the heads have two
            roots or a cycle. All sentences before it have been yielded.
        OSError: the file cannot be read.
    """
    return parse_conllu(lines(path), path)


def parse_conllu(numbered: Iterable[tuple[int, str]], path: str | Path) -> Iterator[Dependencies]:
    """Read the sentences in the numbered lines of a file, see `read_conllu`."""
    sentence = _Sentence(path)
    found = 0
    for number, line in numbered:
        if line and not line.startswith("#"):
            sentence.add(number, line)
        elif not line and sentence.begun:
            yield sentence.checked()
            found += 1
            sentence = _Sentence(path)
    if sentence.begun:
        yield sentence.checked()
    elif not found:
        raise error_at(path, 1, 1, "no sentence in this file")


class _Sentence:
    """The lines of a sentence so far."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.begun = False
        self.words: list[_Word] = []
        self.multiword: list[tuple[int, MultiwordToken]] = []  # with their lines
        self.empty = 0  # number of empty nodes after the last word

    def add(self, number: int, line: str) -> None:
        """Add a word, a multiword token or an empty node."""
        self.begun = True
        row = fields(line)
        if len(row) != 10:
            raise error_at(self.path, number, len(line) + 1, f"expected 10 tab-separated columns, found {len(row)}")
        for column, text in row:
            if not text:
                raise error_at(self.path, number, column, "an empty field; an unspecified value is written '_'")
            if len(text) > WORD_LIMIT:
                raise error_at(
                    self.path, number, column, f"a field of {len(text):,} characters (limit: {WORD_LIMIT:,})"
                )
        name = row[0][1]
        if token := _RANGE.fullmatch(name):
            self._add_multiword(number, MultiwordToken(int(token[1]), int(token[2]), row[1][1]))
        elif empty := _EMPTY.fullmatch(name):
            self.empty += 1
            if (int(empty[1]), int(empty[2])) != (len(self.words), self.empty):
                expected = f"{len(self.words)}.{self.empty}"
                raise error_at(self.path, number, 1, f"expected the empty node {expected}, found {name}")
        else:
            self.words.append(self._word(number, row))
            self.empty = 0

    def _add_multiword(self, number: int, token: MultiwordToken) -> None:
        name, expected = f"{token.first}-{token.last}", len(self.words) + 1
        if token.first != expected or token.last < expected:
            raise error_at(
                self.path, number, 1, f"the multiword token {name} does not begin at the next word, {expected}"
            )
        if self.multiword and token.first <= (before := self.multiword[-1][1]).last:
            overlap = f"{before.first}-{before.last}"
            raise error_at(self.path, number, 1, f"the multiword token {name} overlaps {overlap}")
        self.multiword.append((number, token))

    def _word(self, number: int, row: list[tuple[int, str]]) -> _Word:
        (_, name), (_, form), (_, lemma), (_, upos), (_, xpos), features, (column, head), (_, relation), *_ = row
        expected = str(len(self.words) + 1)
        if name != expected:
            raise error_at(self.path, number, 1, f"expected the word number {expected}, found {quoted(name)}")
        if not _NUMBER.fullmatch(head):
            raise error_at(self.path, number, column, f"the head {quoted(head)} is not a number")
        # The lemma of an underscore is an underscore.
        known = lemma if form == "_" else _specified(lemma)
        parsed = self._features(number, *features)
        return _Word(form, int(head), relation, known, _specified(upos), _specified(xpos), parsed, number, column)

    def _features(self, number: int, column: int, text: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for pair in text.split("|") if text != "_" else ():
            name, equals, value = pair.partition("=")
            if not (name and equals and value):
                raise error_at(self.path, number, column, f"expected features Name=Value|..., found {quoted(pair)}")
            if name in found:
                raise error_at(self.path, number, column, f"the feature {quoted(name)} is there twice")
            found[name] = value
            column += len(pair) + 1
        return found

    def checked(self) -> Dependencies:
        """Check that the heads form a tree and the multiword tokens are in the sentence, and return the sentence."""
        if not self.words:
            raise error_at(self.path, self.multiword[0][0] if self.multiword else 1, 1, "a sentence without words")
        for line, token in self.multiword:
            if token.last > len(self.words):
                name = f"{token.first}-{token.last}"
                raise error_at(
                    self.path, line, 1, f"the multiword token {name} ends beyond the last word, {len(self.words)}"
                )
        form, head, relation, lemma, upos, xpos, features, rows, columns = zip(*self.words, strict=True)
        if problem := head_problem(form, head):
            index, text = problem
            raise error_at(self.path, rows[index], columns[index], text)
        return Dependencies(
            form, head, relation, lemma, upos, xpos, features, tuple(token for _, token in self.multiword)
        )


def _specified(text: str) -> str | None:
    return None if text == "_" else text
