"""Training of recursive autoencoders: reconstruction of phrases and, optionally, their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from corpora.vocabulary import Vocabulary
from parsers.dependency_trees import DependencyTree
from parsers.errors import InputError
from parsers.trees import constituents, words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import TreeDataset, known
from recnn.models.autoencoder import Reconstruction, TreeAutoencoder
from recnn.models.config import AutoencoderConfig
from recnn.training.objectives.base import Measure, Objective, digest_of, fill_vectors, means, tree_batches
from recnn.training.options import TreeTraining, WordTraining

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class AutoencoderObjective(Objective, kind="autoencoder"):
    """Weighted sum of the reconstruction error of phrases and the cross entropy of labels.

        E = alpha * mean of E_rec + (1 - alpha) * mean of the cross entropy

    with means over the phrases and over the nodes with a target of a batch. Socher et al. 2011, section 2.4, sum over a
    sentence instead, so that long sentences count more. Greedy trees are built with the current weights for each batch;
    no gradient flows through the choice of the tree.

    Metrics: the mean ``error`` E_rec of a phrase, the share of ``words`` that are reconstructed, and the accuracy of
    the ``labels`` if there are any.

    Args:
        config: settings of the autoencoder.
        training: settings of the training.
        trees: training data.
        held_out: validation data.
        words: settings of the vocabulary and the initial word vectors.

    Raises:
        InputError: there are no trees, or dependency trees, or a label is not in the configuration.
    """

    model: TreeAutoencoder

    def __init__(
        self,
        config: AutoencoderConfig,
        training: TreeTraining,
        trees: Sequence[Tree],
        held_out: Sequence[Tree],
        words: WordTraining | None = None,
    ) -> None:
        if not trees or not held_out:
            raise InputError(f"there are no trees to {'validate on' if trees else 'train on'}")
        if any(isinstance(tree, DependencyTree) for tree in (*trees, *held_out)):
            raise InputError("expected trees of phrases, whose words are leaves, got dependency trees")
        words = words or WordTraining()
        self.training = training
        vocabulary = Vocabulary.of((word for tree in trees for word in words_of(tree)), words.min_count)
        labels = Vocabulary(config.labels or labels_of([*trees, *held_out]), unknown=None)
        self.data, self.dev = (TreeDataset(part, vocabulary, labels) for part in (trees, held_out))
        self.order = tree_batches(training, self.data.sizes)
        self.model = TreeAutoencoder(config, vocabulary)
        fill_vectors(self.model.words, vocabulary, words)
        self.measures = self.measures_of(config)

    @staticmethod
    def measures_of(config: AutoencoderConfig) -> dict[str, Measure]:
        return {
            "error": Measure(MeanMetric(), "min", share=False),
            "words": Measure(MeanMetric()),
            **({"labels": Measure(MeanMetric())} if config.labels else {}),
        }

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: DGLGraph) -> Tensor:
        return torch.stack([mean for mean, _ in self.means(batch)]).sum()

    def means(self, batch: DGLGraph) -> list[tuple[Tensor, float]]:
        forest, found = self._read(batch)
        alpha, head = self.model.config.alpha, self.model.head
        # A batch of single words has nothing to reconstruct.
        phrases = int((forest.in_degrees() > 0).sum())
        error: Tensor = found.error.sum() / max(phrases, 1)
        if head is None:
            return [(error, phrases)]
        rows, target = known(forest)
        scores = head(found.states.index_select(0, rows.to(error.device)))
        return [
            (alpha * error, phrases),
            ((1 - alpha) * head.loss(scores, target.to(error.device)), len(rows)),
        ]

    def measure(self, batch: DGLGraph) -> None:
        """Update the error and the shares of words and labels that are right; for the words see `Phrase.parts`."""
        forest, found = self._read(batch)
        below = forest.edges()[0]
        word = forest.ndata["word"][below]
        right = self.model.nearest(found.children).cpu() == word
        phrase = forest.in_degrees() > 0
        tree = torch.repeat_interleave(torch.arange(forest.batch_size), forest.batch_num_nodes())
        self.measures["error"].update(*means(found.error.cpu()[phrase], tree[phrase], forest.batch_size))
        self.measures["words"].update(*means(right[word >= 0], tree[below][word >= 0], forest.batch_size))
        if self.model.head is not None:
            rows, target = known(forest)
            answers = self.model.head(found.states).argmax(1).cpu()[rows]
            self.measures["labels"].update(*means(answers == target, tree[rows], forest.batch_size))

    def digest(self) -> dict[str, str]:
        return {
            name: digest_of(*(graph.ndata[key] for graph in data for key in ("word", "target", "span")))
            for name, data in (("train", self.data), ("dev", self.dev))
        }

    def _read(self, batch: DGLGraph) -> tuple[DGLGraph, Reconstruction]:
        forest = batch if self.model.config.trees == "given" else self.model.regrown(batch)
        return forest, self.model(forest)


def labels_of(trees: Iterable[Tree]) -> tuple[str, ...]:
    """Collect the labels of all nodes that have one, sorted."""
    found = {c.node.label() for tree in trees for c in constituents(tree) if isinstance(c.node, Tree)}
    return tuple(sorted(found - {""}))
