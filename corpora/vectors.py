"""Pretrained word vectors in the text formats of GloVe and word2vec.

Each line is a word and its D numbers, separated by spaces. word2vec's begins with a line of two numbers, how many
words and D. Pennington et al., "GloVe", EMNLP 2014; Mikolov et al., "Efficient Estimation of Word Representations in
Vector Space", 2013.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpora.errors import error_at, quoted
from corpora.text import lines

_HEADER = re.compile(r"([0-9]{1,18}) ([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = float(np.finfo(np.float32).max)


class Vectors(NamedTuple):
    """The vectors of W words, (W, D) in float32, and for which of the words there was one, (W,); other rows are 0."""

    rows: NDArray[np.float32]
    found: NDArray[np.bool_]


class _Row(NamedTuple):
    line: int
    word: str
    numbers: str
    size: int  # D


def read_vectors(path: str | Path, words: Iterable[str]) -> Vectors:
    """The vectors of ``words``, a `Vocabulary` for one, in their order; words must match exactly.

    The file is streamed and only the wanted rows are kept; the numbers of others are counted, not read. Of a word
    that the file has twice, the first vector counts.

    Raises:
        CorpusError: a line with another number of numbers, a wanted one that is no finite number, or fewer lines than
            word2vec's header promises.
        OSError: the file cannot be read.
    """
    places: dict[str, list[int]] = {}
    count = 0
    for count, word in enumerate(words, 1):
        places.setdefault(word, []).append(count - 1)
    rows, found = np.zeros((count, 0), np.float32), np.zeros(count, np.bool_)
    for row in _rows(path):
        if not rows.shape[1]:
            rows = np.zeros((count, row.size), np.float32)
        if wanted := places.pop(row.word, None):
            rows[wanted] = _numbers(path, row)
            found[wanted] = True
    return Vectors(rows, found)


def vector_words(path: str | Path) -> Iterator[str]:
    """The words of a file of vectors, one by one, as for ``Vocabulary(vector_words(path))``. Raises the same."""
    return (row.word for row in _rows(path))


def _rows(path: str | Path) -> Iterator[_Row]:
    size = 0  # unknown as yet
    promised = None
    number, found, line = 1, 0, ""
    for number, line in lines(path):
        line = line.rstrip(" ")  # word2vec ends each line with a space
        if number == 1 and (header := _HEADER.fullmatch(line)):
            promised, size = int(header[1]), int(header[2])
            continue
        spaces = line.count(" ")
        size = size or spaces
        if spaces < size or not size:
            problem = f"expected a word and {size or 'its'} numbers; columns: {spaces + 1 if line else 0}"
            raise error_at(path, number, len(line) + 1, problem)
        # Some words of GloVe's largest file hold spaces; none of these words ends in a number.
        word = line[: line.index(" ")] if spaces == size else line.rsplit(" ", size)[0]
        if not word.strip(" ") or word.endswith(" "):
            raise error_at(path, number, len(word) + 1, "a space too many")
        if spaces > size and _NUMBER.fullmatch(word.rsplit(" ", 1)[1]):
            raise error_at(path, number, len(line) + 1, f"expected a word and {size} numbers; columns: {spaces + 1}")
        found += 1
        yield _Row(number, word, line[len(word) + 1 :], size)
    if promised is not None and found != promised:
        raise error_at(path, number, len(line) + 1, f"{found:,} vectors, but the first line promises {promised:,}")
    if not found:
        raise error_at(path, 1, 1, "no vector in this file")


def _numbers(path: str | Path, row: _Row) -> list[float]:
    column, numbers = len(row.word) + 2, []
    for text in row.numbers.split(" "):
        if not (_NUMBER.fullmatch(text) and abs(float(text)) <= _LARGEST):
            raise error_at(path, row.line, column, f"{quoted(text)} is no finite number")
        numbers.append(float(text))
        column += len(text) + 1
    return numbers
