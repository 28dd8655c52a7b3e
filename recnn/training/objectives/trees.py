"""Training of tree classifiers: a class for every node of a tree, or for its root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from corpora.sst import SENTIMENTS
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import Targets, known
from recnn.models.config import TreeConfig
from recnn.models.trees import TreeClassifier
from recnn.training.objectives.base import (
    Measure,
    Objective,
    digest_of,
    digest_of_text,
    fill_vectors,
    means,
    tree_batches,
)
from recnn.training.options import TreeTraining, WordTraining
from recnn.training.scores import positive

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeObjective(Objective, kind="trees"):
    """Cross entropy of the classes of nodes, over the nodes that have a target.

    Metrics: the accuracy at ``all`` nodes and at the ``roots``; with the classes of SST also the binary accuracies
    ``binary_all`` and ``binary_roots``, and the ``mean`` of the four.

    Args:
        config: settings of the classifier.
        training: settings of the training.
        trees: training data, labelled trees.
        held_out: validation data, likewise; None for a training without metrics.
        words: settings of the vocabulary and the initial word vectors.
        targets: train on "all" nodes with a label, or only on the "roots"; validation uses all.
        class_weights: (C,) weight of each class in the loss.
        model: model to continue with; by default a new one.
        on_disk: keep the data sets in temporary files, see `recnn.data.datasets.TreeDataset`.

    Raises:
        InputError: there are no trees, no node has a target, a label is not in the configuration, or the file of
            vectors does not fit.
    """

    model: TreeClassifier

    def __init__(
        self,
        config: TreeConfig,
        training: TreeTraining,
        trees: Sequence[Tree],
        held_out: Sequence[Tree] | None,
        words: WordTraining | None = None,
        targets: Targets = "all",
        class_weights: Tensor | None = None,
        model: TreeClassifier | None = None,
        on_disk: bool = False,
    ) -> None:
        if not trees or (held_out is not None and not held_out):
            raise InputError(f"there are no trees to {'validate on' if trees else 'train on'}")
        self.training = training
        self.model = _new_model(config, trees, words or WordTraining()) if model is None else model
        self.model.head.class_weights = class_weights
        self.data = self.model.dataset(trees, targets, on_disk)
        self.dev = self.model.dataset(held_out or (), on_disk=on_disk)
        for name, data in (("train", self.data), ("validate", self.dev)):
            if data.sizes and not (data.targets() >= 0).any():
                raise InputError(f"no node of the trees to {name} on has a target")
        self.order = tree_batches(training, self.data.sizes)
        self.measures = {} if held_out is None else self.measures_of(config)
        if targets == "roots":
            first = {name: self.measures.pop(name) for name in list(self.measures) if name.endswith("roots")}
            self.measures = first | self.measures
        self._examples = digest_of_trees(held_out or ())

    @staticmethod
    def measures_of(config: TreeConfig) -> dict[str, Measure]:
        polar = config.labels == tuple(SENTIMENTS)
        names = ["all", "binary_all", "roots", "binary_roots"] if polar else ["all", "roots"]
        found = {name: Measure(MeanMetric()) for name in names}
        if polar:
            first, second, third, fourth = (measure.metric for measure in found.values())
            found["mean"] = Measure((first + second + third + fourth) / 4)
        return found

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: DGLGraph) -> Tensor:
        """Compute the mean loss of the head over the nodes that have a target."""
        rows, target = known(batch)
        return self.model.head.loss(self.model(batch, rows), target.to(self.model.head.linear.weight.device))

    def items(self, batch: DGLGraph) -> float:
        _, target = known(batch)
        weights = self.model.head.class_weights
        return len(target) if weights is None else float(weights.cpu()[target].sum())

    def measure(self, batch: DGLGraph) -> None:
        update_accuracies(self.measures, self.model, batch)

    def digest(self) -> dict[str, str]:
        return {
            name: digest_of(*(graph.ndata[key] for graph in data for key in ("word", "target", "span")))
            for name, data in (("train", self.data), ("dev", self.dev))
        }

    def examples(self) -> str:
        return self._examples


def _new_model(config: TreeConfig, trees: Sequence[Tree], words: WordTraining) -> TreeClassifier:
    vocabulary = Vocabulary.of((word for tree in trees for word in words_of(tree)), words.min_count)
    model = TreeClassifier(config, vocabulary)
    fill_vectors(model.encoder.words, vocabulary, words)
    return model


def update_accuracies(measures: dict[str, Measure], model: TreeClassifier, forest: DGLGraph) -> None:
    """Update the metrics of `TreeObjective` with the predictions for a batch of trees."""
    rows, target = known(forest)
    probabilities = model.head.probabilities(model(forest, rows)).cpu()
    right = {"": (probabilities.argmax(1) == target, target >= 0)}
    if "binary_all" in measures:
        right["binary_"] = positive(probabilities) == (target > 2), target != 2
    root = forest.out_degrees()[rows] == 0
    tree = torch.repeat_interleave(torch.arange(forest.batch_size), forest.batch_num_nodes())[rows]
    for prefix, (hits, counted) in right.items():
        for place, there in (("all", counted), ("roots", counted & root)):
            measures[prefix + place].update(*means(hits[there], tree[there], forest.batch_size))


def measured_trees(model: TreeClassifier, trees: Sequence[Tree]) -> dict[str, Measure]:
    """Compute the metrics of a model on labelled trees."""
    measures, data = TreeObjective.measures_of(model.config), model.dataset(trees)
    for indices in TreeBatches(data.sizes, nodes=4096, shuffle=False):
        update_accuracies(measures, model, data[indices])
    return measures


def digest_of_trees(trees: Sequence[Tree]) -> str:
    """Return a hash of the words of trees and the labels of their roots."""
    return digest_of_text((words_of(tree), tree.label()) for tree in trees)
