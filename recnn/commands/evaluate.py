"""`recnn evaluate`: how good a model is on data with the answers."""

import json
import math
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from nltk import Tree
from rich import box
from rich.table import Table
from rich.text import Text

from corpora.labelled_trees import read_labelled_trees
from corpora.pairs import read_sick
from corpora.sentiment import SENTIMENT_SIZES, bundled_sentiment
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.commands.common import fitting, out, part_of, read_model
from recnn.commands.translate import evaluate_translator
from recnn.models.classifier import TreeClassifier
from recnn.models.folder import Model, ModelError
from recnn.models.pairs import PairModel
from recnn.models.translator import Translator
from recnn.scores import MEANINGS, Scores, wilson
from recnn.scores import evaluate as scores_of
from recnn.training.record import settings_of_data

_PLACES = {"all": "all nodes", "roots": "roots"}


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model, or of a run.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A file like those it was trained on; or train, dev or test of its run."),
    ],
    by_length: Annotated[bool, typer.Option("--by-length", help="Also the roots by the number of words.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print a model's accuracy on labelled trees, at all nodes and at the roots, with 95 percent confidence.

    Binary accuracy leaves neutral targets out. Of its three meanings the first is the paper's (Socher et al. 2013).
    A model of pairs is measured by correlations and the squared error, or by its accuracy; a translator, on pairs as it
    learnt from or on train, dev or test of what its run had, by BLEU and chrF as sacrebleu reckons them.
    """
    found = read_model(model, Model)
    if by_length and not isinstance(found, TreeClassifier):
        raise typer.BadParameter("it is for models of labelled trees", param_hint="--by-length")
    if isinstance(found, PairModel):
        _print_pairs(found, data, as_json)
        return
    if isinstance(found, Translator):
        evaluate_translator(found, model, data, as_json)
        return
    if not isinstance(found, TreeClassifier):
        raise ModelError(f"{model}: a model of kind {found.kind!r} is not evaluated on labelled trees")
    trees = _labelled_trees(found, model, data)
    try:
        scores = scores_of(found, found.dataset(trees))
    except InputError as error:
        raise InputError(f"{data}: {error}") from None
    lengths = _by_length(found, trees) if by_length else {}
    if as_json:
        record = {place: one.record() for place, one in scores.items()}
        more = {"by_length": {name: one.record()["fine"] for name, one in lengths.items()}} if by_length else {}
        print(json.dumps(record | more, ensure_ascii=False))
        return
    out.print(_table(scores))
    for place, one in scores.items():
        out.print(_confusion(one, list(found.labels), _PLACES[place]))
    if by_length:
        table = Table("words", "roots, percent", box=box.SIMPLE, pad_edge=False)
        for name, one in lengths.items():
            table.add_row(name, _share(one.right, one.count))
        out.print(table)


def _labelled_trees(model: TreeClassifier, folder: Path, data: str) -> list[Tree]:
    """The trees of a file, or of a part of what the run had: of its folder of data, or of the bundled treebank."""
    form, config = model.config.form, model.config
    if data in SENTIMENT_SIZES and not Path(data).exists():
        own = settings_of_data(folder) or {}
        if isinstance(where := own.get("data"), str):
            data = str(part_of(where, data))
        elif form == "sst":
            return list(bundled_sentiment(data))
    return [fitting(tree, config.widest) for tree in read_labelled_trees(data, form, config.shape)]


def _by_length(model: TreeClassifier, trees: list[Tree]) -> dict[str, Scores]:
    """The scores at the roots of trees of 1 to 10, 11 to 20, 21 to 50 words, and so on."""
    ends = [10, 20, 50, 100, 200, 500, 1000]
    parts: dict[int, list[Tree]] = defaultdict(list)
    for tree in trees:
        length = len(words_of(tree))
        parts[next((place for place, end in enumerate(ends) if length <= end), len(ends))].append(tree)
    found = {}
    for place in sorted(parts):
        name = f"{[0, *ends][place] + 1}..{ends[place]}" if place < len(ends) else f"over {ends[-1]}"
        found[name] = scores_of(model, model.dataset(parts[place], "roots"))["roots"]
    return found


def _print_pairs(model: PairModel, data: str, as_json: bool) -> None:
    from recnn.data import TreeBatches
    from recnn.objectives.pairs import pair_dataset, pair_measures

    pairs = pair_dataset(list(read_sick(data)), model.config, model.vocabulary)
    measures = pair_measures(model.config)
    for indices in TreeBatches(pairs.sizes, nodes=4096, shuffle=False):
        batch = pairs[indices]
        for measure in measures.values():
            measure.metric.update(model.answers(batch.forest), batch.target)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*variance of predictions")
        values = {name: float(measure.metric.compute()) for name, measure in measures.items()}
    if as_json:
        known = {name: None if math.isnan(value) else value for name, value in values.items()}
        print(json.dumps({**known, "count": len(pairs)}))
        return
    table = Table(f"{len(pairs):,} pairs", "", box=box.SIMPLE, pad_edge=False)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), f"{value:.4f}")
    out.print(table)


def _table(scores: dict[str, Scores]) -> Table:
    table = Table("accuracy, percent", box=box.SIMPLE, pad_edge=False)
    for name in _PLACES.values():
        table.add_column(name, no_wrap=True)
    table.add_row("fine-grained", *(_share(one.right, one.count) for one in scores.values()))
    for name, meaning in MEANINGS.items():
        if all(one.binary for one in scores.values()):
            row = (_share(one.binary[name], one.polar) for one in scores.values())
            table.add_row(f"binary: {meaning}", *row)
    return table


def _share(right: int, count: int) -> str:
    if not count:
        return "no targets"
    low, high = wilson(right, count)
    return f"{100 * right / count:.1f} ({100 * low:.1f}..{100 * high:.1f}) of {count:,}"


def _confusion(scores: Scores, labels: list[str], place: str) -> Table:
    table = Table(f"{place}: is, was given", box=box.SIMPLE, pad_edge=False)
    rows = [[f"{count:,}" for count in row] for row in scores.confusion.tolist()]
    for label, column in zip(labels, zip(*rows, strict=True), strict=True):
        # Wide tables go beyond the edge of a narrow terminal, for a digit less would be another number.
        table.add_column(Text(label), justify="right", min_width=max(map(len, column)))
    for label, row in zip(labels, rows, strict=True):
        table.add_row(Text(label), *row)
    return table
