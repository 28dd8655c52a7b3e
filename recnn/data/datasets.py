"""Trees with targets as a data set: graphs made once, and batches by trees or by nodes in an order that can be resumed.

    data = TreeDataset(trees, vocabulary, labels)
    for forest in loader(data, TreeBatches(data.sizes, trees=25, seed=1)):
        forest.ndata["word"], forest.ndata["target"]

What is made once is the graph of each tree. The levels of a batch are made with the batch: for 25 trees of the Stanford
Sentiment Treebank that takes 1 to 2 ms, where a training step takes 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import Dataset

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import constituents, words_of
from recnn.data.subwords import add_pieces
from recnn.graphs import _dgl
from recnn.graphs.convert import sequence_to_graph, tree_to_graph
from recnn.graphs.schedule import schedule

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

Targets = Literal["all", "roots"]


def word_graph(source: Tree | Sequence[str], vocabulary: Vocabulary, subwords: int = 0) -> DGLGraph:
    """The graph of a tree, or the chain of some words, as models read it: labels play no part.

    It has the node data ``word`` and ``span`` and, with ``subwords``, ``pieces`` (`recnn.data.subwords`).
    """
    tree = isinstance(source, Tree)
    graph = tree_to_graph(source, vocabulary) if tree else sequence_to_graph(source, vocabulary)
    graph.ndata.pop("label", None)
    graph.labels = None
    if subwords:
        add_pieces(graph, words_of(source) if tree else source, subwords)
    return graph


class TreeDataset(Dataset["DGLGraph"]):
    """Trees whose labels are what is to be learnt.

    Node data of each graph, int64 (N,): ``word``, the index in the vocabulary, -1 where there is none; ``target``, the
    index of the node's label, -1 where there is none; ``span`` as in `recnn.tree_to_graph`. There is no node data
    ``label``, for a cell that reads labels would read the answer.

    An item is a graph; the items of a list of indices are one batch of graphs, in that order, with its levels.

    Args:
        trees: read once; a label that ``labels`` lacks is an error, the empty label is no target.
        vocabulary: of the words.
        labels: of the targets.
        targets: "all" nodes that have a label, or only the "roots".
        subwords: of the model's configuration: if not 0, there is the node data ``pieces`` (`recnn.data.subwords`).

    Raises:
        InputError: a label that ``labels`` lacks, or a tree that is malformed.
    """

    def __init__(
        self,
        trees: Iterable[Tree],
        vocabulary: Vocabulary,
        labels: Vocabulary,
        targets: Targets = "all",
        subwords: int = 0,
    ) -> None:
        if targets not in ("all", "roots"):
            raise ValueError(f"targets must be 'all' or 'roots', got {targets!r}")
        # "" stands for a node without a label, which `tree_to_graph` would look up.
        table = Vocabulary([*labels, ""], unknown=None)
        self._graphs = []
        for number, tree in enumerate(trees, 1):
            _check_labels(tree, table, number)
            graph = _with_targets(tree_to_graph(tree, vocabulary, table), len(labels), targets)
            if subwords:
                add_pieces(graph, words_of(tree), subwords)
            self._graphs.append(graph)
        self.sizes = [graph.num_nodes() for graph in self._graphs]

    def __len__(self) -> int:
        return len(self._graphs)

    def __iter__(self) -> Iterator[DGLGraph]:
        return iter(self._graphs)

    def targets(self) -> Tensor:
        """(N,) the targets of all nodes of all trees."""
        return torch.cat([graph.ndata["target"] for graph in self._graphs])

    @overload
    def __getitem__(self, index: int) -> DGLGraph: ...
    @overload
    def __getitem__(self, index: list[int]) -> DGLGraph: ...
    def __getitem__(self, index: int | list[int]) -> DGLGraph:
        if isinstance(index, int):
            return self._graphs[index]
        return batch_of([self._graphs[one] for one in index])


def _check_labels(tree: Tree, labels: Vocabulary, number: int) -> None:
    for node, start, _, _ in constituents(tree):
        if isinstance(node, Tree) and node.label() not in labels:
            known = ", ".join(repr(label) for label in labels[:8] if label) + (", ..." if len(labels) > 9 else "")
            raise InputError(f"tree {number}, word {start}: the label {node.label()!r} is none of {known}")


def batch_of(graphs: list[DGLGraph]) -> DGLGraph:
    """A batch of graphs with its levels."""
    forest = _dgl.batch(graphs)
    schedule(forest)  # kept on the forest; what comes from another process makes it anew
    return forest


def _with_targets(graph: DGLGraph, empty: int, targets: Targets) -> DGLGraph:
    target = graph.ndata.pop("label")
    target[target == empty] = -1
    if targets == "roots":
        target[graph.out_degrees() > 0] = -1
    graph.ndata["target"] = target
    return without_tables(graph)


def without_tables(graph: DGLGraph) -> DGLGraph:
    """The graph by itself: a batch goes between processes with its attributes, and the tables would go with each."""
    del graph.vocabulary, graph.labels
    return graph


def known(forest: DGLGraph) -> tuple[Tensor, Tensor]:
    """The nodes that have a target, and their targets."""
    target = forest.ndata["target"]
    rows = torch.nonzero(target >= 0).squeeze(1)
    return rows, target[rows]


class Pairs(NamedTuple):
    """A batch of B pairs of trees."""

    forest: DGLGraph
    """2 B graphs, pair after pair."""
    target: Tensor
    """(B,)"""


class PairDataset(Dataset[Pairs]):
    """Pairs of trees, each with a target: a number, or the number of a class.

    The items of a list of indices are one batch; its graphs have the node data ``word`` and ``span`` of `TreeDataset`.

    Args:
        pairs: of trees; their labels play no part.
        target: (B,).
        vocabulary: of the words.
        subwords: as for `TreeDataset`.
    """

    def __init__(
        self, pairs: Iterable[tuple[Tree, Tree]], target: Tensor, vocabulary: Vocabulary, subwords: int = 0
    ) -> None:
        self._graphs = []
        for pair in pairs:
            self._graphs += [without_tables(word_graph(tree, vocabulary, subwords)) for tree in pair]
        sizes = [graph.num_nodes() for graph in self._graphs]
        self.target = target
        self.sizes = [a + b for a, b in zip(sizes[0::2], sizes[1::2], strict=True)]
        if len(self.sizes) != len(target):
            raise ValueError(f"expected a target for each of {len(self.sizes)} pairs, got {len(target)}")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: list[int]) -> Pairs:
        graphs = [self._graphs[2 * one + side] for one in index for side in (0, 1)]
        return Pairs(batch_of(graphs), self.target[index])
