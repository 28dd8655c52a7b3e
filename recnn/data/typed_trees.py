"""Trees of typed nodes with targets, as graphs for training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.data.datasets import without_tables
from recnn.data.graph_store import GraphStore
from recnn.settings import TreeTask
from recnn.trees.files import TreeExample
from recnn.trees.graphs import typed_tree_to_graph
from recnn.trees.siblings import left_child_right_sibling
from recnn.trees.typed_tree import TypedTree

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_Place = Literal["root", "nodes"]


class TypedTreeTargets(NamedTuple):
    """What the targets of some trees are.

    Attributes:
        task: kind of the targets.
        at: the targets are of whole trees (root), or of their nodes.
        labels: names of the classes or labels, the most frequent first; none for a regression.
        outputs: number of the labels, or of the numbers of a target.
    """

    task: TreeTask
    at: _Place
    labels: tuple[str, ...]
    outputs: int

    @classmethod
    def of(cls, examples: Sequence[TreeExample], task: TreeTask | None = None) -> TypedTreeTargets:
        """Describe the targets of some trees.

        Args:
            examples: the trees.
            task: kind of the targets; by default as the first one is: strings and booleans are classes, lists of
                strings labels, numbers and lists of numbers regressions.

        Raises:
            InputError: there are no targets, or they are not of one kind.
        """
        at: _Place = "nodes" if any(example.targets is not None for example in examples) else "root"
        every = [(name, value) for name, example in _named(examples) for _, value in _values(name, example, at)]
        if not every:
            raise InputError("there are no targets")
        task = task or _task_of(*every[0])
        found = [_texts(name, value, task) for name, value in every]
        if task == "regression":
            return cls(task, at, (), len(found[0]))
        labels = tuple(Vocabulary.of((text for texts in found for text in texts), unknown=None))
        if len(labels) < 2:
            raise InputError(f"expected at least two different {task}, got {', '.join(map(repr, labels)) or 'none'}")
        return cls(task, at, labels, len(labels))

    def tensor(self, name: str, example: TreeExample, table: Vocabulary) -> Tensor:
        """Return the targets of the nodes of a tree, in preorder, in the form that `recnn.Head` takes.

        Args:
            name: name of the tree in error messages.
            example: the tree.
            table: ``labels``.

        Raises:
            InputError: a target is of another kind.
        """
        count = len(example.tree)
        classes = self.task == "classes"
        found = torch.full((count,), -1) if classes else torch.full((count, self.outputs), torch.nan)
        for node, value in _values(name, example, self.at):
            texts = _texts(name, value, self.task)
            if self.task == "regression":
                if len(texts) != self.outputs:
                    raise InputError(f"{name}: expected a target of {self.outputs} numbers, got {value!r:.60}")
                found[node] = torch.tensor(texts)
                continue
            if unknown := [text for text in texts if text not in table]:
                raise InputError(f"{name}: the target {unknown[0]!r:.60} is not one of the model")
            rows = torch.tensor([table.index(text) for text in texts], dtype=torch.int64)
            found[node] = rows[0] if classes else torch.zeros(self.outputs).index_fill(0, rows, 1.0)
        return found


def _named(examples: Iterable[TreeExample]) -> Iterator[tuple[str, TreeExample]]:
    """Yield the trees with their names in error messages."""
    for number, example in enumerate(examples, 1):
        yield f"tree {number}" + (f" ({example.source})" if example.source else ""), example


def _values(name: str, example: TreeExample, at: _Place) -> list[tuple[int, Any]]:
    """Return the nodes that have a target, with their targets."""
    if at == "nodes":
        return [(node, value) for node, value in enumerate(example.targets or []) if value is not None]
    if example.target is None:
        raise InputError(f"{name} has no target")
    return [(0, example.target)]


def _task_of(name: str, value: Any) -> TreeTask:
    parts = value if isinstance(value, list) else [value]
    if isinstance(value, str | bool):
        return "classes"
    if all(isinstance(part, str) for part in parts):
        return "labels"
    _texts(name, value, "regression")  # raises the error
    return "regression"


def _texts(name: str, value: Any, task: TreeTask) -> list[Any]:
    """Return the names of the class or of the labels of a target, or its numbers."""
    parts = value if isinstance(value, list) else [value]
    if task == "classes" and isinstance(value, str | bool | int) and value != "":
        return [str(value).lower() if isinstance(value, bool) else str(value)]
    if task == "labels" and isinstance(value, list) and all(isinstance(part, str) and part for part in parts):
        return parts
    numbers = all(isinstance(part, int | float) and not isinstance(part, bool) and isfinite(part) for part in parts)
    if task == "regression" and parts and numbers:
        return list(map(float, parts))
    expected = {"classes": "a class, as a string", "labels": "a list of labels", "regression": "a number or several"}
    raise InputError(f"{name}: expected {expected[task]} as target, got {value!r:.60}")


class TypedTreeDataset(Dataset["DGLGraph"]):
    """Data set of trees of typed nodes with targets.

    ``data[[i, j, ...]]`` is the batch of several trees: node data ``word``, ``label`` (the type) and, with ``numbers``,
    ``number``, see `recnn.trees.typed_tree_to_graph`; and ``target``, of all nodes, see `TypedTreeTargets.tensor`.

    Args:
        examples: the trees.
        targets: what the targets are.
        graph: function from a tree to its graph, such as `TypedTreeModel.graph`.

    Raises:
        InputError: a target is missing or of another kind, or a tree does not fit the model; the message names the
            tree.
    """

    def __init__(
        self, examples: Sequence[TreeExample], targets: TypedTreeTargets, graph: Callable[[TypedTree], DGLGraph]
    ) -> None:
        table = Vocabulary(targets.labels, unknown=None)

        def graphs() -> Iterator[DGLGraph]:
            for name, example in _named(examples):
                try:
                    made = graph(example.tree)
                except InputError as error:
                    raise InputError(f"{name}: {error}") from None
                made.ndata["target"] = targets.tensor(name, example, table)[made.ndata["row"]]
                yield without_tables(made)

        self._graphs = GraphStore(graphs())
        self.sizes = self._graphs.sizes

    def __len__(self) -> int:
        return len(self._graphs)

    def __iter__(self) -> Iterator[DGLGraph]:
        return iter(self._graphs)

    def __getitem__(self, index: list[int]) -> DGLGraph:
        return self._graphs.batch(index)


class TypedTreeGraphs(NamedTuple):
    """Function from a tree to the graph that a model takes as input.

    Attributes:
        vocabulary: vocabulary of the words.
        types: vocabulary of the types.
        numbers: number F of numeric features of a node.
        binarise: binarise the trees, see `recnn.trees.left_child_right_sibling`.
        arity: largest number of children of a node, or "sum" for any number.
    """

    vocabulary: Vocabulary
    types: Vocabulary
    numbers: int
    binarise: bool
    arity: int | Literal["sum"]

    def __call__(self, tree: TypedTree) -> DGLGraph:
        """Convert a tree.

        Raises:
            InputError: a node has too many children or another number of numeric features.
        """
        if tree.width not in (0, self.numbers):
            raise InputError(f"nodes have {tree.width} numbers, expected {self.numbers or 'none'}")
        if self.binarise and not tree.slots:
            tree = left_child_right_sibling(tree)
        if self.arity != "sum":
            self._check_arity(tree, self.arity)
        graph = typed_tree_to_graph(tree, self.vocabulary, self.types)
        if self.numbers and not tree.numbers:
            graph.ndata["number"] = torch.full((len(tree), self.numbers), torch.nan)
        return graph

    @staticmethod
    def _check_arity(tree: TypedTree, arity: int) -> None:
        for node, below in enumerate(tree.children()):
            most = max([tree.slots[child] + 1 for child in below], default=0) if tree.slots else len(below)
            if most > arity:
                problem = f"node {node} ({tree.labels[node]!r:.40}) has {most} children, the network takes {arity}"
                raise InputError(f"{problem}: binarise the trees (binarise), or take arity sum")
