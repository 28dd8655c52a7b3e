"""Sentence pairs with relatedness scores and entailment labels, in the format of SICK.

Marelli et al., "A SICK cure for the evaluation of compositional distributional semantic models", LREC 2014.
"""

from collections.abc import Iterator
from itertools import zip_longest
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from corpora.errors import error_at, quoted
from corpora.labelled_trees import read_labelled_trees
from corpora.text import fields, lines
from corpora.vocabulary import Vocabulary

if TYPE_CHECKING:
    from nltk import Tree

ENTAILMENTS = Vocabulary(["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], unknown=None)

# The column of the entailment is "entailment_judgment" in SemEval's files, "entailment_label" in the full release.
_COLUMNS = (("pair_ID",), ("sentence_A",), ("sentence_B",), ("relatedness_score",))
_JUDGEMENT = ("entailment_judgment", "entailment_label")
_PART = ("SemEval_set",)


class SentencePair(NamedTuple):
    """Two sentences with the human judgements of SICK.

    Attributes:
        name: ``pair_ID`` of the pair.
        first: first sentence, or a tree over it.
        second: second sentence, likewise.
        relatedness: relatedness score, 1.0 to 5.0.
        entailment: relation of the first sentence to the second, one of `ENTAILMENTS`.
    """

    name: str
    first: "str | Tree"
    second: "str | Tree"
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
    return (pair for _, pair in placed_pairs(path, part))


def placed_pairs(path: str | Path, part: str | None = None) -> Iterator[tuple[int, SentencePair]]:
    """Read sentence pairs as `read_sick` does, each with its line."""
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
        relatedness = _relatedness(path, number, score_column, score)
        entailment = _entailment(path, number, judgement_column, judgement)
        if rest and rest[0][1] != part:
            continue
        found += 1
        yield number, SentencePair(name, first[1], second[1], relatedness, entailment)
    if not found:
        raise error_at(path, 1, 1, f"no sentence pair{f' of the part {part}' if part else ''} in this file")


def read_tree_pairs(
    folder: str | Path, answer: Literal["relatedness", "entailment"] = "relatedness"
) -> "Iterator[SentencePair]":
    """Read sentence pairs with their dependency trees from a folder, in the layout of Tai, Socher and Manning 2015.

    The trees are in ``a.parents`` and ``b.parents``, see `read_parents`, or in ``a.conllu`` and ``b.conllu``, see
    `read_conllu`. Each line of ``sim.txt`` has the relatedness of a pair, or each line of ``ent.txt`` its entailment.

    Args:
        folder: the folder of a part, such as ``train``.
        answer: what to read; the other has no value, NaN or an empty string.

    Raises:
        CorpusError: a file is malformed, or the files do not have equally many sentences and answers. All pairs before
            it have been yielded.
        OSError: a file cannot be read.
    """
    folder = Path(folder)
    answers = folder / ("sim.txt" if answer == "relatedness" else "ent.txt")
    files = [folder / f"{side}.conllu" for side in "ab"]
    if not files[0].exists():
        files = [folder / f"{side}.parents" for side in "ab"]
    for number, (row, first, second) in enumerate(zip_longest(lines(answers), *map(read_labelled_trees, files)), 1):
        for file, item in zip((answers, *files), (row, first, second), strict=True):
            if item is None:
                raise error_at(file, number, 1, f"nothing for the pair {number}, which other files have")
        text = row[1].strip()
        relatedness = _relatedness(answers, number, 1, text) if answer == "relatedness" else nan
        entailment = _entailment(answers, number, 1, text) if answer == "entailment" else ""
        yield SentencePair(str(number), first, second, relatedness, entailment)


def _relatedness(path: str | Path, line: int, column: int, text: str) -> float:
    try:
        relatedness = float(text)
    except ValueError:
        raise error_at(path, line, column, f"the relatedness {quoted(text)} is not a number") from None
    if not (isfinite(relatedness) and 1 <= relatedness <= 5):
        raise error_at(path, line, column, f"expected a relatedness from 1 to 5, found {text}")
    return relatedness


def _entailment(path: str | Path, line: int, column: int, text: str) -> str:
    if text not in ENTAILMENTS:
        raise error_at(path, line, column, f"the entailment {quoted(text)} is not one of {', '.join(ENTAILMENTS)}")
    return text
