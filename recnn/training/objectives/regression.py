"""Training of models that predict numbers from trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nltk import Tree
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanSquaredError

from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from parsers.trees import words_of
from recnn.data.batches import TreeBatches, loader
from recnn.data.datasets import NumberDataset, Numbers
from recnn.models.config import RegressionConfig
from recnn.models.regression import TreeRegressor
from recnn.training.objectives.base import (
    Measure,
    Objective,
    digest_of,
    digest_of_text,
    fill_vectors,
    tree_batches,
)
from recnn.training.options import TreeTraining, WordTraining


class RegressionObjective(Objective, kind="regression"):
    """Mean squared error of the numbers of trees, in standard units.

    Metric: ``squared_error``, the mean over the numbers of an example, in their own units.

    Args:
        config: settings of the model.
        training: settings of the training.
        trees: training data.
        numbers: (B, C) numbers of the trees.
        held_out: validation data, trees and (D, C) numbers; None for a training without metrics.
        words: settings of the vocabulary and the initial word vectors.
        model: model to continue with; by default a new one.

    Raises:
        InputError: there are no trees.
    """

    model: TreeRegressor

    def __init__(
        self,
        config: RegressionConfig,
        training: TreeTraining,
        trees: Sequence[Tree],
        numbers: Tensor,
        held_out: tuple[Sequence[Tree], Tensor] | None,
        words: WordTraining | None = None,
        model: TreeRegressor | None = None,
    ) -> None:
        if not trees:
            raise InputError("there are no trees to train on")
        self.training = training
        if model is None:
            words = words or WordTraining()
            vocabulary = Vocabulary.of((word for tree in trees for word in words_of(tree)), words.min_count)
            model = TreeRegressor(config, vocabulary)
            fill_vectors(model.encoder.words, vocabulary, words)
        self.model = model
        self.data = self._dataset(trees, numbers)
        self.dev = self._dataset(*held_out) if held_out else None
        self.order = tree_batches(training, self.data.sizes)
        self.measures = self.measures_of(config) if held_out else {}

    def _dataset(self, trees: Sequence[Tree], numbers: Tensor) -> NumberDataset:
        return NumberDataset(trees, numbers, self.model.vocabulary, self.model.config.subwords)

    @staticmethod
    def measures_of(config: RegressionConfig) -> dict[str, Measure]:
        return {"squared_error": Measure(MeanSquaredError(), "min", share=False)}

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(self.data, self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any] | list[Any]:
        if self.dev is None:
            return []
        return loader(self.dev, TreeBatches(self.dev.sizes, nodes=4096, shuffle=False))

    def loss(self, batch: Numbers) -> Tensor:
        return self.model.head.loss(self.model(batch.forest), self.model.standard(batch.numbers))

    def items(self, batch: Numbers) -> float:
        return len(batch.numbers)

    def measure(self, batch: Numbers) -> None:
        self.measures["squared_error"].update(self.model.numbers(batch.forest).cpu(), batch.numbers)

    def digest(self) -> dict[str, str]:
        return {
            name: digest_of(data.numbers, *(graph.ndata[key] for graph in data for key in ("word", "span")))
            for name, data in (("train", self.data), ("dev", self.dev))
            if data is not None
        }

    def examples(self) -> str:
        return digest_of_text([] if self.dev is None else self.dev.numbers.tolist())
