"""Training on sequences of numbers: a class, yes or no, or a number, at every step or at the last."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy, MulticlassExactMatch

from parsers.errors import InputError
from recnn.data.batches import TreeBatches, loader
from recnn.models.config import SequenceConfig
from recnn.models.sequences import SequenceModel
from recnn.training.objectives.base import Measure, Objective, digest_of
from recnn.training.options import Training


class Sequences(NamedTuple):
    """A batch or data set of n sequences."""

    inputs: Tensor
    """(n, T, D), or (n, D) for a single input per sequence."""
    targets: Tensor
    """(n,), or (n, T) for a target at every step; with C numbers per target (n, T, C)."""

    @property
    def steps(self) -> int:
        """Number T of steps of the targets; 1 for a single target per sequence."""
        return self.targets.shape[1] if self.targets.dim() > 1 else 1


class _Rows(Dataset[Sequences]):
    def __init__(self, data: Sequences) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data.inputs)

    def __getitem__(self, index: list[int]) -> Sequences:
        return Sequences(self.data.inputs[index], self.data.targets[index])


class SequenceObjective(Objective, kind="sequences"):
    """Loss and metrics of the predictions of a `SequenceModel`; for the metrics see `measures_of`.

    Args:
        config: settings of the model.
        training: settings of the training.
        data: training data.
        held_out: validation data.
        closing: see `Objective`.

    Raises:
        InputError: there are no sequences.
    """

    model: SequenceModel

    def __init__(
        self,
        config: SequenceConfig,
        training: Training,
        data: Sequences,
        held_out: Sequences,
        closing: Callable[[SequenceModel], list[str]] | None = None,
    ) -> None:
        if not len(data.inputs) or not len(held_out.inputs):
            raise InputError(f"there are no sequences to {'validate on' if len(data.inputs) else 'train on'}")
        self.training = training
        self.closing = closing
        self.data, self.dev = data, held_out
        self.order = TreeBatches([1] * len(data.inputs), training.batch, seed=training.seed)
        self.model = SequenceModel(config)
        self.measures = self.measures_of(config)

    @staticmethod
    def measures_of(config: SequenceConfig) -> dict[str, Measure]:
        """Make the metrics: RMSE and MAE of numbers, else accuracy, with many predictions also of ``sequences``."""
        if config.task == "regression":
            return {
                "rmse": Measure(MeanSquaredError(squared=False), "min", share=False),
                "mae": Measure(MeanAbsoluteError(), "min", share=False),
            }
        accuracy: Metric = BinaryAccuracy()
        if config.task == "classes":
            accuracy = MulticlassAccuracy(config.outputs, average="micro")
        found = {"accuracy": Measure(accuracy)}
        if config.steps.endswith("many"):
            found["sequences"] = Measure(MulticlassExactMatch(max(2, config.outputs)))
        return found

    def batches(self, epoch: int) -> DataLoader[Any]:
        self.order.set_epoch(epoch)
        return loader(_Rows(self.data), self.order, self.training.workers)

    def held_out(self) -> DataLoader[Any]:
        return loader(_Rows(self.dev), TreeBatches([1] * len(self.dev.inputs), 512, shuffle=False))

    def loss(self, batch: Sequences) -> Tensor:
        return self.model.loss(self.model(batch.inputs, batch.steps), batch.targets)

    def items(self, batch: Sequences) -> float:
        return len(batch.inputs) * batch.steps

    def measure(self, batch: Sequences) -> None:
        update(self.measures, self.model, batch)

    def digest(self) -> dict[str, str]:
        return {"train": digest_of(*self.data), "dev": digest_of(*self.dev)}


def update(measures: dict[str, Measure], model: SequenceModel, batch: Sequences) -> None:
    """Update metrics with the predictions of a model for a batch."""
    answers = model.predict(batch.inputs, batch.steps).cpu()
    for measure in measures.values():
        measure.update(answers, batch.targets)


@torch.no_grad()
def measured(model: SequenceModel, data: Sequences, batch: int = 512) -> dict[str, float]:
    """Compute the metrics of a model on some data, by name.

    Args:
        model: sequence model.
        data: sequences with targets.
        batch: batch size.
    """
    measures = SequenceObjective.measures_of(model.config)
    for inputs, targets in zip(data.inputs.split(batch), data.targets.split(batch), strict=True):
        update(measures, model, Sequences(inputs, targets))
    return {name: float(measure.metric.compute()) for name, measure in measures.items()}
