"""Training on pairs of sentences: relatedness or entailment."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from nltk import Tree
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanSquaredError, PearsonCorrCoef, SpearmanCorrCoef
from torchmetrics.classification import MulticlassAccuracy

from corpora.pairs import ENTAILMENTS, SentencePair
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.tokens import tokens_and_words
from parsers.trees import words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import PairDataset, Pairs
from recnn.data.parsing import trees_over
from recnn.models.config import PairConfig
from recnn.models.pairs import PairModel
from recnn.training.objectives.base import (
    Measure,
    Objective,
    digest_of,
    digest_of_text,
    fill_vectors,
    tree_batches,
)
from recnn.training.options import TreeTraining, WordTraining


class PairObjective(Objective, kind="pairs"):
    """Loss and metrics of the relatedness or the entailment of pairs of sentences.

    The loss is that of the model's head, `recnn.RelatednessHead` or `recnn.PairHead`; for the metrics see
    `measures_of`.

    Args:
        config: settings of the model.
        training: settings of the training.
        pairs: training data.
        held_out: validation data.
        words: settings of the vocabulary and the initial word vectors.

    Raises:
        InputError: there are no pairs.
    """

    model: PairModel

    def __init__(
        self,
        config: PairConfig,
        training: TreeTraining,
        pairs: Sequence[SentencePair],
        held_out: Sequence[SentencePair],
        words: WordTraining | None = None,
    ) -> None:
        if not pairs or not held_out:
            raise InputError(f"there are no pairs to {'validate on' if pairs else 'train on'}")
        words = words or WordTraining()
        self.training = training
        sentences = (sentence for pair in pairs for sentence in (pair.first, pair.second))
        vocabulary = Vocabulary.of((word for one in sentences for word in _words(one)), words.min_count)
        self.data = pair_dataset(pairs, config, vocabulary)
        self.dev = pair_dataset(held_out, config, vocabulary)
        self.order = tree_batches(training, self.data.sizes)
        self.model = PairModel(config, vocabulary)
        fill_vectors(self.model.encoder.words, vocabulary, words)
        self.measures = self.measures_of(config)
        self._examples = digest_of_pairs(held_out)

    @staticmethod
    def measures_of(config: PairConfig) -> dict[str, Measure]:
        """Make the metrics: Pearson's r, Spearman's ρ and the mean squared error, as in SemEval 2014; or accuracy."""
        if config.answer == "entailment":
            return {"accuracy": Measure(MulticlassAccuracy(len(ENTAILMENTS), average="micro"))}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*large memory footprint")  # small for some thousands of pairs
            spearman = SpearmanCorrCoef()
        return {
            "pearson": Measure(PearsonCorrCoef(), share=False),
            "spearman": Measure(spearman, share=False),
            "squared_error": Measure(MeanSquaredError(), "min", share=False),
        }

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: Pairs) -> Tensor:
        found = self.model(batch.forest)
        return self.model.head.loss(found, batch.target.to(found.device))

    def items(self, batch: Pairs) -> float:
        return len(batch.target)

    def measure(self, batch: Pairs) -> None:
        update_agreement(self.measures, self.model, batch)

    def digest(self) -> dict[str, str]:
        return {"train": _digest(self.data), "dev": _digest(self.dev)}

    def examples(self) -> str:
        return self._examples


def pair_dataset(pairs: Sequence[SentencePair], config: PairConfig, vocabulary: Vocabulary) -> PairDataset:
    """Make a data set of pairs, with targets for ``config.answer``.

    Sentences that have no trees get those of ``config.parser``; for a model over sequences they need none.
    """
    sentences = [sentence for pair in pairs for sentence in (pair.first, pair.second)]
    found = trees_over(sentences, config.root_parser, config.max_children)
    trees = list(zip(found, found, strict=True))
    if config.answer == "relatedness":
        target = torch.tensor([pair.relatedness for pair in pairs])
    else:
        target = torch.tensor([ENTAILMENTS.index(pair.entailment) for pair in pairs])
    return PairDataset(trees, target, vocabulary, config.subwords)


def _words(sentence: str | Tree) -> list[str]:
    return words_of(sentence) if isinstance(sentence, Tree) else tokens_and_words(sentence)[1]


def update_agreement(measures: dict[str, Measure], model: PairModel, batch: Pairs) -> None:
    """Update the metrics of `PairObjective` with the predictions for a batch of pairs."""
    answers = model.answers(batch.forest).cpu()
    for measure in measures.values():
        measure.update(answers, batch.target)


def measured_pairs(model: PairModel, pairs: Sequence[SentencePair]) -> dict[str, Measure]:
    """Compute the metrics of a model on pairs of sentences."""
    measures, data = PairObjective.measures_of(model.config), pair_dataset(pairs, model.config, model.vocabulary)
    for indices in TreeBatches(data.sizes, nodes=4096, shuffle=False):
        update_agreement(measures, model, data[indices])
    return measures


def digest_of_pairs(pairs: Sequence[SentencePair]) -> str:
    """Return a hash of the words and answers of pairs of sentences."""
    return digest_of_text((_words(one.first), _words(one.second), one.relatedness, one.entailment) for one in pairs)


def _digest(data: PairDataset) -> str:
    forest = data[list(range(len(data)))].forest
    return digest_of(data.target, forest.ndata["word"], forest.ndata["span"])
