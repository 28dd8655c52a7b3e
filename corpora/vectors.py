"""Pretrained word vectors in the text formats of GloVe and word2vec.

Each line has a word and its D numbers, separated by spaces. word2vec's format begins with a line of two numbers: the
number of words, and D. Pennington et al., "GloVe", EMNLP 2014; Mikolov et al., "Efficient Estimation of Word
Representations in Vector Space", 2013.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpora.errors import error_at, quoted
from corpora.text import composed, lines

_HEADER = re.compile(r"([0-9]{1,18}) ([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = float(np.finfo(np.float32).max)


class Vectors(NamedTuple):
    """Vectors of the V words of a vocabulary.

    Attributes:
        rows: (V, D) vectors; 0 for words that are not in the file.
        found: (V,) True for words that are in the file.
    """

    rows: NDArray[np.float32]
    found: NDArray[np.bool_]


class _Row(NamedTuple):
    line: int
    word: str
    numbers: str
    size: int  # D


def read_vectors(path: str | Path, words: Iterable[str]) -> Vectors:
    """Read the vectors of ``words`` from a file.

    The file is streamed: only the rows of ``words`` are parsed and kept in memory. If a word is in the file more than
    once, its first vector is used.

    Args:
        path: the file.
        words: the words, such as a `Vocabulary`; they must match exactly, but for Unicode's composition.

    Raises:
        CorpusError: there are no vectors, a line has another number of columns than the first, a number of one of the
            ``words`` is not finite, or the number of vectors is not that of word2vec's header.
        OSError: the file cannot be read.
    """
    places: dict[str, list[int]] = {}
    count = 0
    for count, word in enumerate(words, 1):
        places.setdefault(composed(word), []).append(count - 1)
    rows, found = np.zeros((count, 0), np.float32), np.zeros(count, np.bool_)
    for row in _rows(path):
        if not rows.shape[1]:
            rows = np.zeros((count, row.size), np.float32)
        if wanted := places.pop(composed(row.word), None):
            rows[wanted] = _numbers(path, row)
            found[wanted] = True
    return Vectors(rows, found)


def vector_words(path: str | Path) -> Iterator[str]:
    """Read the words of a file of vectors, one by one, as for ``Vocabulary(vector_words(path))``.

    Raises:
        CorpusError: the file is malformed, see `read_vectors`; the numbers themselves are not checked.
        OSError: the file cannot be read.
    """
    return (row.word for row in _rows(path))


def _rows(path: str | Path) -> Iterator[_Row]:
    size = 0  # 0 until the first vector
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
            problem = f"expected a word and {size or 'its'} numbers, found columns: {spaces + 1 if line else 0}"
            raise error_at(path, number, len(line) + 1, problem)
        # Some words of GloVe's largest file contain spaces; none of these words ends in a number.
        word = line[: line.index(" ")] if spaces == size else line.rsplit(" ", size)[0]
        if not word.strip(" ") or word.endswith(" "):
            raise error_at(path, number, len(word) + 1, "an extra space")
        if spaces > size and _NUMBER.fullmatch(word.rsplit(" ", 1)[1]):
            problem = f"expected a word and {size} numbers, found columns: {spaces + 1}"
            raise error_at(path, number, len(line) + 1, problem)
        found += 1
        yield _Row(number, word, line[len(word) + 1 :], size)
    if promised is not None and found != promised:
        problem = f"expected {promised:,} vectors, as in the first line, found {found:,}"
        raise error_at(path, number, len(line) + 1, problem)
    if not found:
        raise error_at(path, 1, 1, "no vector in this file")


def _numbers(path: str | Path, row: _Row) -> list[float]:
    column, numbers = len(row.word) + 2, []
    for text in row.numbers.split(" "):
        if not (_NUMBER.fullmatch(text) and abs(float(text)) <= _LARGEST):
            raise error_at(path, row.line, column, f"{quoted(text)} is not a finite number")
        numbers.append(float(text))
        column += len(text) + 1
    return numbers
