"""Prediction of numbers from sentences or trees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from corpora.vocabulary import Vocabulary
from parsers.api import Parser
from recnn.data.parsing import Sentence
from recnn.layers.heads import Head
from recnn.models.config import RegressionConfig
from recnn.models.phrase_model import PhraseModel

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class TreeRegressor(PhraseModel, kind="regression"):
    """Prediction of C numbers from the state of the root of a tree, by a `PhraseEncoder` and an output layer (`Head`).

    The output layer predicts the numbers in standard units: y = mean + deviation ⊙ s.

    >>> import corpora, recnn
    >>> config = recnn.RegressionConfig(parser="balanced", means=(3.0,), deviations=(0.5,))
    >>> model = recnn.TreeRegressor(config, corpora.Vocabulary(["a", "fine", "film"]))
    >>> len(model.predict(["a fine film", "a film"]))
    2

    Args:
        config: settings of the model, see `recnn.RegressionConfig`.
        vocabulary: open vocabulary of the words.

    Shapes:
        scores: (B, C), of the roots of B trees.

    Raises:
        ValueError: the vocabulary is not open, see `WordVectors`.
    """

    Config = RegressionConfig
    config: RegressionConfig

    def __init__(self, config: RegressionConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.head = Head(self.encoder.output_size, len(config.means), config.dropout, task="regression")

    def forward(self, forest: DGLGraph) -> Tensor:
        """Compute the numbers (B, C) of B trees, in standard units."""
        scores: Tensor = self.head(self.root_states(forest))
        return scores

    def standard(self, numbers: Tensor) -> Tensor:
        """Convert numbers (B, C) to standard units, on the device of the model."""
        mean, deviation = self._units()
        return (numbers.to(mean.device) - mean) / deviation

    @torch.no_grad()
    def numbers(self, forest: DGLGraph) -> Tensor:
        """Predict the numbers (B, C) of B trees."""
        mean, deviation = self._units()
        found: Tensor = mean + deviation * self(forest)
        return found

    def _units(self) -> tuple[Tensor, Tensor]:
        device = self.head.linear.weight.device
        return torch.tensor(self.config.means).to(device), torch.tensor(self.config.deviations).to(device)

    def predict(
        self, sentences: Iterable[Sentence], parser: str | Parser | None = None, batch_size: int = 32
    ) -> list[list[float]]:
        """Predict the C numbers of each sentence.

        Args:
            sentences: strings, lists of words, or trees, see `trees`.
            parser: parser of the sentences without a tree, or its name; that of the model if None.
            batch_size: number of sentences in a batch.

        Raises:
            InputError: see `trees`.
        """
        trees = self.trees(sentences, parser, roots=True)
        return self.each(trees, lambda forest: self.numbers(forest).tolist(), batch_size)
