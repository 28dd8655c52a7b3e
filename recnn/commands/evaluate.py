"""`recnn evaluate`: metrics of a model on labelled data."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

import corpora
import parsers
import recnn
from parsers.errors import InputError
from recnn.commands.common import ModelFolder, OnDevice, out, part_of, read_model
from recnn.commands.pairs import evaluate_pairs, labelled_pairs
from recnn.commands.streams import cell, print_json
from recnn.commands.translation import evaluate_translator, translated_pairs
from recnn.commands.typed_trees import evaluate_typed_trees, labelled_examples
from recnn.data.parsing import fitting
from recnn.errors import ModelError

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.settings import Device
    from recnn.training.examples import Examples

_PLACES = {"all": "all nodes", "roots": "roots"}


def evaluate(
    model: ModelFolder,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="File in the format of the training data; or train, dev or test, a part of the run's data.",
        ),
    ],
    by_length: Annotated[
        bool, typer.Option("--by-length", help="Also print the accuracy at the roots by length of the sentence.")
    ] = False,
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Plot the confusion matrix of all nodes to this file: .png, .svg or .pdf."),
    ] = None,
    device: OnDevice = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Evaluate a model on labelled data.

    Labelled trees: accuracy at all nodes and at the roots, with 95 percent confidence intervals. For sentiment, also
    the binary accuracy over the targets that are not neutral, by three definitions, of which the first is that of
    Socher et al. 2013.

    Pairs of sentences: Pearson's and Spearman's correlation and the mean squared error, or the accuracy.

    Translations: BLEU and chrF, by sacrebleu.

    Trees of typed nodes: accuracy, F1 of the labels, or RMSE and MAE.
    """
    found = read_model(model, recnn.Model, device)
    if (by_length or confusion) and found.kind != "trees":
        raise typer.BadParameter("only for models of labelled trees", param_hint="--by-length, --confusion")
    if isinstance(found, recnn.PairModel):
        evaluate_pairs(found, data, as_json)
    elif isinstance(found, recnn.Translator):
        evaluate_translator(found, model, data, as_json)
    elif isinstance(found, recnn.TypedTreeModel):
        evaluate_typed_trees(found, model, data, as_json)
    elif isinstance(found, recnn.TreeClassifier):
        _evaluate_trees(found, model, data, by_length, confusion, as_json)
    else:
        raise _not_evaluated(found, model)


def results_on(model: recnn.Model, folder: Path, data: str, device: Device = "cpu") -> Examples:
    """Compute the results of a model on each example of labelled data.

    Args:
        model: the model.
        folder: folder of its run.
        data: file in the format of the training data, or a part of the run's data.
        device: device to run on.

    Raises:
        InputError: the data are malformed, or models of this kind are not evaluated on files.
    """
    from recnn.graphs.devices import chosen_device
    from recnn.training.examples import Examples

    model = model.to(chosen_device(device))
    if isinstance(model, recnn.TreeClassifier):
        from recnn.training.objectives.trees import digest_of_trees, measured_trees

        trees = _labelled_trees(model, folder, data)
        try:
            return Examples.of(measured_trees(model, trees), digest_of_trees(trees))
        except InputError as error:
            raise InputError(f"{data}: {error}") from None
    if isinstance(model, recnn.PairModel):
        from recnn.training.objectives.pairs import digest_of_pairs, measured_pairs

        pairs = labelled_pairs(model, data)
        return Examples.of(measured_pairs(model, pairs), digest_of_pairs(pairs))
    if isinstance(model, recnn.Translator):
        from recnn.training.objectives.translation import digest_of_texts, measured_texts

        texts = translated_pairs(model, folder, data)
        return Examples.of(measured_texts(model, texts), digest_of_texts(texts))
    if isinstance(model, recnn.TypedTreeModel):
        from recnn.training.objectives.typed_trees import digest_of_examples, measured_examples

        examples = labelled_examples(folder, data)
        return Examples.of(measured_examples(model, examples), digest_of_examples(examples))
    raise _not_evaluated(model, folder)


