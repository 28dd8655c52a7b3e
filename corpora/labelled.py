"""Labelled sentences, one a line: the label, a tab, the sentence."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import error_at, quoted
from corpora.text import fields, lines
from corpora.vocabulary import Vocabulary


class LabelledSentence(NamedTuple):
    """A sentence and its label; split the sentence with `parsers.tokenize`, or with ``split()`` if it is tokenised."""

    label: str
    sentence: str


def read_labelled(path: str | Path, labels: Vocabulary | None = None) -> Iterator[LabelledSentence]:
    """The labelled sentences of a file, one by one; blank lines are skipped.

    Args:
        path: the file.
        labels: those that there may be; any, if it is None.

    Raises:
        CorpusError: a line without exactly one tab, an empty label or sentence, a label that is none of ``labels``;
            all sentences before it have been yielded.
        OSError: the file cannot be read.
    """
    found = 0
    for number, line in lines(path):
        if not line.strip():
            continue
        row = fields(line)
        if len(row) != 2:
            raise error_at(path, number, len(line) + 1, f"expected a label, a tab and a sentence; columns: {len(row)}")
        (_, label), (column, sentence) = row
        if not label.strip():
            raise error_at(path, number, 1, "an empty label")
        if labels is not None and label not in labels:
            raise error_at(path, number, 1, f"the label {quoted(label)} is none of {', '.join(labels)}")
        if not sentence.strip():
            raise error_at(path, number, column, "an empty sentence")
        found += 1
        yield LabelledSentence(label, sentence)
    if not found:
        raise error_at(path, 1, 1, "no sentence in this file")
