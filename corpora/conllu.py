"""Dependencies from files in CoNLL-U (https://universaldependencies.org/format)."""

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
    """A sentence of n words, the position of each word's head (1 to n, or 0 for the root), and their relations."""

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]

    def tree(self) -> Tree:
        """The nltk.Tree of phrases: each word with its dependents, labelled by the word's relation to its head.

        The head stands among its dependents as a word without a phrase of its own, so all words are leaves and, where
        no dependencies cross, in the order of the sentence.

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
        """A node for each word: its position, and its word and relation as attributes.

        With `arcs` this is the tree in which inner nodes have words, in networkx's terms::

            tree = networkx.DiGraph()
            tree.add_nodes_from(sentence.nodes())
            tree.add_edges_from(sentence.arcs())
            recnn.networkx_to_graph(tree)
        """
        pairs = zip(self.words, self.relations, strict=True)
        return [(index, {"word": word, "label": relation}) for index, (word, relation) in enumerate(pairs, 1)]

    def arcs(self) -> list[tuple[int, int]]:
        """The pairs (head, dependent), dependents in the order of the sentence.

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
    """The sentences of a file, one by one: the basic dependencies between syntactic words.

    Comments, multiword tokens (``1-2``) and empty nodes (``2.1``) are left out, as the format provides.

    Raises:
        CorpusError: a line without ten fields, words out of order, a head that is no word of the sentence, two roots,
            a cycle; all sentences before it have been yielded.
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
    """The word of a line; none if it is a multiword token or an empty node."""
    row = fields(line)
    if len(row) != 10:
        raise error_at(path, number, len(line) + 1, f"expected 10 columns between tabs, found {len(row)}")
    for column, text in row:
        if not text:
            raise error_at(path, number, column, "an empty field; what is not specified is written '_'")
        if len(text) > WORD_LIMIT:
            raise error_at(path, number, column, f"a field of {len(text):,} characters, of {WORD_LIMIT:,} allowed")
    name, form, (head_column, head), relation = row[0][1], row[1][1], row[6], row[7][1]
    if token := _RANGE.fullmatch(name):
        if int(token[1]) != expected or int(token[2]) < expected:
            raise error_at(path, number, 1, f"the multiword token {name} does not begin at the next word, {expected}")
        return []
    if _EMPTY.fullmatch(name):
        return []
    if name != str(expected):
        raise error_at(path, number, 1, f"the word is numbered {quoted(name)}, expected {expected}")
    if not _NUMBER.fullmatch(head):
        raise error_at(path, number, head_column, f"the head {quoted(head)} is no number")
    return [_Word(form, int(head), relation, number, head_column)]


def _sentence(path: str | Path, words: list[_Word]) -> Dependencies:
    """The sentence of ``words``, once their heads are known to form a tree."""
    roots = 0
    for word in words:
        roots += word.head == 0
        if word.head > len(words):
            raise error_at(path, word.line, word.column, f"the head {word.head} is beyond the last word, {len(words)}")
        if word.head == 0 and roots > 1:
            raise error_at(path, word.line, word.column, f"{quoted(word.form)} is a second root")
    state = [0] * (len(words) + 1)  # the word from whose walk towards the root it was reached
    state[0] = -1
    for start in range(1, len(words) + 1):
        node = start
        while not state[node]:
            state[node] = start
            node = words[node - 1].head
        if state[node] == start:
            word = words[node - 1]
            raise error_at(path, word.line, word.column, f"the heads above {quoted(word.form)} lead back to it")
    return Dependencies(
        tuple(word.form for word in words), tuple(word.head for word in words), tuple(word.relation for word in words)
    )
