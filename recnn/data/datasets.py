"""Data sets of trees and of pairs of trees, with targets.

    data = TreeDataset(trees, vocabulary, labels)
    for forest in loader(data, TreeBatches(data.sizes, trees=25, seed=1)):
        forest.ndata["word"], forest.ndata["target"]

Trees are converted to graphs once, when the data set is made, and kept as arrays (`recnn.data.graph_store`). The graph
and the levels of a batch are made with each batch: for 25 trees of the Stanford Sentiment Treebank in 1 to 2 ms,
compared with 50 ms for a training step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import Dataset

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import constituents, words_of
from recnn.data.graph_store import GraphStore
from recnn.data.subwords import add_pieces
from recnn.graphs import _dgl
from recnn.graphs.convert import sequence_to_graph, tree_to_graph
from recnn.graphs.schedule import schedule

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

Targets = Literal["all", "roots"]


def word_graph(source: Tree | Sequence[str], vocabulary: Vocabulary, subwords: int = 0) -> DGLGraph:
    """Convert a tree, or a sequence of words, to the graph that models take as input, without labels.

    Args:
        source: a tree, or words, which become a chain.
        vocabulary: vocabulary of the words.
        subwords: number of hash buckets of character n-grams, as in the model's configuration; 0 for none.

    Returns:
        A graph with node data ``word`` and ``span`` and, with ``subwords``, ``pieces`` (see `recnn.data.subwords`).
    """
    tree = isinstance(source, Tree)
    graph = tree_to_graph(source, vocabulary) if tree else sequence_to_graph(source, vocabulary)
    graph.ndata.pop("label", None)
    graph.labels = None
    if subwords:
        add_pieces(graph, words_of(source) if tree else source, subwords)
    return graph


class TreeDataset(Dataset["DGLGraph"]):
    """Data set of trees whose labels are the targets.

    Node data of each graph, int64: ``word`` (N,), index in the vocabulary, -1 for none; ``target`` (N,), index of the
    node's label, -1 for none; ``span`` (N, 2), see `recnn.tree_to_graph`. There is no node data ``label``, so that
    cells that use labels cannot read the targets.

    ``data[i]`` is the graph of a tree; ``data[[i, j, ...]]`` is the batch of several, in this order.

    Args:
        trees: the trees, iterated over once. A node with an empty label has no target.
        vocabulary: vocabulary of the words.
        labels: vocabulary of the labels.
        targets: nodes that have targets: "all" with a label, or only the "roots".
        subwords: number of hash buckets of character n-grams, as in the model's configuration; if not 0, the graphs
            have node data ``pieces`` (see `recnn.data.subwords`).
        on_disk: keep the graphs in temporary files, mapped into memory, in the folder that the environment variable
            TMPDIR names; they vanish with the data set.

    Raises:
        InputError: a tree has a label that is not in ``labels``, or is malformed.
        ValueError: ``targets`` is neither "all" nor "roots".
        OSError: the temporary files cannot be written.
    """

    def __init__(
        self,
        trees: Iterable[Tree],
        vocabulary: Vocabulary,
        labels: Vocabulary,
        targets: Targets = "all",
        subwords: int = 0,
        on_disk: bool = False,
    ) -> None:
        if targets not in ("all", "roots"):
            raise ValueError(f"targets must be 'all' or 'roots', got {targets!r}")
        # The empty label needs an index, as `tree_to_graph` looks up all labels.
        table = Vocabulary([*labels, ""], unknown=None)

        def graphs() -> Iterator[DGLGraph]:
            for number, tree in enumerate(trees, 1):
                try:
                    graph = _with_targets(tree_to_graph(tree, vocabulary, table), len(labels), targets)
                except InputError:
                    _check_labels(tree, table, number)
                    raise
                if subwords:
                    add_pieces(graph, words_of(tree), subwords)
                yield graph

        if on_disk:
            with TemporaryDirectory(prefix="recnn-") as folder:  # removed at once; the files stay mapped
                self._graphs = GraphStore(graphs(), Path(folder) / "graphs")
        else:
            self._graphs = GraphStore(graphs())
        self.sizes = self._graphs.sizes

    def __len__(self) -> int:
        return len(self._graphs)

    def __iter__(self) -> Iterator[DGLGraph]:
        return iter(self._graphs)

    def targets(self) -> Tensor:
        """Return the targets of all nodes of all trees, (N,)."""
        return self._graphs.column("target")

    @overload
    def __getitem__(self, index: int) -> DGLGraph: ...
    @overload
    def __getitem__(self, index: list[int]) -> DGLGraph: ...
    def __getitem__(self, index: int | list[int]) -> DGLGraph:
        if isinstance(index, int):
            return self._graphs[index]
        return self._graphs.batch(index)


def _check_labels(tree: Tree, labels: Vocabulary, number: int) -> None:
    for node, start, _, _ in constituents(tree):
        if isinstance(node, Tree) and node.label() not in labels:
            known = ", ".join(repr(label) for label in labels[:8] if label) + (", ..." if len(labels) > 9 else "")
            raise InputError(f"tree {number}, word {start}: the label {node.label()!r} is not one of {known}")


def batch_of(graphs: list[DGLGraph]) -> DGLGraph:
    """Batch graphs and compute their levels."""
    forest = _dgl.batch(graphs)
    schedule(forest)  # kept on the forest, also if the batch is sent from another process
    return forest


def _with_targets(graph: DGLGraph, empty: int, targets: Targets) -> DGLGraph:
    target = graph.ndata.pop("label")
    target[target == empty] = -1
    if targets == "roots":
        target[graph.out_degrees() > 0] = -1
    graph.ndata["target"] = target
    return without_tables(graph)


def without_tables(graph: DGLGraph) -> DGLGraph:
    """Remove the tables of words and labels from a graph, so that they are not sent between processes with it."""
    del graph.vocabulary, graph.labels
    return graph


def known(forest: DGLGraph) -> tuple[Tensor, Tensor]:
    """Return the indices (R,) of the nodes that have a target, and their targets (R,)."""
    target = forest.ndata["target"]
    rows = torch.nonzero(target >= 0).squeeze(1)
    return rows, target[rows]


class Pairs(NamedTuple):
    """A batch of B pairs of trees."""

    forest: DGLGraph
    """2 B graphs: the two trees of the first pair, of the second, ..."""
    target: Tensor
    """(B,) targets."""


class PairDataset(Dataset[Pairs]):
    """Data set of pairs of trees, each with a target: a number, or the index of a class.

    ``data[[i, j, ...]]`` is a batch of pairs; its graphs have the node data ``word`` and ``span`` of `TreeDataset`.

    Args:
        pairs: pairs of trees; their labels are not used.
        target: (B,) target of each pair.
        vocabulary: vocabulary of the words.
        subwords: number of hash buckets of character n-grams, see `TreeDataset`.

    Raises:
        ValueError: the numbers of pairs and of targets differ.
    """

    def __init__(
        self, pairs: Iterable[tuple[Tree, Tree]], target: Tensor, vocabulary: Vocabulary, subwords: int = 0
    ) -> None:
        trees = (tree for pair in pairs for tree in pair)
        self._graphs = GraphStore(without_tables(word_graph(tree, vocabulary, subwords)) for tree in trees)
        sizes = self._graphs.sizes
        self.target = target
        self.sizes = [a + b for a, b in zip(sizes[0::2], sizes[1::2], strict=True)]
        if len(self.sizes) != len(target):
            raise ValueError(f"expected a target for each of {len(self.sizes)} pairs, got {len(target)} targets")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: list[int]) -> Pairs:
        return Pairs(self._graphs.batch([2 * one + side for one in index for side in (0, 1)]), self.target[index])


class Numbers(NamedTuple):
    """A batch of B trees with numbers."""

    forest: DGLGraph
    """B graphs."""
    numbers: Tensor
    """(B, C) numbers."""


class NumberDataset(Dataset[Numbers]):
    """Data set of trees, each with C numbers to predict.

    ``data[[i, j, ...]]`` is a batch; its graphs have the node data ``word`` and ``span`` of `TreeDataset`.

    Args:
        trees: the trees; their labels are not used.
        numbers: (B, C) numbers of each tree.
        vocabulary: vocabulary of the words.
        subwords: number of hash buckets of character n-grams, see `TreeDataset`.

    Raises:
        ValueError: the numbers of trees and of rows differ.
    """

    def __init__(self, trees: Iterable[Tree], numbers: Tensor, vocabulary: Vocabulary, subwords: int = 0) -> None:
        self._graphs = GraphStore(without_tables(word_graph(tree, vocabulary, subwords)) for tree in trees)
        self.sizes = self._graphs.sizes
        self.numbers = numbers
        if len(self.sizes) != len(numbers):
            raise ValueError(f"expected numbers of {len(self.sizes)} trees, got {len(numbers)} rows")

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[DGLGraph]:
        return iter(self._graphs)

    def __getitem__(self, index: list[int]) -> Numbers:
        return Numbers(self._graphs.batch(index), self.numbers[index])
