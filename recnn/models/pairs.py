"""Two sentences: how related they are, or what one says of the other."""

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
    """An answer about two sentences from the states of their roots, by one network for both.

    Tai, Socher and Manning 2015, section 4.2 (`recnn.RelatednessHead`); `recnn.PairHead` for classes.

    Args:
        config: what it is made of.
        vocabulary: of the words; it must be open.
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
        """What the head says of B pairs, (B, K) log-probabilities or scores.

        Args:
            forest: 2 B graphs, pair after pair; see `PhraseEncoder`.
        """
        roots = (forest.out_degrees() == 0).nonzero().squeeze(1)
        states = self.encoder(forest, roots)
        found: Tensor = self.head(states[0::2], states[1::2])
        return found

    @torch.no_grad()
    def answers(self, forest: DGLGraph) -> Tensor:
        """(B,) the relatedness of each pair, or the number of its entailment in `corpora.ENTAILMENTS`."""
        found = self(forest)
        return self.head.score(found) if isinstance(self.head, RelatednessHead) else found.argmax(1)
