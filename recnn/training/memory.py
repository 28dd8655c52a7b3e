"""Training without a folder: the model stays in memory."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch

from parsers.errors import InputError
from recnn.models.bounds import within_memory
from recnn.models.folder import Model
from recnn.training.module import TrainingModule
from recnn.training.objectives.base import Objective
from recnn.training.options import Training
from recnn.training.trainer import Epochs, Report, check_machine, ended_in_order, make_trainer, restored


class Fitted(NamedTuple):
    """What a training in memory returns."""

    model: Model
    """The model of the best epoch, in evaluation mode; of the last one if there is no validation data."""
    rows: list[dict[str, float]]
    """``epoch`` (from 1), ``loss``, the metrics, and ``seconds`` of each epoch."""


def fit(
    make: Callable[[], Objective],
    training: Training,
    progress: bool = False,
    report: Report = lambda line: None,
) -> Fitted:
    """Train a model in memory; the arguments are those of `recnn.training.run.train`, and so are the weights.

    Raises:
        InputError: as `recnn.training.run.train`.
        KeyboardInterrupt: the process was interrupted by Ctrl-C.
        SystemExit: the process was terminated by SIGTERM.
    """
    if training.devices > 1:
        raise InputError("devices: a training in memory has one process")
    with restored(training):
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        with within_memory():
            objective = make()
        objective.model.train()  # a model that is trained again is in evaluation mode
        check_machine(training)
        keeper = _InMemory(objective, training, report)
        validation: dict[str, Any] = {} if objective.measures else {"limit_val_batches": 0}
        trainer = make_trainer(training, keeper, progress, logger=False, **validation)
        with ended_in_order():
            trainer.fit(TrainingModule(objective, training))
    return Fitted(keeper.model.cpu().eval(), keeper.rows)


class _InMemory(Epochs):
    """Callback that keeps a copy of the best model."""

    model: Model

    def begin(self, module: TrainingModule) -> None:
        pass

    def keep(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        if self.best == len(self.rows) - 1:
            self.model = deepcopy(module.kept)
