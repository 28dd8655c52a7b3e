"""Relatedness and entailment of two sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from corpora.pairs import ENTAILMENTS
from corpora.vocabulary import Vocabulary
from recnn.layers.heads import PairHead, RelatednessHead
from recnn.models.config import PairConfig
from recnn.models.folder import Model
from recnn.models.phrases import PhraseEncoder

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class PairModel(Model, kind="pairs"):
    """Predict the relatedness or the entailment of two sentences from the states of their roots.

    Both sentences share one `PhraseEncoder`. The output layer is that of Tai, Socher and Manning 2015, section 4.2
    (`recnn.RelatednessHead`), or `recnn.PairHead` for classes.

    Args:
        config: settings of the model, see `recnn.PairConfig`.
        vocabulary: open vocabulary of the words.
    """

    Config = PairConfig
    head: RelatednessHead | PairHead

    def __init__(self, config: PairConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.encoder = PhraseEncoder(config, vocabulary)
        size = self.encoder.output_size
        if config.answer == "relatedness":
            self.head = RelatednessHead(size, config.pair_size, dropout=config.dropout)
        else:
            self.head = PairHead(size, len(ENTAILMENTS), config.pair_size, config.dropout)

    def forward(self, forest: DGLGraph) -> Tensor:
        """Compute the log-probabilities (B, K) of the grades of relatedness, or the scores (B, C) of the classes.

        Args:
            forest: 2 B graphs: the two of the first pair, of the second, ...; see `PhraseEncoder`.
        """
        roots = (forest.out_degrees() == 0).nonzero().squeeze(1)
        states = self.encoder(forest, roots)
        found: Tensor = self.head(states[0::2], states[1::2])
        return found

    @torch.no_grad()
    def answers(self, forest: DGLGraph) -> Tensor:
        """Predict the relatedness of each pair, (B,), or the index of its class in `corpora.ENTAILMENTS`.

        Args:
            forest: as for `forward`.
        """
        found = self(forest)
        return self.head.score(found) if isinstance(self.head, RelatednessHead) else found.argmax(1)
