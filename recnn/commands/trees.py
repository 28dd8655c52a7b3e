"""The tasks of trees: `recnn train sentiment`, `treebank`, `sentences`, `listops`, `relatedness` and `entailment`."""

from dataclasses import fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from nltk import Tree
from pydantic import Field
from pydantic.dataclasses import dataclass

from corpora.labelled_trees import Form, read_labelled_trees
from corpora.listops import generate_listops, listops_tree
from corpora.pairs import read_sick
from corpora.sentiment import bundled_sentiment
from corpora.sst import SENTIMENTS
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import constituents
from recnn.commands.common import fitting, part_of
from recnn.config import STRICT, Count, Location, NotNegative
from recnn.models.classifier import ClassifierConfig
from recnn.models.config import PhraseConfig
from recnn.models.pairs import PairConfig, PairOptions
from recnn.objectives.options import TreeOptions, WordOptions

if TYPE_CHECKING:
    from recnn.objectives.base import Objective


@dataclass(frozen=True, config=STRICT)
class FolderData:
    """Where the data are."""

    data: Annotated[
        Location | None,
        Field(description="A folder with train.txt and dev.txt (.tsv will do). [default: what is bundled, if any]"),
    ] = None


@dataclass(frozen=True, config=STRICT)
class TreebankData(FolderData):
    """Where the trees are, and which of their labels are learnt."""

    targets: Annotated[Literal["all", "roots"], Field(description="The nodes to learn from.")] = "all"


@dataclass(frozen=True, config=STRICT)
class SentimentData(TreebankData):
    """The same, of labels on a scale."""

    ordinal: Annotated[
        NotNegative, Field(description="How far a target reaches to its neighbours on the scale; 0 for not at all.")
    ] = 0.0


@dataclass(frozen=True, config=STRICT)
class ListOpsData:
    """Expressions of ListOps, read or generated, and which of their values are learnt."""

    data: Annotated[
        Location | None, Field(description="A folder with train.tsv and dev.tsv. [default: expressions are generated]")
    ] = None
    count: Annotated[Count, Field(description="How many are generated to learn from; a tenth more to choose on.")] = (
        20_000
    )
    longest: Annotated[Count, Field(description="Most tokens in an expression that is generated.")] = 50
    targets: Annotated[
        Literal["all", "roots"], Field(description="Learn the value of the whole, or of every expression in it.")
    ] = "roots"


def sentiment(network: PhraseConfig, words: WordOptions, data: SentimentData, options: TreeOptions) -> "Objective":
    """Train a sentiment for every node of a tree, 0 to 4, and keep the model that is best on held-out trees.

    --data takes trees in the format of the Stanford Sentiment Treebank; a small treebank of that kind is bundled. The
    folder of the run gets the models initial, best and last, metrics.csv and curves.png. Killed at any time, the run
    goes on with --resume, and ends with the weights it would have had.
    """
    parts = [
        list(bundled_sentiment(part) if data.data is None else read_labelled_trees(part_of(data.data, part), "sst"))
        for part in ("train", "dev")
    ]
    return _classification(network, words, options, parts, tuple(SENTIMENTS), "sst", data.targets, data.ordinal)


def treebank(network: PhraseConfig, words: WordOptions, data: TreebankData, options: TreeOptions) -> "Objective":
    """Train the label of every node of a tree, whatever labels there are in the trees.

    --data takes trees in Penn Treebank brackets; a node with an empty label has no target. Nodes with more children
    than --arity become several, of which only the uppermost keeps the label; with --arity sum they stay.
    """
    parts = _read(data.data, "trees", network)
    return _classification(network, words, options, parts, _labels_of(parts), "trees", data.targets)


def sentences(network: PhraseConfig, words: WordOptions, data: FolderData, options: TreeOptions) -> "Objective":
    """Train the label of sentences without trees: a label, a tab and a sentence a line.

    A tree of the form --shape is put over each sentence; --model sequence has no use for it.
    """
    parts = _read(data.data, "sentences", network)
    return _classification(network, words, options, parts, _labels_of(parts), "sentences", "roots")


