"""Labelled sentences in text files: a label, a tab and a sentence per line."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import error_at, quoted
from corpora.text import fields, lines
from corpora.vocabulary import Vocabulary


class LabelledSentence(NamedTuple):
    """A label and its sentence, not split into words: use `parsers.tokenize`, or ``split()`` if it is tokenised."""

    label: str
    sentence: str


def read_labelled(path: str | Path, labels: Vocabulary | None = None) -> Iterator[LabelledSentence]:
    """Read the labelled sentences of a file, one by one; blank lines are skipped.

    Args:
        path: the file.
        labels: allowed labels; None for any.

    Raises:
        CorpusError: there is no sentence, a line does not have exactly one tab, a label or sentence is empty, or a
            label is not in ``labels``. All sentences before it have been yielded.
        OSError: the file cannot be read.
    """
    return (one for _, _, one in placed(path, labels))


def placed(path: str | Path, labels: Vocabulary | None = None) -> Iterator[tuple[int, int, LabelledSentence]]:
    """Read labelled sentences as `read_labelled` does, each with the line and column in which it begins."""
    found = 0
    for number, line in lines(path):
        if not line.strip():
            continue
        row = fields(line)
        if len(row) != 2:
            problem = f"expected a label, a tab and a sentence, found columns: {len(row)}"
            raise error_at(path, number, len(line) + 1, problem)
        (_, label), (column, sentence) = row
        if not label.strip():
            raise error_at(path, number, 1, "an empty label")
        if labels is not None and label not in labels:
            raise error_at(path, number, 1, f"the label {quoted(label)} is not one of {', '.join(labels)}")
        if not sentence.strip():
            raise error_at(path, number, column, "an empty sentence")
        found += 1
        yield number, column, LabelledSentence(label, sentence)
    if not found:
        raise error_at(path, 1, 1, "no sentence in this file")
