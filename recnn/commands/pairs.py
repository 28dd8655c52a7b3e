"""Pairs of sentences: `recnn train relatedness` and `entailment`, and predictions for other pairs."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich import box
from rich.table import Table

import corpora
import parsers
from corpora.pairs import SentencePair, placed_pairs
from parsers.errors import InputError, SentenceError
from parsers.printing import printable
from recnn.commands.common import Failures, decoded, folder_of, in_chunks, out, part_of, read_sentences
from recnn.commands.parse import best_trees
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.parsing import trees_over
from recnn.data.sources import FolderData
from recnn.models.config import PairConfig, PairNetworkConfig
from recnn.settings import values_of
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from nltk import Tree

    from recnn.models.pairs import PairModel
    from recnn.training.objectives.base import Objective

Answer = Literal["relatedness", "entailment"]


@trains("relatedness", data=FolderData, network=PairNetworkConfig, words=WordTraining, training=TreeTraining)
def relatedness(data: FolderData, network: PairNetworkConfig, words: WordTraining, training: TreeTraining) -> Objective:
    """Predict how related two sentences are.

    The scale is 1 to 5, as in SICK. --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and
    dev.txt), or with the whole SICK.txt. For given dependency trees and --arity sum, it has the folders train and dev,
    each with a.conllu and b.conllu (or a.toks, a.parents, b.toks and b.parents) and sim.txt.
    """
    return _pairs("relatedness", data, network, words, training)


@trains("entailment", data=FolderData, network=PairNetworkConfig, words=WordTraining, training=TreeTraining)
def entailment(data: FolderData, network: PairNetworkConfig, words: WordTraining, training: TreeTraining) -> Objective:
    """Predict whether one sentence follows from another.

    The classes are those of SICK: entailment, contradiction or neutral. --data takes a folder with SICK_train.txt and
    SICK_trial.txt (or train.txt and dev.txt), or with the whole SICK.txt. For given dependency trees and --arity sum,
    it has the folders train and dev, each with a.conllu and b.conllu (or a.toks, a.parents, b.toks and b.parents) and
    ent.txt.
    """
    return _pairs("entailment", data, network, words, training)


def _pairs(
    answer: Answer,
    data: FolderData,
    network: PairNetworkConfig,
    words: WordTraining,
    training: TreeTraining,
) -> Objective:
    from recnn.training.objectives.pairs import PairObjective

    folder = Path(folder_of(data.data))
    train, dev = (_with_trees(_read(folder, part, answer), network) for part in ("train", "dev"))
    return PairObjective(PairConfig(answer=answer, **values_of(network)), training, train, dev, words)


def _read(folder: Path, part: Literal["train", "dev"], answer: Answer) -> Iterator[tuple[str, SentencePair]]:
    if (folder / part).is_dir():
        return _in_file(folder / part, answer)
    if (whole := folder / "SICK.txt").exists():
        return _in_file(whole, answer, {"train": "TRAIN", "dev": "TRIAL"}[part])
    return _in_file(part_of(folder, part), answer)


def _in_file(path: Path, answer: Answer, part: str | None = None) -> Iterator[tuple[str, SentencePair]]:
    """Read the pairs of a file, or of a folder with their trees, each with the beginning of its error messages."""
    if path.is_dir():
        return ((f"{path}, pair {pair.name}: ", pair) for pair in corpora.read_tree_pairs(path, answer))
    return ((f"{path}, line {line}: ", pair) for line, pair in placed_pairs(path, part))


def _with_trees(pairs: Iterable[tuple[str, SentencePair]], network: PairNetworkConfig) -> list[SentencePair]:
    """Parse the sentences of pairs that have no trees.

    Raises:
        InputError: a sentence has no parse, or a tree does not fit the network; with the place of its pair.
    """
    read = list(pairs)
    sentences = (sentence for _, pair in read for sentence in (pair.first, pair.second))
    trees = trees_over(sentences, network.root_parser, network.max_children, lambda index: read[index // 2][0])
    return [pair._replace(first=next(trees), second=next(trees)) for _, pair in read]


def labelled_pairs(model: PairModel, data: str) -> list[SentencePair]:
    """Read the pairs of a file, or of a folder of trees, with a tree over each sentence."""
    return _with_trees(_in_file(Path(data), model.config.answer), model.config)


def evaluate_pairs(model: PairModel, data: str, as_json: bool) -> None:
    """Print the metrics of a model on the pairs of a file."""
    from recnn.training.objectives.pairs import measured_pairs

    pairs = labelled_pairs(model, data)
    measures = measured_pairs(model, pairs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*variance of predictions")
        values = {name: float(measure.metric.compute()) for name, measure in measures.items()}
    if as_json:
        known = {name: None if math.isnan(value) else value for name, value in values.items()}
        print_json({**known, "count": len(pairs)})
        return
    table = Table(f"{len(pairs):,} pairs", "", box=box.SIMPLE, pad_edge=False)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), f"{value:.4f}")
    out.print(table)


Placed = tuple[str, tuple[str, str]]
"""Two sentences with the beginning of their error messages."""


def read_pairs(arguments: Sequence[str] | None, file: Path | None, failures: Failures) -> Iterator[Placed]:
    """Yield pairs of sentences: arguments two by two, or lines of a file or, for ``-``, of standard input."""
    if file is None and arguments != ["-"]:
        texts = [text for _, text in read_sentences(arguments, failures)]
        if len(texts) % 2 and not failures.count:
            raise typer.BadParameter(f"expected two for each pair, got {len(texts)}", param_hint="SENTENCE...")
        yield from (("", pair) for pair in zip(texts[0::2], texts[1::2], strict=False))
        return
    with ExitStack() as stack:
        source = sys.stdin.buffer if file is None else stack.enter_context(open(file, "rb"))
        for place, text in decoded(source, "standard input" if file is None else str(file)):
            sentences = [] if isinstance(text, InputError) else [part.strip() for part in text.split("\t")]
            if isinstance(text, InputError):
                failures.add(InputError(f"{place}{text}"))
            elif len(sentences) == 2:
                yield place, (sentences[0], sentences[1])
            elif text:
                problem = f"expected a sentence, a tab and a sentence, found columns: {len(sentences)}"
                failures.add(InputError(f"{place}{problem}"))


def predict_pairs(
    model: PairModel, pairs: Iterable[Placed], parser: parsers.Parser, tokens: bool, failures: Failures, as_json: bool
) -> None:
    """Print the relatedness or the entailment of each pair."""
    for some in in_chunks(_parsed(pairs, parser, tokens, failures)):
        texts, trees = zip(*some, strict=True)
        for (first, second), answer in zip(texts, _answers(model, trees), strict=True):
            if as_json:
                print_json({"first": first, "second": second, **answer})
                continue
            if model.config.answer == "relatedness":
                shown = f"{answer['relatedness']:.2f}"
            else:
                best = answer["entailment"]
                shown = f"{best}\t{100 * answer['probabilities'][best]:.0f}%"
            print(shown, printable(first), printable(second), sep="\t")  # rich would make spaces of tabs


def _answers(model: PairModel, trees: Sequence[tuple[Tree, Tree]]) -> Iterator[dict[str, Any]]:
    if model.config.answer == "relatedness":
        yield from ({"relatedness": answer} for answer in model.predict(trees))
        return
    for row in model.probabilities(trees).cpu().tolist():
        chances = dict(zip(corpora.ENTAILMENTS, row, strict=True))
        yield {"entailment": max(chances, key=chances.__getitem__), "probabilities": chances}


def _parsed(
    pairs: Iterable[Placed], parser: parsers.Parser, tokens: bool, failures: Failures
) -> Iterator[tuple[tuple[str, str], tuple[Tree, Tree]]]:
    """Yield each pair with its trees."""
    given, rest = tee(pairs)
    found = best_trees(parser, ((place, sentence) for place, pair in rest for sentence in pair), tokens)
    for _, texts in given:
        first, second = next(found), next(found)
        if not isinstance(first, SentenceError) and not isinstance(second, SentenceError):
            yield texts, (first, second)
        for tree in (first, second):
            if isinstance(tree, SentenceError):
                failures.add(tree)
