"""Accuracy of tree classifiers at all nodes and at the roots, fine-grained and binary, with confidence intervals."""

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
    "binary": "Socher 2013, summed probabilities",
    "binary_largest": "most probable class but neutral",
    "binary_strict": "neutral predictions are wrong",
}
"""Three definitions of binary accuracy on the five classes of SST, all over the targets that are not neutral.

"binary" compares the summed probabilities of the two positive and the two negative classes, as Socher et al. 2013 do.
"""


@dataclass(frozen=True)
class Scores:
    """Counts of the predictions at some nodes.

    Attributes:
        confusion: (C, C) number of nodes by their class (row) and the predicted class (column).
        binary: number of right predictions for each of `MEANINGS`; empty if the classes are not SST's.
        polar: number of targets that are not neutral; 0 if the classes are not SST's.
    """

    confusion: Tensor
    binary: dict[str, int]
    polar: int

    @classmethod
    def of(cls, probabilities: Tensor, target: Tensor, labels: Sequence[str]) -> Scores:
        """Count the predictions at N nodes.

        Args:
            probabilities: (N, C).
            target: (N,) class indices, -1 for nodes without a target, which are left out.
            labels: labels of the C classes.
        """
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
        """Number of nodes with a target."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Number of nodes whose target was predicted."""
        return int(self.confusion.diagonal().sum())

    def record(self) -> dict[str, Any]:
        """Return accuracies (None for no nodes), numbers of nodes and the confusion matrix, as JSON values."""
        found: dict[str, Any] = {"fine": _share(self.right, self.count)}
        found |= {name: _share(right, self.polar) for name, right in self.binary.items()}
        counts = {"fine": self.count} | ({"binary": self.polar} if self.binary else {})
        return {**found, "counts": counts, "confusion": self.confusion.tolist()}


def positive(probabilities: Tensor) -> Tensor:
    """Compare the probability of the positive classes with that of the negative ones (Socher et al. 2013).

    Args:
        probabilities: (N, 5) of the classes of SST.

    Returns:
        (N,) True where the positive classes are more probable.
    """
    return probabilities[:, 3:].sum(1) > probabilities[:, :2].sum(1)


def _share(right: int, count: int) -> float | None:
    return right / count if count else None


def wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Compute a confidence interval of a share, by default of 95 percent.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        right: number of right predictions.
        count: number of all predictions; for 0 the interval is (0, 1).
        z: quantile of the normal distribution, 1.96 for 95 percent.

    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if not count:
        return 0.0, 1.0
    share, square = right / count, z * z / count
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    # The ends are exactly 0 and 1 there, but for rounding.
    return centre - half if right else 0.0, centre + half if right < count else 1.0


@torch.no_grad()
def evaluate(model: TreeClassifier, data: TreeDataset, nodes: int = 4096) -> dict[str, Scores]:
    """Evaluate a model on labelled trees.

    Args:
        model: classifier; set to evaluation mode meanwhile.
        data: data set made with the vocabulary and labels of the model.
        nodes: largest number of nodes in a batch.

    Returns:
        The scores at "all" nodes that have a target, and at the "roots".
    """
    training = model.training
    model.eval()
    batches = [scores_of(model, data[indices]) for indices in TreeBatches(data.sizes, nodes=nodes, shuffle=False)]
    model.train(training)
    labels = model.config.labels
    none = Scores.of(torch.zeros(0, len(labels)), torch.zeros(0, dtype=torch.int64), labels)
    return {place: sum((scores[place] for scores in batches), none) for place in ("all", "roots")}


def scores_of(model: TreeClassifier, forest: DGLGraph) -> dict[str, Scores]:
    """Compute the scores of a model on one batch of trees, see `evaluate`."""
    rows, target = known(forest)
    probabilities = model.head.probabilities(model(forest, rows)).cpu()
    root = forest.out_degrees()[rows] == 0
    labels = model.config.labels
    return {
        "all": Scores.of(probabilities, target, labels),
        "roots": Scores.of(probabilities[root], target[root], labels),
    }
