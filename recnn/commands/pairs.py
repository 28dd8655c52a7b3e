"""Tasks on pairs of sentences: `recnn train relatedness` and `entailment`."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table

import corpora
from corpora.pairs import SentencePair
from recnn.commands.common import folder_of, out, part_of
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.parsing import fitting
from recnn.data.sources import FolderData
from recnn.models.config import PairConfig, PairNetworkConfig
from recnn.settings import values_of
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from recnn.models.pairs import PairModel
    from recnn.training.objectives.base import Objective

Answer = Literal["relatedness", "entailment"]


@trains("relatedness", data=FolderData, network=PairNetworkConfig, words=WordTraining, training=TreeTraining)
def relatedness(
    data: FolderData, network: PairNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
    """Predict how related two sentences are.

    The scale is 1 to 5, as in SICK. --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and
    dev.txt), or with the whole SICK.txt. For given dependency trees and --arity sum, it has the folders train and dev,
    each with a.conllu and b.conllu (or a.toks, a.parents, b.toks and b.parents) and sim.txt.
    """
    return _pairs("relatedness", data, network, words, training)


@trains("entailment", data=FolderData, network=PairNetworkConfig, words=WordTraining, training=TreeTraining)
def entailment(
    data: FolderData, network: PairNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
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
) -> "Objective":
    from recnn.training.objectives.pairs import PairObjective

    folder = Path(folder_of(data.data))
    train, dev = ([_fitting(pair, network) for pair in _read(folder, part, answer)] for part in ("train", "dev"))
    return PairObjective(PairConfig(answer=answer, **values_of(network)), training, train, dev, words)


def _read(folder: Path, part: Literal["train", "dev"], answer: Answer) -> Iterator[SentencePair]:
    if (folder / part).is_dir():
        return corpora.read_tree_pairs(folder / part, answer)
    if (whole := folder / "SICK.txt").exists():
        return corpora.read_sick(whole, {"train": "TRAIN", "dev": "TRIAL"}[part])
    return corpora.read_sick(part_of(folder, part))


def _fitting(pair: SentencePair, network: PairNetworkConfig) -> SentencePair:
    """Check that the trees of a pair fit the network, if they are given."""
    for sentence in (pair.first, pair.second):
        if not isinstance(sentence, str):
            fitting(sentence, network.max_children)
    return pair


def labelled_pairs(model: "PairModel", data: str) -> list[SentencePair]:
    """Read the pairs of a file, or of a folder of trees."""
    trees = Path(data).is_dir()
    read = corpora.read_tree_pairs(data, model.config.answer) if trees else corpora.read_sick(data)
    return [_fitting(pair, model.config) for pair in read]


def evaluate_pairs(model: "PairModel", data: str, as_json: bool) -> None:
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
