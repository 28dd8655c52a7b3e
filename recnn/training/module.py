"""The LightningModule that trains the model of an objective."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from parsers.errors import InputError
from recnn.data.batches import mixed
from recnn.gradients.norms import clip_gradients
from recnn.models.folder import Model
from recnn.training.examples import Examples
from recnn.training.objectives.base import Objective
from recnn.training.options import Training

_OPTIMIZERS: dict[str, Any] = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_AVERAGE_EVERY = 10  # steps; an update at every step would cost ten times as much


class TrainingModule(pl.LightningModule):
    """LightningModule of an objective: training steps, validation, optimizer and average of the weights.

    Args:
        objective: model, data, loss and metrics.
        training: settings of the training.
    """

    def __init__(self, objective: Objective, training: Training) -> None:
        super().__init__()
        self.objective = objective
        self.settings = training
        self.model = objective.model
        # AdaGrad does not change rows whose gradient is 0, so sparse gradients give the same weights, faster.
        if training.optimizer == "adagrad":
            for words in objective.words:
                for table in (words.embedding, words.pieces):
                    if table is not None:
                        table.sparse = objective.sparse_words
        self.averaged: AveragedModel | None = None
        if training.average:
            decay = training.average**_AVERAGE_EVERY
            self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.examples: Examples
        """The results of the last validation."""
        self._held_out = objective.examples()
        self._losses: list[Tensor] = []

    @property
    def kept(self) -> Model:
        """The model that is validated and saved: the trained model, or the average of its weights if there is one."""
        return self.model if self.averaged is None else self.averaged.module  # type: ignore[return-value]

    def train_dataloader(self) -> Any:
        """Return the batches of the current epoch; called before each epoch, so their number may change."""
        return self.objective.batches(self.current_epoch)

    def val_dataloader(self) -> Any:
        """Return the batches of the validation data."""
        return self.objective.held_out()

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Compute the loss of a batch.

        Raises:
            InputError: the loss is NaN or infinite.
        """
        loss = self.objective.loss(batch)
        if not loss.isfinite():
            raise InputError(
                f"the loss is {loss.item()} in epoch {self.current_epoch + 1}, batch {index + 1}: "
                "use a lower learning rate or clip the gradients"
            )
        self._losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the average of the weights, after the first step and then every 10 steps."""
        if self.averaged is not None and (self.global_step % _AVERAGE_EVERY == 0 or self.global_step < 2):
            self.averaged.update_parameters(self.model)

    def on_train_epoch_start(self) -> None:
        """Set a random seed that depends only on the run's seed and the epoch, so that the run can be resumed."""
        torch.manual_seed(mixed(self.settings.seed, self.current_epoch))
        self._losses.clear()
        self.objective.begin(training=True)

    def on_validation_epoch_start(self) -> None:
        """Validate the model that is saved, see `kept`."""
        self.objective.model = self.kept.eval()
        self.objective.begin(training=False)

    def validation_step(self, batch: Any, index: int) -> None:
        """Update the metrics with a batch."""
        self.objective.measure(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics and reset them."""
        for name, measure in self.objective.measures.items():
            self.log(name, measure.metric.compute(), prog_bar=True)
        self.examples = Examples.of(self.objective.measures, self._held_out)
        for measure in self.objective.measures.values():  # after all are computed, as some are composed of others
            measure.reset()
        self.objective.model = self.model

    def loss(self) -> float:
        """Return the mean training loss over the batches of the epoch; NaN if there are none."""
        return float(torch.stack(self._losses).mean()) if self._losses else math.nan

    def configure_optimizers(self) -> Any:
        """Make the optimizer, with the word vectors in a parameter group of their own, and the schedule by steps."""
        training = self.settings
        vectors = [p for words in self.objective.words for p in words.parameters()]
        rate = training.learning_rate if training.embedding_rate is None else training.embedding_rate
        rest = [p for p in self.model.parameters() if not any(p is vector for vector in vectors)]
        groups = [
            {"params": rest, "weight_decay": training.weight_decay},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
        ]
        optimizer = _OPTIMIZERS[training.optimizer](groups[: 1 + bool(vectors)], lr=training.learning_rate)
        if training.schedule == "constant" and not training.warmup:
            return optimizer
        total = training.epochs * len(self.train_dataloader())
        rule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_rate(training, step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip the norm of the gradients; unlike torch's function, `clip_gradients` takes sparse gradients."""
        if self.settings.clip is not None:
            clip_gradients(self.model.parameters(), self.settings.clip)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Return the batch unchanged, so that graphs keep their cached levels; models move the tensors they read."""
        return batch


def share_of_rate(training: Training, step: int, total: int) -> float:
    """Return the factor of the learning rate at a step, from the warm-up and the schedule.

    Args:
        training: settings with ``warmup`` and ``schedule``.
        step: number of the step, from 0.
        total: number of steps of the training, the warm-up included.
    """
    if step < training.warmup:
        return (step + 1) / training.warmup
    done = min(1.0, (step - training.warmup) / max(1, total - training.warmup))
    return {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[training.schedule]
