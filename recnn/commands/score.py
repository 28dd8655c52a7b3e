"""`recnn parse --score`: how well the parses of a grammar agree with the trees of a treebank."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

import corpora
import parsers
from parsers.errors import InputError, SentenceError
from parsers.parseval import is_punctuation, tagged_words
from recnn.commands.common import out
from recnn.commands.streams import cell, print_json

if TYPE_CHECKING:
    from nltk import Tree

CUT_OFF = 40
"""Number of words of the longest sentences in the second column, as in evalb."""
_SHARES = {
    "precision": "labelled precision",
    "recall": "labelled recall",
    "f1": "labelled F1",
    "unlabelled_precision": "unlabelled precision",
    "unlabelled_recall": "unlabelled recall",
    "unlabelled_f1": "unlabelled F1",
    "exact_match": "exact match",
    "tag_accuracy": "tag accuracy",
    "without_crossing": "no crossing brackets",
    "two_or_less_crossing": "two or less",
}


def score(parser: parsers.Parser, path: Path, as_json: bool) -> None:
    """Parse the words of the trees in a file, and print how well the best parses agree with the trees.

    Raises:
        CorpusError: the file is malformed.
    """
    gold = [corpora.unescape(tree) for tree in corpora.read_treebank(path)]
    found = [None if isinstance(tree, SentenceError) else tree for tree in parser.parse_each(_words(parser, gold))]
    try:
        every, short = parsers.score(gold, found), parsers.score(gold, found, CUT_OFF)
    except parsers.TreeError as error:
        raise InputError(f"{path}: {error}") from None
    if as_json:
        print_json({"file": str(path), "all": every.record(), f"length<={CUT_OFF}": short.record()})
    else:
        out.print(_table(every, short), _labels(every))


def _words(parser: parsers.Parser, gold: "list[Tree]") -> "Iterator[list[str]]":
    """Yield the words of each tree, without punctuation that the grammar of the parser lacks."""
    for tree in gold:
        words = tagged_words(tree)
        if isinstance(parser, parsers.GrammarParser):
            known = parser.lexicon
            words = [one for one in words if not is_punctuation(one.tag) or parsers.known_form(one.word, known)]
        yield [one.word for one in words]


def _table(every: parsers.Parseval, short: parsers.Parseval) -> Table:
    table = Table("", "all", f"up to {CUT_OFF} words", box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("sentences", str(every.sentences), str(short.sentences))
    table.add_row("unparsed", str(every.unparsed), str(short.unparsed))
    for name, title in _SHARES.items():
        table.add_row(title, *(f"{100 * getattr(result, name):.2f}" for result in (every, short)))
    table.add_row("crossing per sentence", *(f"{result.average_crossing:.2f}" for result in (every, short)))
    return table


def _labels(result: parsers.Parseval) -> Table:
    table = Table("label", "gold", "predicted", "matched", "precision", "recall", "F1", box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for label, (gold, predicted, matched) in sorted(result.labels.items(), key=lambda item: (-item[1].gold, item[0])):
        one = parsers.Parseval(gold=gold, predicted=predicted, matched=matched)
        shares = (f"{100 * share:.2f}" for share in (one.precision, one.recall, one.f1))
        table.add_row(cell(label), str(gold), str(predicted), str(matched), *shares)
    return table
