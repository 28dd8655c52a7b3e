"""Classification of the nodes of trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from nltk import Tree
from torch import Tensor

from corpora.vocabulary import Vocabulary
from recnn.data.datasets import Targets, TreeDataset, word_graph
from recnn.graphs.convert import batch, tree_to_graph
from recnn.layers.heads import Head
from recnn.models.config import TreeConfig
from recnn.models.folder import Model
from recnn.models.phrases import PhraseEncoder
from recnn.models.predictions import NodePredictions

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeClassifier(Model, kind="trees"):
    """Classifier of the nodes of a forest: word vectors and a network (`PhraseEncoder`) and an output layer (`Head`).

    Args:
        config: settings of the model, see `recnn.TreeConfig`.
        vocabulary: open vocabulary of the words.

    Shapes:
        scores: (N, C), in the order of the nodes.

    Raises:
        ValueError: the vocabulary is not open, see `WordVectors`.
    """

    Config = TreeConfig

    def __init__(self, config: TreeConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.labels = Vocabulary(config.labels, unknown=None)
        self.encoder = PhraseEncoder(config, vocabulary)
        self.head = Head(self.encoder.output_size, len(config.labels), config.dropout, ordinal=config.ordinal)

    def forward(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the scores (N, C) of all nodes, or (R, C) of the nodes in ``rows``; see `PhraseEncoder.forward`."""
        scores: Tensor = self.head(self.encoder(forest, rows))
        return scores

    def dataset(self, trees: Iterable[Tree], targets: Targets = "all") -> TreeDataset:
        """Make a data set of labelled trees, with the model's vocabulary and labels."""
        return TreeDataset(trees, self.vocabulary, self.labels, targets, self.config.subwords)

    def graph(self, tree: Tree) -> DGLGraph:
        """Convert a tree to a graph with the indices of the model's vocabulary; its labels are not used."""
        return word_graph(tree, self.vocabulary, self.config.subwords)

    @torch.no_grad()
    def probabilities(self, trees: Sequence[Tree]) -> list[Tensor]:
        """Compute the class probabilities (N, C) of each tree, in the order of the nodes of `graph`."""
        graphs = [self.graph(tree) for tree in trees]
        found = self.head.probabilities(self(batch(graphs)))
        return list(found.split([graph.num_nodes() for graph in graphs]))

    def node_predictions(self, tree: Tree) -> NodePredictions:
        """Predict the label of each node of a tree; a notebook shows the result as a picture."""
        (found,) = self.probabilities([tree])
        return NodePredictions(tree_to_graph(tree), found, self.labels)
