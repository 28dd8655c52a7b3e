"""What models of sentences with one encoder of phrases have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nltk import Tree
from torch import Tensor

from corpora.vocabulary import Vocabulary
from parsers.api import Parser
from recnn.data.datasets import word_graph
from recnn.models.config import PhraseNetworkConfig
from recnn.models.phrases import PhraseEncoder
from recnn.models.sentences import SentenceModel

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class PhraseModel(SentenceModel):
    """Base class of models whose states are those of a `PhraseEncoder`.

    Args:
        config: settings of the model.
        vocabulary: open vocabulary of the words.
    """

    config: PhraseNetworkConfig

    def __init__(self, config: PhraseNetworkConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.encoder = PhraseEncoder(config, vocabulary)

    @property
    def state_size(self) -> int:
        """Size H of the states."""
        return self.encoder.output_size

    def states(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the states (N, H) of all nodes, or (R, H) of the nodes in ``rows``; see `PhraseEncoder.forward`."""
        found: Tensor = self.encoder(forest, rows)
        return found

    def own_parser(self, roots: bool = False) -> str | Parser:
        """Return the name of the parser of the configuration."""
        return self.config.root_parser if roots else self.config.parser

    def graph(self, tree: Tree) -> DGLGraph:
        """Convert a tree to a graph with the indices of the model's vocabulary; its labels are not used."""
        return word_graph(tree, self.vocabulary, self.config.subwords)
