"""Tasks that predict labels of trees: `recnn train sentiment`, `treebank`, `sentences` and `listops`."""

from random import Random
from typing import TYPE_CHECKING, Literal

import corpora
import parsers
from corpora.labelled_trees import Form, read_labelled_trees
from parsers.errors import InputError
from recnn.commands.common import folder_of, part_of, prepared
from recnn.commands.train import trains
from recnn.data.parsing import fitting
from recnn.data.sources import BracketData, ListOpsData, Preparation, SentenceData, SentimentData, Storage
from recnn.models.config import PhraseNetworkConfig, TreeConfig
from recnn.settings import values_of
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from recnn.data.tree_store import TreeStore
    from recnn.training.objectives.base import Objective


_AS_READ = Preparation()


@trains("sentiment", data=SentimentData, network=PhraseNetworkConfig, words=WordTraining, training=TreeTraining)
def sentiment(
    data: SentimentData, network: PhraseNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
    """Predict a sentiment for every phrase of a sentence.

    The classes are 0 (very negative) to 4 (very positive). --data takes trees in the format of the Stanford Sentiment
    Treebank; a small treebank of that kind is bundled. The run saves the models initial, best and last, metrics.csv and
    curves.png in its folder. An interrupted run continues with --resume and ends with the same weights.
    """
    from recnn.data.tree_store import TreeStore

    read = (
        corpora.bundled_sentiment(part) if data.data is None else read_labelled_trees(part_of(data.data, part), "sst")
        for part in ("train", "dev")
    )
    parts = [TreeStore(trees, data.on_disk) for trees in read]
    labels = tuple(corpora.SENTIMENTS)
    return _objective(network, words, training, parts, labels, "sst", data, data.targets, data.ordinal)


@trains("treebank", data=BracketData, network=PhraseNetworkConfig, words=WordTraining, training=TreeTraining)
def treebank(
    data: BracketData, network: PhraseNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
    """Predict the labels of the nodes of any treebank.

    --data takes trees in Penn Treebank brackets, or with --arity sum dependency trees in CoNLL-U (train.conllu and
    dev.conllu), whose relations are learnt. A node with an empty label has no target. Nodes with more children
    than --arity are binarised: the uppermost of the new nodes has the label, the others have none. With --arity sum
    they stay as they are.
    """
    parts = _read(data, "trees", network, data)
    return _objective(network, words, training, parts, _labels_of(parts), "trees", data, data.targets)


@trains("sentences", data=SentenceData, network=PhraseNetworkConfig, words=WordTraining, training=TreeTraining)
def sentences(
    data: SentenceData, network: PhraseNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
    """Predict the label of a sentence.

    --data takes files with a label, a tab and a sentence on each line. Each sentence gets the tree of --parser,
    which --model sequence does not use. For given dependency trees and --arity sum, --data takes train.conllu (or
    train.toks and train.parents) with a label on each line of train.labels, and the same for dev.
    """
    parts = _read(data, "sentences", network)
    return _objective(network, words, training, parts, _labels_of(parts), "sentences", data, "roots")


@trains("listops", data=ListOpsData, network=PhraseNetworkConfig, words=WordTraining, training=TreeTraining)
def listops(
    data: ListOpsData, network: PhraseNetworkConfig, words: WordTraining, training: TreeTraining
) -> "Objective":
    """Predict the value of nested operations on digits.

    With --model tree the structure of an expression is given; with --model sequence it must be learnt from the
    brackets.
    """
    if data.data is not None:
        parts = _read(data, "listops", network)
    else:
        from recnn.data.tree_store import TreeStore

        sizes = data.count, max(100, data.count // 10)
        # Both parts are cut from one sequence without repetitions, so that they are disjoint.
        both = corpora.generate_listops(sum(sizes), training.seed, max_length=data.max_length)
        try:
            trees = TreeStore((corpora.listops_tree(expression.tree) for expression in both), data.on_disk)
        except ValueError as error:
            raise InputError(f"--count {data.count} --max-length {data.max_length}: {error}") from None
        order = list(range(len(trees)))
        Random(training.seed).shuffle(order)  # the later ones are longer, see `generate_listops`
        parts = [trees.select(order[: sizes[0]]), trees.select(order[sizes[0] :])]
    return _objective(network, words, training, parts, tuple("0123456789"), "listops", data, data.targets)


def _objective(
    network: PhraseNetworkConfig,
    words: WordTraining,
    training: TreeTraining,
    parts: "list[TreeStore]",
    labels: tuple[str, ...],
    form: Form,
    storage: Storage,
    targets: Literal["all", "roots"],
    ordinal: float = 0.0,
) -> "Objective":
    from recnn.training.objectives.trees import TreeObjective

    config = TreeConfig(labels, ordinal=ordinal, form=form, **values_of(network))
    return TreeObjective(config, training, parts[0], parts[1], words, targets, on_disk=storage.on_disk)


def _read(
    data: SentenceData | BracketData | ListOpsData,
    form: Literal["trees", "listops", "sentences"],
    network: PhraseNetworkConfig,
    preparation: Preparation = _AS_READ,
) -> "list[TreeStore]":
    from recnn.data.tree_store import TreeStore

    files = [part_of(folder_of(data.data), part) for part in ("train", "dev")]
    read = (prepared(read_labelled_trees(file, form, network.root_parser), preparation, file) for file in files)
    return [TreeStore((fitting(tree, network.max_children) for tree in trees), data.on_disk) for trees in read]


def _labels_of(parts: "list[TreeStore]") -> tuple[str, ...]:
    """Collect the labels of all nodes, most frequent first, with those that only validation trees have."""
    nodes = (c.node for trees in parts for tree in trees for c in parsers.constituents(tree))
    found = (node.label() for node in nodes if not isinstance(node, str))
    labels = tuple(corpora.Vocabulary.of((label for label in found if label), unknown=None))
    if len(labels) < 2:
        problem = (
            f"all labels are {labels[0]!r}, expected at least two different ones" if labels else "no node has a label"
        )
        raise InputError(f"--data: {problem}")
    return labels
