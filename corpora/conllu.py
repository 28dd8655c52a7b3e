"""Dependency trees in the CoNLL-U format (https://universaldependencies.org/format)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nltk import Tree

from corpora.errors import error_at, quoted
from corpora.text import WORD_LIMIT, fields, lines

_RANGE = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")  # a multiword token
_EMPTY = re.compile(r"(0|[1-9][0-9]*)\.[1-9][0-9]*")  # an empty node of the enhanced graph
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class Dependencies(NamedTuple):
    """Dependency tree of a sentence of n words.

    Attributes:
        words: the n words.
        heads: position of the head of each word, 1 to n, or 0 for the root.
        relations: relation of each word to its head.
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]

    def tree(self) -> Tree:
        """Convert to an nltk.Tree with a phrase for each word, labelled by the word's relation to its head.

        The phrase contains the word itself, as a leaf, and the phrases of its dependents. If no dependencies cross, the
        leaves are in the order of the sentence.

        >>> print(Dependencies(("the", "boy", "slept"), (2, 3, 0), ("det", "nsubj", "root")).tree())
        (root (nsubj (det the) boy) slept)
        """
        phrases = [Tree(relation, []) for relation in self.relations]
        root = Tree("", [])
        for phrase, word, head in zip(phrases, self.words, self.heads, strict=True):
            phrase.append(word)
            (phrases[head - 1] if head else root).append(phrase)
        return root[0]

    def nodes(self) -> list[tuple[int, dict[str, str]]]:
        """Return a node for each word, for networkx: its position, and its word and relation as attributes.

        With `arcs` it makes the tree in which inner nodes have words::

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
    line: int
    column: int  # of the head


def read_conllu(path: str | Path) -> Iterator[Dependencies]:
    """Read the sentences of a CoNLL-U file, one by one: the basic dependencies between syntactic words.

    Comments, multiword tokens (``1-2``) and empty nodes (``2.1``) are skipped.

    Raises:
        CorpusError: there is no sentence, a line does not have ten non-empty fields, a field is longer than
            `corpora.text.WORD_LIMIT`, the words are out of order, a head is not in the sentence, or the heads have two
            roots or a cycle. All sentences before it have been yielded.
        OSError: the file cannot be read.
    """
    words: list[_Word] = []
    found = 0
    for number, line in lines(path):
        if line and not line.startswith("#"):
            words.extend(_word(path, number, line, len(words) + 1))
        elif not line and words:
            yield _sentence(path, words)
            found += 1
            words = []
    if words:
        yield _sentence(path, words)
    elif not found:
        raise error_at(path, 1, 1, "no sentence in this file")


def _word(path: str | Path, number: int, line: str, expected: int) -> list[_Word]:
    """Parse a line into one word, or none if it is a multiword token or an empty node."""
    row = fields(line)
    if len(row) != 10:
        raise error_at(path, number, len(line) + 1, f"expected 10 tab-separated columns, found {len(row)}")
    for column, text in row:
        if not text:
            raise error_at(path, number, column, "an empty field; an unspecified value is written '_'")
        if len(text) > WORD_LIMIT:
            raise error_at(path, number, column, f"a field of {len(text):,} characters (limit: {WORD_LIMIT:,})")
    name, form, (head_column, head), relation = row[0][1], row[1][1], row[6], row[7][1]
    if token := _RANGE.fullmatch(name):
        if int(token[1]) != expected or int(token[2]) < expected:
            raise error_at(path, number, 1, f"the multiword token {name} does not begin at the next word, {expected}")
        return []
    if _EMPTY.fullmatch(name):
        return []
    if name != str(expected):
        raise error_at(path, number, 1, f"expected the word number {expected}, found {quoted(name)}")
    if not _NUMBER.fullmatch(head):
        raise error_at(path, number, head_column, f"the head {quoted(head)} is not a number")
    return [_Word(form, int(head), relation, number, head_column)]


def _sentence(path: str | Path, words: list[_Word]) -> Dependencies:
    """Check that the heads of ``words`` form a tree, and return the sentence."""
    roots = 0
    for word in words:
        roots += word.head == 0
        if word.head > len(words):
            raise error_at(path, word.line, word.column, f"the head {word.head} is beyond the last word, {len(words)}")
        if word.head == 0 and roots > 1:
            raise error_at(path, word.line, word.column, f"{quoted(word.form)} is a second root")
    state = [0] * (len(words) + 1)  # the word whose path to the root first visited this one
    state[0] = -1
    for start in range(1, len(words) + 1):
        node = start
        while not state[node]:
            state[node] = start
            node = words[node - 1].head
        if state[node] == start:
            word = words[node - 1]
            raise error_at(path, word.line, word.column, f"the heads form a cycle through {quoted(word.form)}")
    return Dependencies(
        tuple(word.form for word in words), tuple(word.head for word in words), tuple(word.relation for word in words)
    )
