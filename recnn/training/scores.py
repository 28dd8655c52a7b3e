"""How good a classifier is: accuracy at all nodes and at the roots, fine-grained and binary, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpora.sst import SENTIMENTS
from recnn.data.batches import TreeBatches
from recnn.data.datasets import TreeDataset, known
from recnn.models.trees import TreeClassifier

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
    def of(cls, probabilities: Tensor, target: Tensor, labels: Sequence[str]) -> "Scores":
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
        model: put into evaluation, and back.
        data: made with the vocabulary and labels of the model.
        nodes: how many to look at together.
    """
    probabilities, target, root = answers(model, data, nodes)
    labels = model.config.labels
    return {
        "all": Scores.of(probabilities, target, labels),
        "roots": Scores.of(probabilities[root], target[root], labels),
    }


@torch.no_grad()
def answers(model: TreeClassifier, data: TreeDataset, nodes: int = 4096) -> tuple[Tensor, Tensor, Tensor]:
    """The probabilities (R, C) and targets (R,) of all nodes that have a target, and whether each is a root (R,)."""
    training = model.training
    model.eval()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for indices in TreeBatches(data.sizes, nodes=nodes, shuffle=False):
        forest = data[indices]
        rows, target = known(forest)
        found.append((model.head.probabilities(model(forest, rows)).cpu(), target, forest.out_degrees()[rows] == 0))
    model.train(training)
    probabilities, targets, roots = (torch.cat(parts) for parts in zip(*found, strict=True))
    return probabilities, targets, roots
