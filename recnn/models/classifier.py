"""A class for every node of a tree."""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY
from typing import Annotated

import torch
from nltk import Tree
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from corpora.labelled_trees import Form
from corpora.vocabulary import Vocabulary
from recnn._dgl import DGLGraph
from recnn.config import STRICT, NotNegative
from recnn.data import Nodes, TreeDataset, word_graph
from recnn.graph import batch
from recnn.heads import Head
from recnn.models.config import PhraseConfig
from recnn.models.folder import Model
from recnn.models.phrases import PhraseEncoder


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) < 2 or not all(labels) or len(set(labels)) < len(labels):
        raise ValueError(f"labels: expected at least two different strings, got {str(labels)[:80]}")
    return labels


@dataclass(frozen=True, config=STRICT)
class ClassifierConfig(PhraseConfig):
    """What a `TreeClassifier` is made of, beside its vocabulary."""

    labels: Annotated[tuple[str, ...], AfterValidator(_distinct), Field(description="Of the classes.")]
    _: KW_ONLY
    ordinal: Annotated[NotNegative, Field(description="See `recnn.Head`.")] = 0.0
    form: Annotated[
        Form, Field(description="What files of its examples look like, see `corpora.read_labelled_trees`.")
    ] = "trees"


class TreeClassifier(Model, kind="classifier"):
    """Scores of C classes for every node of a forest.

    The words have vectors, a network makes a state of each node (`PhraseEncoder`), and a `recnn.Head` scores it.

    Args:
        config: what it is made of.
        vocabulary: of the words; it must be open.

    Shapes:
        scores: (N, C), in the order of the nodes.
    """

    Config = ClassifierConfig

    def __init__(self, config: ClassifierConfig, vocabulary: Vocabulary) -> None:
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

    def dataset(self, trees: Iterable[Tree], targets: Nodes = "all") -> TreeDataset:
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
