"""The tasks of trees: `recnn train sentiment`, `treebank`, `sentences`, `listops` and `pairs`."""

from dataclasses import fields
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
from recnn.commands.common import part_of
from recnn.config import STRICT, Count, Location, NotNegative
from recnn.models.classifier import ClassifierConfig
from recnn.models.config import PhraseConfig
from recnn.models.pairs import PairConfig
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
    """Train the label of every node of a tree, whatever labels there are in the training trees.

    --data takes trees in Penn Treebank brackets; a node with an empty label has no target.
    """
    parts = _read(data.data, "trees", network)
    return _classification(network, words, options, parts, _labels_of(parts[0]), "trees", data.targets)


def sentences(network: PhraseConfig, words: WordOptions, data: FolderData, options: TreeOptions) -> "Objective":
    """Train the label of sentences without trees: a label, a tab and a sentence a line.

    A tree of the form --shape is put over each sentence; --model sequence has no use for it.
    """
    parts = _read(data.data, "sentences", network)
    return _classification(network, words, options, parts, _labels_of(parts[0]), "sentences", "roots")


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
        parts = [trees[: sizes[0]], trees[sizes[0] :]]
    return _classification(network, words, options, parts, tuple("0123456789"), "listops", data.targets)


def pairs(network: PairConfig, words: WordOptions, data: FolderData, options: TreeOptions) -> "Objective":
    """Train how related two sentences are, or whether one follows from the other, on pairs in the format of SICK.

    --data takes a folder with SICK_train.txt and SICK_trial.txt (or train.txt and dev.txt).
    """
    from recnn.objectives.pairs import PairClassification

    folder = _folder(data.data)
    train, dev = (list(read_sick(part_of(folder, part))) for part in ("train", "dev"))
    return PairClassification(network, options, train, dev, words)


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

    values: Any = {field.name: getattr(network, field.name) for field in fields(network)}
    config = ClassifierConfig(labels, ordinal=ordinal, form=form, **values)
    return TreeClassification(config, options, parts[0], parts[1], words, targets)


def _read(
    folder: str | None, form: Literal["trees", "listops", "sentences"], network: PhraseConfig
) -> list[list[Tree]]:
    return [list(read_labelled_trees(part_of(_folder(folder), part), form, network.shape)) for part in ("train", "dev")]


def _folder(folder: str | None) -> str:
    if folder is None:
        raise typer.BadParameter("this task has no bundled data: name a folder", param_hint="--data")
    return folder


def _labels_of(trees: list[Tree]) -> tuple[str, ...]:
    """The labels of all nodes, the most frequent first."""
    found = (c.node.label() for tree in trees for c in constituents(tree) if isinstance(c.node, Tree))
    labels = tuple(Vocabulary.of((label for label in found if label), unknown=None))
    if len(labels) < 2:
        raise InputError(f"the trees have {len(labels)} different labels: there is nothing to tell apart")
    return labels
