"""Relatedness and entailment of two sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from nltk import Tree
from torch import Tensor

from corpora.pairs import ENTAILMENTS
from corpora.vocabulary import Vocabulary
from parsers.api import Parser
from parsers.errors import InputError
from recnn.data.parsing import Sentence
from recnn.layers.heads import PairHead, RelatednessHead
from recnn.models.config import PairConfig
from recnn.models.phrase_model import PhraseModel

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class PairModel(PhraseModel, kind="pairs"):
    """Predict the relatedness or the entailment of two sentences from the states of their roots.

    Both sentences share one `PhraseEncoder`. The output layer is that of Tai, Socher and Manning 2015, section 4.2
    (`recnn.RelatednessHead`), or `recnn.PairHead` for classes.

    Here the weights are random; those of a training run are read by ``recnn.load("relatedness")``.

    >>> import corpora, recnn
    >>> config = recnn.PairConfig(parser="balanced")
    >>> model = recnn.PairModel(config, corpora.Vocabulary(["a", "man", "sings"]))
    >>> (relatedness,) = model.predict([("A man sings", "A person sings")])
    >>> 1 <= relatedness <= 5
    True

    Args:
        config: settings of the model, see `recnn.PairConfig`.
        vocabulary: open vocabulary of the words.
    """

    Config = PairConfig
    config: PairConfig
    head: RelatednessHead | PairHead

    def __init__(self, config: PairConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
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
        return self._compared(self.root_states(forest))

    def _compared(self, states: Tensor) -> Tensor:
        """Compute the scores of pairs from the states (2 B, H) of their roots."""
        found: Tensor = self.head(states[0::2], states[1::2])
        return found

    @torch.no_grad()
    def answers(self, forest: DGLGraph) -> Tensor:
        """Predict the relatedness of each pair, (B,), or the index of its class in `corpora.ENTAILMENTS`.

        Args:
            forest: as for `forward`.
        """
        return self._answers(self(forest))

    def _answers(self, found: Tensor) -> Tensor:
        return self.head.score(found) if isinstance(self.head, RelatednessHead) else found.argmax(1)

    def predict(
        self,
        pairs: Iterable[tuple[Sentence, Sentence]],
        parser: str | Parser | None = None,
        batch_size: int = 32,
    ) -> list[float] | list[str]:
        """Predict the relatedness of each pair, or its class, one of `corpora.ENTAILMENTS`.

        Args:
            pairs: pairs of sentences, each a string, a list of words, or a tree, see `trees`.
            parser: parser of the sentences without a tree, or its name; that of the model if None.
            batch_size: number of sentences in a batch.

        Raises:
            InputError: a pair does not have two sentences, or see `trees`.
        """
        answers = self._answers(self._scores(pairs, parser, batch_size)).cpu().tolist()
        return answers if self.config.answer == "relatedness" else [ENTAILMENTS[answer] for answer in answers]

    def probabilities(
        self,
        pairs: Iterable[tuple[Sentence, Sentence]],
        parser: str | Parser | None = None,
        batch_size: int = 32,
    ) -> Tensor:
        """Compute the probabilities (B, K) of the grades of relatedness, 1 to K, or (B, C) of `corpora.ENTAILMENTS`.

        The arguments are those of `predict`.
        """
        return self._scores(pairs, parser, batch_size).softmax(1)  # also of log-probabilities

    @torch.no_grad()
    def _scores(
        self, pairs: Iterable[tuple[Sentence, Sentence]], parser: str | Parser | None, batch_size: int
    ) -> Tensor:
        """Compute what `forward` does; each sentence is encoded by itself."""
        trees = self.trees(_flat(pairs), parser, roots=True, place=lambda index: f"pair {index // 2 + 1}: ")
        return self._compared(self.roots_of(trees, batch_size))


def _flat(pairs: Iterable[tuple[Sentence, Sentence]]) -> Iterator[Sentence]:
    """Yield the sentences of pairs, one after the other."""
    for number, pair in enumerate(pairs, 1):
        if isinstance(pair, str | Tree) or len(pair) != 2:
            raise InputError(f"pair {number}: expected two sentences, got {str(pair)[:80]!r}")
        yield from pair
