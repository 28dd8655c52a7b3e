"""A class for every node of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from nltk import Tree
from torch import Tensor

from corpora.vocabulary import Vocabulary
from recnn.data.datasets import Targets, TreeDataset, word_graph
from recnn.graphs.convert import batch
from recnn.layers.heads import Head
from recnn.models.config import TreeConfig
from recnn.models.folder import Model
from recnn.models.phrases import PhraseEncoder

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeClassifier(Model, kind="trees"):
    """Scores of C classes for every node of a forest.

    The words have vectors, a network makes a state of each node (`PhraseEncoder`), and a `recnn.Head` scores it.

    Args:
        config: what it is made of.
        vocabulary: of the words; it must be open.

    Shapes:
        scores: (N, C), in the order of the nodes.
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
        """The scores (N, C) of all nodes, or (R, C) of those in ``rows``; see `PhraseEncoder`."""
        scores: Tensor = self.head(self.encoder(forest, rows))
        return scores

    def dataset(self, trees: Iterable[Tree], targets: Targets = "all") -> TreeDataset:
        """Trees with targets, in the indices of the model's vocabulary and labels."""
        return TreeDataset(trees, self.vocabulary, self.labels, targets, self.config.subwords)

    def graph(self, tree: Tree) -> DGLGraph:
        """The graph of a tree, in the indices of the model's vocabulary; its labels play no part."""
        return word_graph(tree, self.vocabulary, self.config.subwords)

    @torch.no_grad()
    def probabilities(self, trees: Sequence[Tree]) -> list[Tensor]:
        """(N, C) for each tree, in the order of the nodes of `graph`."""
        graphs = [self.graph(tree) for tree in trees]
        found = self.head.probabilities(self(batch(graphs)))
        return list(found.split([graph.num_nodes() for graph in graphs]))
