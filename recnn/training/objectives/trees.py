"""Training of tree classifiers: a class for every node of a tree, or for its root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from recnn.training.objectives.base import Measure, Objective, digest_of, fill_vectors, tree_batches
from recnn.training.options import TreeTraining, WordTraining
from recnn.training.scores import scores_of

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeObjective(Objective):
    """Cross entropy of the classes of nodes, over the nodes that have a target.

    Metrics: the accuracy at ``all`` nodes and at the ``roots``; with the classes of SST also the binary accuracies
    ``binary_all`` and ``binary_roots``, and the ``mean`` of the four.

    Args:
        config: settings of the classifier.
        training: settings of the training.
        trees: training data, labelled trees.
        held_out: validation data, likewise.
        words: settings of the vocabulary and the initial word vectors.
        targets: train on "all" nodes with a label, or only on the "roots"; validation uses all.

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
        held_out: Sequence[Tree],
        words: WordTraining | None = None,
        targets: Targets = "all",
    ) -> None:
        if not trees or not held_out:
            raise InputError(f"there are no trees to {'validate on' if trees else 'train on'}")
        words = words or WordTraining()
        self.training = training
        vocabulary = Vocabulary.of((word for tree in trees for word in words_of(tree)), words.min_count)
        self.model = TreeClassifier(config, vocabulary)
        self.data = self.model.dataset(trees, targets)
        self.dev = self.model.dataset(held_out)
        for name, data in (("train", self.data), ("validate", self.dev)):
            if not (data.targets() >= 0).any():
                raise InputError(f"no node of the trees to {name} on has a target")
        self.order = tree_batches(training, self.data.sizes)
        fill_vectors(self.model.encoder.words, vocabulary, words)
        self.polar = config.labels == tuple(SENTIMENTS)
        self.measures = {}
        for place in ("all", "roots") if targets == "all" else ("roots", "all"):
            self.measures[place] = Measure(MeanMetric())
            if self.polar:
                self.measures[f"binary_{place}"] = Measure(MeanMetric())
        if self.polar:
            first, second, third, fourth = (measure.metric for measure in self.measures.values())
            self.measures["mean"] = Measure((first + second + third + fourth) / 4)

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: DGLGraph) -> Tensor:
        """Compute the mean loss of the head over the nodes that have a target."""
        rows, target = known(batch)
        return self.model.head.loss(self.model(batch, rows), target.to(self.model.head.linear.weight.device))

    def measure(self, batch: DGLGraph) -> None:
        for place, scores in scores_of(self.model, batch).items():
            shares = {place: (scores.right, scores.count)}
            if self.polar:
                shares[f"binary_{place}"] = scores.binary["binary"], scores.polar
            for name, (right, count) in shares.items():
                self.measures[name].metric.update(right / max(1, count), count)

    def digest(self) -> dict[str, str]:
        return {
            name: digest_of(*(graph.ndata[key] for graph in data for key in ("word", "target", "span")))
            for name, data in (("train", self.data), ("dev", self.dev))
        }
