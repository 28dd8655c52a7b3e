"""The LightningModule that trains the model of an objective."""

import math
from typing import Any, cast

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from parsers.errors import InputError
from recnn.data.batches import TreeBatches, mixed
from recnn.data.shares import EveryNth, Share, shared
from recnn.gradients.norms import clip_gradients
from recnn.models.folder import Model
from recnn.training.examples import Examples
from recnn.training.objectives.base import Objective
from recnn.training.options import Training
from recnn.training.processes import Processes, collected, total

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
        here: place of this process among those that train; each trains on its share of a batch.
    """

    def __init__(self, objective: Objective, training: Training, here: Processes = Processes()) -> None:  # noqa: B008
        super().__init__()
        self.here = here
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.objective = objective
        self.settings = training
        self.model = objective.model
        # AdaGrad does not change rows whose gradient is 0, so sparse gradients give the same weights, faster.
        if training.optimizer == "adagrad":
            for words in objective.words:
                for table in (words.embedding, words.pieces):
                    if table is not None:
                        table.sparse = objective.sparse_words and here.count == 1  # NCCL has no sparse sums
        self.averaged: AveragedModel | None = None
        if training.average:
            decay = training.average**_AVERAGE_EVERY
            self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.examples: Examples
        """The results of the last validation."""
        self._held_out = objective.examples()
        self._losses: list[Tensor] = []
        self._share: Share
        self._validated: EveryNth
        self._measured: dict[int, dict[str, list[tuple[Tensor, ...]]]] = {}
        if here.count > 1:
            for measure in objective.measures.values():
                measure.metric.sync_on_compute = False  # each process has all examples, see `_merge`

    @property
    def kept(self) -> Model:
        """The model that is validated and saved: the trained model, or the average of its weights if there is one."""
        return self.model if self.averaged is None else self.averaged.module  # type: ignore[return-value]

    def train_dataloader(self) -> Any:
        """Return the batches of the current epoch; called before each epoch, so their number may change."""
        batches: Any = self.objective.batches(self.current_epoch)
        if self.here.count == 1:
            return batches
        self._share = Share(_order(batches), self.here.rank, self.here.count)
        return shared(batches, self._share)

    def val_dataloader(self) -> Any:
        """Return the batches of the validation data."""
        batches: Any = self.objective.held_out()
        if self.here.count == 1:
            return batches
        self._validated = EveryNth(_order(batches), self.here.rank, self.here.count)
        return shared(batches, self._validated)

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Compute the loss of a batch.

        Raises:
            InputError: the loss is NaN or infinite.
        """
        if self.here.count == 1:
            loss = whole = self.objective.loss(batch)
        else:
            loss, whole = self._share_of_loss(batch, self._share.spare(index))
        if not whole.isfinite():
            raise InputError(
                f"the loss is {whole.item()} in epoch {self.current_epoch + 1}, batch {index + 1}: "
                "use a lower learning rate or clip the gradients"
            )
        self._losses.append(whole.detach())
        return loss

    def _share_of_loss(self, batch: Any, spare: bool) -> tuple[Tensor, Tensor]:
        """Compute the loss of this process, whose gradients have those of the whole batch as their mean, and the whole.

        Each mean of the loss is weighted by the share of its items that this process has.
        """
        means = self.objective.means(batch)
        items = torch.tensor([0 if spare else count for _, count in means], dtype=torch.float64)
        values = [mean if count else mean.nan_to_num() for (mean, _), count in zip(means, items, strict=True)]
        sums = torch.stack([value.detach().double().cpu() for value in values]) * items
        sums, items_of_all = total(self.here, torch.stack([sums, items]))
        items_of_all = items_of_all.clamp(min=1)
        weights = (items * self.here.count / items_of_all).tolist()
        loss = torch.stack([value * weight for value, weight in zip(values, weights, strict=True)]).sum()
        return loss, (sums / items_of_all).sum().float()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the average of the weights, after the first step and then every 10 steps."""
        if self.averaged is not None and (self.global_step % _AVERAGE_EVERY == 0 or self.global_step < 2):
            self.averaged.update_parameters(self.model)

    def on_train_epoch_start(self) -> None:
        """Set a random seed that depends only on the run's seed and the epoch, so that the run can be resumed."""
        own = [self.here.rank] if self.here.rank else []  # each process has its own dropout
        torch.manual_seed(mixed(self.settings.seed, self.current_epoch, *own))
        self._losses.clear()
        self.objective.begin(training=True)

    def on_validation_epoch_start(self) -> None:
        """Validate the model that is saved, see `kept`."""
        self.objective.model = self.kept.eval()
        self.objective.begin(training=False)
        self._measured.clear()

    def validation_step(self, batch: Any, index: int) -> None:
        """Update the metrics with a batch."""
        measures = self.objective.measures
        before = {name: len(measure.batches) for name, measure in measures.items()}
        self.objective.measure(batch)
        if self.here.count > 1:
            place = self._validated.places[index]
            self._measured[place] = {name: measure.batches[before[name] :] for name, measure in measures.items()}

    def _merge(self) -> None:
        """Give the metrics of each process the examples of all processes, each once and in the order of the data."""
        found: dict[int, dict[str, list[tuple[Tensor, ...]]]] = {}
        for part in collected(self.here, self._measured):
            found.update(cast(dict[int, dict[str, list[tuple[Tensor, ...]]]], part))
        for measure in self.objective.measures.values():
            measure.reset()
        for place in sorted(found):
            for name, updates in found[place].items():
                for values in updates:
                    self.objective.measures[name].update(*values)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics and reset them."""
        if self.here.count > 1:
            self._merge()
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


def _order(batches: Any) -> TreeBatches:
    order = getattr(batches, "sampler", None)
    if not isinstance(order, TreeBatches):
        raise InputError("devices: this model is trained in one process only, as its batches cannot be divided")
    return order


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
