"""Trees with targets as a data set: graphs made once, and batches by trees or by nodes in an order that can be resumed.

    data = TreeDataset(trees, vocabulary, labels)
    for forest in loader(data, TreeBatches(data.sizes, trees=25, seed=1)):
        forest.ndata["word"], forest.ndata["target"]

What is made once is the graph of each tree. The levels of a batch are made with the batch: for 25 trees of the Stanford
Sentiment Treebank that takes 1 to 2 ms, where a training step takes 50.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, overload

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import constituents, words_of
from recnn import _dgl
from recnn._dgl import DGLGraph
from recnn.graph import sequence_to_graph, tree_to_graph
from recnn.schedule import schedule
from recnn.subwords import add_pieces

Nodes = Literal["all", "roots"]


def word_graph(source: Tree | Sequence[str], vocabulary: Vocabulary, subwords: int = 0) -> DGLGraph:
    """The graph of a tree, or the chain of some words, as models read it: labels play no part.

    It has the node data ``word`` and ``span`` and, with ``subwords``, ``pieces`` (`recnn.subwords`).
    """
    tree = isinstance(source, Tree)
    graph = tree_to_graph(source, vocabulary) if tree else sequence_to_graph(source, vocabulary)
    graph.ndata.pop("label", None)
    graph.labels = None
    if subwords:
        add_pieces(graph, words_of(source) if tree else source, subwords)
    return graph


class TreeDataset(Dataset[DGLGraph]):
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
        subwords: of the model's configuration: if not 0, there is the node data ``pieces`` (`recnn.subwords`).

    Raises:
        InputError: a label that ``labels`` lacks, or a tree that is malformed.
    """

    def __init__(
        self,
        trees: Iterable[Tree],
        vocabulary: Vocabulary,
        labels: Vocabulary,
        targets: Nodes = "all",
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


def _with_targets(graph: DGLGraph, empty: int, targets: Nodes) -> DGLGraph:
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


class TreeBatches(Sampler[list[int]]):
    """Batches of indices in an order that is a function of the seed and the epoch alone, so that it can be resumed.

    Shuffled trees are cut into pools of some batches each; a pool is sorted by size, so that trees of one batch are of
    about one size, and cut into batches; then the batches are shuffled.

    Args:
        sizes: the number of nodes of each tree.
        trees: how many trees a batch has, the last of a pool perhaps fewer; or
        nodes: how many nodes it has at most, and more only if a single tree has.
        shuffle: without it, the trees come in their order.
        pool: how many batches are sorted together; 1 does not sort.
        seed: of the order.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        trees: int | None = None,
        nodes: int | None = None,
        shuffle: bool = True,
        pool: int = 1,
        seed: int = 0,
    ) -> None:
        if (trees is None) == (nodes is None):
            raise ValueError("give either trees or nodes")
        for name, value in (("trees", trees), ("nodes", nodes), ("pool", pool)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        self.sizes = list(sizes)
        self.trees, self.nodes = trees, nodes
        self.shuffle, self.pool, self.seed = shuffle, pool, seed
        self.epoch = 0
        self._made: tuple[int, list[list[int]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning's Trainer does."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches())

    def __len__(self) -> int:
        return len(self.batches())

    def batches(self) -> list[list[int]]:
        """All batches of the epoch."""
        if self._made is None or self._made[0] != self.epoch:
            self._made = self.epoch, self._batches()
        return self._made[1]

    def _batches(self) -> list[list[int]]:
        if not self.shuffle:
            return self._cut(list(range(len(self.sizes))), self.trees or len(self.sizes))
        random = torch.Generator().manual_seed(mixed(self.seed, self.epoch))
        order = torch.randperm(len(self.sizes), generator=random).tolist()
        mean = max(1, sum(self.sizes) // max(1, len(self.sizes)))
        pool = self.pool * (self.trees or max(1, (self.nodes or 1) // mean))
        made: list[list[int]] = []
        for begin in range(0, len(order), pool):
            some = order[begin : begin + pool]
            if self.pool > 1:
                some.sort(key=self.sizes.__getitem__)
            made += self._cut(some, self.trees or len(some))
        return [made[place] for place in torch.randperm(len(made), generator=random).tolist()]

    def _cut(self, order: list[int], trees: int) -> list[list[int]]:
        if self.nodes is None:
            return [order[begin : begin + trees] for begin in range(0, len(order), trees)]
        made: list[list[int]] = []
        total = 0
        for index in order:
            total += self.sizes[index]
            if not made or total > self.nodes:
                made.append([])
                total = self.sizes[index]
            made[-1].append(index)
        return made


def loader(data: Dataset[Any], batches: TreeBatches, workers: int = 0) -> DataLoader[Any]:
    """Batches of ``data``, which takes lists of indices, made in ``workers`` processes, or in this one.

    Its random numbers, which workers want though nothing here draws any, are its own, so that those of the training do
    not depend on it.
    """
    random = torch.Generator().manual_seed(batches.seed)
    return DataLoader(
        data,
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        collate_fn=_same,
        generator=random,
    )


def _same(batch: Any) -> Any:
    return batch


def mixed(*numbers: int) -> int:
    """One seed of several numbers, such that neighbours have nothing in common."""
    return int.from_bytes(hashlib.sha256(json.dumps(numbers).encode()).digest()[:7])