def listops(network: PhraseConfig, words: WordOptions, data: ListOpsData, options: TreeOptions) -> "Objective":
    """Train the values of nested operations on digits, where a model that knows the tree has the advantage."""
    if data.data is not None:
        parts = _read(data.data, "listops", network)
    else:
        sizes = data.count, max(100, data.count // 10)
        # No expression of one part is in the other: both are cut from one sequence without repetitions.
        both = generate_listops(sum(sizes), options.seed, max_length=data.longest)
        try:
            trees = [listops_tree(expression.tree) for expression in both]
        except ValueError as error:
            raise InputError(f"--count {data.count} --longest {data.longest}: {error}") from None
        Random(options.seed).shuffle(trees)  # the later ones are longer, see `generate_listops`
        parts = [trees[: sizes[0]], trees[sizes[0] :]]
    return _classification(network, words, options, parts, tuple("0123456789"), "listops", data.targets)


def relatedness(network: PairOptions, words: WordOptions, data: FolderData, options: TreeOptions) -> "Objective":
    """Train how related two sentences are, from 1 to 5, on pairs in the format of SICK.

    --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and dev.txt), or the whole SICK.txt.
    """
    return _pairs("relatedness", network, words, data, options)


def entailment(network: PairOptions, words: WordOptions, data: FolderData, options: TreeOptions) -> "Objective":
    """Train whether the second of two sentences follows from the first, on pairs in the format of SICK.

    --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and dev.txt), or the whole SICK.txt.
    """
    return _pairs("entailment", network, words, data, options)


def _pairs(
    answer: Literal["relatedness", "entailment"],
    network: PairOptions,
    words: WordOptions,
    data: FolderData,
    options: TreeOptions,
) -> "Objective":
    from recnn.objectives.pairs import PairClassification

    folder = _folder(data.data)
    whole = Path(folder) / "SICK.txt"
    if whole.exists():
        train, dev = (list(read_sick(whole, part)) for part in ("TRAIN", "TRIAL"))
    else:
        train, dev = (list(read_sick(part_of(folder, part))) for part in ("train", "dev"))
    return PairClassification(PairConfig(answer=answer, **_values(network)), options, train, dev, words)


def _values(settings: PhraseConfig) -> dict[str, Any]:
    """Those of all its fields, for settings that have more."""
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _classification(
    network: PhraseConfig,
    words: WordOptions,
    options: TreeOptions,
    parts: list[list[Tree]],
    labels: tuple[str, ...],
    form: Form,
    targets: Literal["all", "roots"],
    ordinal: float = 0.0,
) -> "Objective":
    from recnn.objectives.trees import TreeClassification

    config = ClassifierConfig(labels, ordinal=ordinal, form=form, **_values(network))
    return TreeClassification(config, options, parts[0], parts[1], words, targets)


def _read(
    folder: str | None, form: Literal["trees", "listops", "sentences"], network: PhraseConfig
) -> list[list[Tree]]:
    files = [part_of(_folder(folder), part) for part in ("train", "dev")]
    read = (read_labelled_trees(file, form, network.shape) for file in files)
    return [[fitting(tree, network.widest) for tree in trees] for trees in read]


def _folder(folder: str | None) -> str:
    if folder is None:
        raise typer.BadParameter("this task has no bundled data: name a folder", param_hint="--data")
    return folder


def _labels_of(parts: list[list[Tree]]) -> tuple[str, ...]:
    """The labels of all nodes, the most frequent first; one that only held-out trees have is never right."""
    nodes = (c.node for trees in parts for tree in trees for c in constituents(tree))
    found = (node.label() for node in nodes if isinstance(node, Tree))
    labels = tuple(Vocabulary.of((label for label in found if label), unknown=None))
    if len(labels) < 2:
        problem = f"all labels are {labels[0]!r}: there is nothing to tell apart" if labels else "no node has a label"
        raise InputError(f"--data: {problem}")
    return labels
