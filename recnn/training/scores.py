"""How good a classifier is: accuracy at all nodes and at the roots, fine-grained and binary, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from corpora.sst import SENTIMENTS
from recnn.data.batches import TreeBatches
from recnn.data.datasets import TreeDataset, known
from recnn.models.trees import TreeClassifier

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

MEANINGS = {
    "binary": "negative against positive mass (the paper's)",
    "binary_largest": "the likeliest class that is not neutral",
    "binary_strict": "a neutral answer is wrong",
}
"""The three meanings of binary accuracy on five sentiments. Each is taken over targets that are not neutral."""


@dataclass(frozen=True)
class Scores:
    """Counts over some nodes.

    Attributes:
        confusion: (C, C) how many nodes of each class (row) were given each class (column).
        binary: for each of `MEANINGS`, how many were right; empty if the classes are not SST's.
        polar: how many targets are not neutral.
    """

    confusion: Tensor
    binary: dict[str, int]
    polar: int

    @classmethod
    def of(cls, probabilities: Tensor, target: Tensor, labels: Sequence[str]) -> Scores:
        """The counts from the probabilities (N, C) and targets (N,) of nodes; those without a target do not count."""
        probabilities, target = probabilities[target >= 0], target[target >= 0]
        classes = len(labels)
        answer = probabilities.argmax(1)
        confusion = torch.bincount(target * classes + answer, minlength=classes**2).view(classes, classes)
        if list(labels) != list(SENTIMENTS):
            return cls(confusion, {}, 0)
        p, expected = probabilities[target != 2], target[target != 2] > 2
        strict = answer[target != 2]
        right = {
            "binary": positive(p) == expected,
            "binary_largest": (p[:, 3:].amax(1) > p[:, :2].amax(1)) == expected,
            "binary_strict": ((strict > 2) == expected) & (strict != 2),
        }
        return cls(confusion, {name: int(hits.sum()) for name, hits in right.items()}, len(p))

    def __add__(self, other: Scores) -> Scores:
        binary = {name: count + other.binary[name] for name, count in self.binary.items()}
        return Scores(self.confusion + other.confusion, binary, self.polar + other.polar)

    @property
    def count(self) -> int:
        """How many nodes have a target."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """How many of them were given it."""
        return int(self.confusion.diagonal().sum())

    def record(self) -> dict[str, Any]:
        """As JSON: accuracies, None over no nodes, and the counts they are over."""
        found: dict[str, Any] = {"fine": _share(self.right, self.count)}
        found |= {name: _share(right, self.polar) for name, right in self.binary.items()}
        counts = {"fine": self.count} | ({"binary": self.polar} if self.binary else {})
        return {**found, "counts": counts, "confusion": self.confusion.tolist()}


def positive(probabilities: Tensor) -> Tensor:
    """(N,) the paper's binary answer to five sentiments (N, 5): whether the positive mass exceeds the negative."""
    return probabilities[:, 3:].sum(1) > probabilities[:, :2].sum(1)


def _share(right: int, count: int) -> float | None:
    return right / count if count else None


def wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval that holds the true share with 95 percent confidence (Wilson 1927); (0, 1) of nothing.

    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if not count:
        return 0.0, 1.0
    share, square = right / count, z * z / count
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    # At the ends, where the sums are exact on paper, their rounding is not.
    return centre - half if right else 0.0, centre + half if right < count else 1.0


@torch.no_grad()
def evaluate(model: TreeClassifier, data: TreeDataset, nodes: int = 4096) -> dict[str, Scores]:
    """The scores of a model at "all" nodes that have a target, and at the "roots".

    Args:
        model: switched to evaluation mode, and back.
        data: made with the vocabulary and labels of the model.
        nodes: number of nodes per batch.
    """
    training = model.training
    model.eval()
    batches = [scores_of(model, data[indices]) for indices in TreeBatches(data.sizes, nodes=nodes, shuffle=False)]
    model.train(training)
    return {place: sum((scores[place] for scores in batches[1:]), batches[0][place]) for place in batches[0]}


def scores_of(model: TreeClassifier, forest: DGLGraph) -> dict[str, Scores]:
    """The scores of a model on one batch of trees, see `evaluate`."""
    rows, target = known(forest)
    probabilities = model.head.probabilities(model(forest, rows)).cpu()
    root = forest.out_degrees()[rows] == 0
    labels = model.config.labels
    return {
        "all": Scores.of(probabilities, target, labels),
        "roots": Scores.of(probabilities[root], target[root], labels),
    }
