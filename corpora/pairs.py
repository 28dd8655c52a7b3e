"""Sentence pairs with relatedness scores and entailment labels, in the format of SICK.

Marelli et al., "A SICK cure for the evaluation of compositional distributional semantic models", LREC 2014.
"""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from corpora.errors import error_at, quoted
from corpora.text import fields, lines
from corpora.vocabulary import Vocabulary

ENTAILMENTS = Vocabulary(["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], unknown=None)

# The column of the entailment is "entailment_judgment" in SemEval's files, "entailment_label" in the full release.
_COLUMNS = (("pair_ID",), ("sentence_A",), ("sentence_B",), ("relatedness_score",))
_JUDGEMENT = ("entailment_judgment", "entailment_label")
_PART = ("SemEval_set",)


class SentencePair(NamedTuple):
    """Two sentences with the human judgements of SICK.

    Attributes:
        name: ``pair_ID`` of the pair.
        first: first sentence.
        second: second sentence.
        relatedness: relatedness score, 1.0 to 5.0.
        entailment: relation of the first sentence to the second, one of `ENTAILMENTS`.
    """

    name: str
    first: str
    second: str
    relatedness: float
    entailment: str


def read_sick(path: str | Path, part: str | None = None) -> Iterator[SentencePair]:
    """Read the sentence pairs of a SICK file, one by one; columns are identified by the names in the first line.

    Args:
        path: the file.
        part: for the full release in one file: "TRAIN", "TRIAL" or "TEST", the ``SemEval_set`` to read; None for all.

    Raises:
        CorpusError: there is no pair, a column is missing, a line has another number of columns than the first, a
            sentence is empty, a score is not a number from 1 to 5, or an entailment label is unknown. All pairs before
            it have been yielded.
        OSError: the file cannot be read.
    """
    places: list[int] = []
    width, found = 0, 0
    for number, line in lines(path):
        row = fields(line)
        if number == 1:
            header = [name for _, name in row]
            width = len(header)
            for names in (*_COLUMNS, _JUDGEMENT, *([] if part is None else [_PART])):
                place = next((header.index(name) for name in names if name in header), None)
                if place is None:
                    raise error_at(path, 1, len(line) + 1, f"no column {' or '.join(names)} in the first line")
                places.append(place)
            continue
        if len(row) != width:
            raise error_at(path, number, len(line) + 1, f"expected {width} tab-separated columns, found {len(row)}")
        (_, name), first, second, (score_column, score), (judgement_column, judgement), *rest = (row[i] for i in places)
        for column, sentence in (first, second):
            if not sentence.strip():
                raise error_at(path, number, column, "an empty sentence")
        try:
            relatedness = float(score)
        except ValueError:
            raise error_at(path, number, score_column, f"the relatedness {quoted(score)} is not a number") from None
        if not (isfinite(relatedness) and 1 <= relatedness <= 5):
            raise error_at(path, number, score_column, f"expected a relatedness from 1 to 5, found {score}")
        if judgement not in ENTAILMENTS:
            problem = f"the entailment {quoted(judgement)} is not one of {', '.join(ENTAILMENTS)}"
            raise error_at(path, number, judgement_column, problem)
        if rest and rest[0][1] != part:
            continue
        found += 1
        yield SentencePair(name, first[1], second[1], relatedness, judgement)
    if not found:
        raise error_at(path, 1, 1, f"no sentence pair{f' of the part {part}' if part else ''} in this file")