def _not_evaluated(model: recnn.Model, folder: Path) -> ModelError:
    kinds = "'trees', 'typed_trees', 'pairs' or 'translation'"
    return ModelError(f"{folder}: expected a model of kind {kinds}, got {model.kind!r}")


def _evaluate_trees(
    found: recnn.TreeClassifier, model: Path, data: str, by_length: bool, confusion: Path | None, as_json: bool
) -> None:
    trees = _labelled_trees(found, model, data)
    try:
        scores = recnn.evaluate(found, found.dataset(trees))
    except InputError as error:
        raise InputError(f"{data}: {error}") from None
    if confusion is not None:
        recnn.draw.confusion_matrix(scores["all"].confusion, list(found.labels), confusion)
    lengths = _by_length(found, trees) if by_length else {}
    if as_json:
        record = {place: one.record() for place, one in scores.items()}
        more = {"by_length": {name: one.record()["fine"] for name, one in lengths.items()}} if by_length else {}
        print_json(record | more)
        return
    out.print(_table(scores))
    for place, one in scores.items():
        out.print(_confusion(one, list(found.labels), _PLACES[place]))
    if by_length:
        table = Table("words", "roots, percent", box=box.SIMPLE, pad_edge=False)
        for name, one in lengths.items():
            table.add_row(name, _share(one.right, one.count))
        out.print(table)


def _labelled_trees(model: recnn.TreeClassifier, folder: Path, data: str) -> list[Tree]:
    """Read the trees of a file, or of a part of the data of the run: its folder, or the bundled treebank."""
    from recnn.training.record import settings_of_data

    form, config = model.config.form, model.config
    if data in corpora.SENTIMENT_SIZES and not Path(data).exists():
        own = settings_of_data(folder) or {}
        if isinstance(where := own.get("data"), str):
            data = str(part_of(where, data))
        elif form == "sst":
            return list(corpora.bundled_sentiment(data))
    trees = corpora.read_labelled_trees(data, form, config.root_parser)
    return [fitting(tree, config.max_children) for tree in trees]


def _by_length(model: recnn.TreeClassifier, trees: list[Tree]) -> dict[str, recnn.Scores]:
    """Compute the scores at the roots of trees of 1 to 10, 11 to 20, 21 to 50 words, and so on."""
    ends = [10, 20, 50, 100, 200, 500, 1000]
    parts: dict[int, list[Tree]] = defaultdict(list)
    for tree in trees:
        length = len(parsers.words_of(tree))
        parts[next((place for place, end in enumerate(ends) if length <= end), len(ends))].append(tree)
    found = {}
    for place in sorted(parts):
        name = f"{[0, *ends][place] + 1}..{ends[place]}" if place < len(ends) else f"over {ends[-1]}"
        found[name] = recnn.evaluate(model, model.dataset(parts[place], "roots"))["roots"]
    return found


def _table(scores: dict[str, recnn.Scores]) -> Table:
    from recnn.training.scores import MEANINGS

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
    from recnn.training.scores import wilson

    low, high = wilson(right, count)
    return f"{100 * right / count:.1f} ({100 * low:.1f}..{100 * high:.1f}) of {count:,}"


def _confusion(scores: recnn.Scores, labels: list[str], place: str) -> Table:
    table = Table(f"{place}: target, predicted", box=box.SIMPLE, pad_edge=False)
    rows = [[f"{count:,}" for count in row] for row in scores.confusion.tolist()]
    for label, column in zip(labels, zip(*rows, strict=True), strict=True):
        # Numbers are never cut off, even if the table is wider than the terminal.
        table.add_column(cell(label), justify="right", min_width=max(map(len, column)))
    for label, row in zip(labels, rows, strict=True):
        table.add_row(cell(label), *row)
    return table
