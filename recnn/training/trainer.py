"""What every training has: Lightning's Trainer, a record of the epochs, and an unchanged process afterwards."""

import logging
import math
import signal
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch

from parsers.errors import InputError
from recnn.errors import missing_extra
from recnn.graphs.devices import chosen_device
from recnn.training.objectives.base import Objective
from recnn.training.options import Training
from recnn.training.processes import Processes, agreed, end_at_sigterm

try:
    import lightning.pytorch as pl
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning.pytorch.callbacks import TQDMProgressBar
    from lightning.pytorch.strategies import DDPStrategy
    from lightning.pytorch.utilities.exceptions import SIGTERMException
except ModuleNotFoundError as error:
    raise missing_extra(error) from None
from recnn.training.module import TrainingModule

Report: TypeAlias = Callable[[str], None]
"""Function that is called with a line of text after each epoch."""
Stop: TypeAlias = Callable[[Objective, Mapping[str, float]], bool]
"""Function from the objective and the row of an epoch to whether the training ends after it."""


def never(objective: Objective, row: Mapping[str, float]) -> bool:
    """Return False: train all epochs."""
    return False


@contextmanager
def restored(training: Training) -> Iterator[None]:
    """Silence Lightning's and torch's log messages and warnings; restore all that a run changes in this process."""
    log, threads = logging.getLogger("lightning.pytorch"), torch.get_num_threads()
    level, interrupt = log.level, signal.getsignal(signal.SIGINT)
    gpu = torch.cuda.is_available() and (training.device != "cpu" or torch.cuda.is_initialized())
    log.setLevel(logging.ERROR)  # about the hardware, and advertisements
    try:
        # The invariants are set explicitly, as torch otherwise warns that sparse gradients are not checked.
        with (
            torch.random.fork_rng(range(torch.cuda.device_count()) if gpu else []),
            torch.sparse.check_sparse_tensor_invariants(False),
            warnings.catch_warnings(),
        ):
            for message in (
                "does not have many workers",  # workers gain little: making a batch of trees takes 2 ms
                "num_training_batches",
                "number of training batches",
                "LeafSpec",  # from Lightning itself, with current releases of torch
                "find_unused_parameters=True was specified",  # a batch may not use all parameters
                "recommended to use `self.log",  # all processes have the same metrics
                "variance of predictions",  # the correlation is NaN then, and shown so
            ):
                warnings.filterwarnings("ignore", f".*{message}")
            yield
    finally:
        log.setLevel(level)
        torch.set_num_threads(threads)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores it after Ctrl-C


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn what Lightning raises after Ctrl-C and SIGTERM into KeyboardInterrupt, and SystemExit with its status."""
    try:
        yield
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None  # Lightning's has status 0
    except SystemExit:
        raise KeyboardInterrupt from None  # Lightning's, after Ctrl-C


def make_trainer(
    training: Training,
    keeper: pl.Callback,
    progress: bool,
    here: Processes = Processes(),  # noqa: B008
    **more: Any,
) -> pl.Trainer:
    """Make Lightning's Trainer.

    Args:
        training: settings of the training.
        keeper: what is done after each epoch, see `Epochs`.
        progress: show progress bars.
        here: place of this process among those that train.
        more: further arguments of the Trainer.
    """
    if here.count > 1:
        more["strategy"] = DDPStrategy(find_unused_parameters=True)
        more["plugins"] = [*more.get("plugins", []), TorchElasticEnvironment()]
        more["num_nodes"] = here.count // here.local
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(training.device, training.device),
        devices=here.local,
        precision=training.precision,
        max_epochs=training.epochs,
        callbacks=[keeper, TQDMProgressBar()] if progress else [keeper],
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        **more,
    )


class Epochs(pl.Callback, ABC):
    """Callback that records each epoch, reports it, keeps what it achieved, and stops early.

    Lightning's `EarlyStopping` would run after the checkpoint is saved, which would then hold its count of epochs
    without improvement from the epoch before.

    Args:
        objective: what is trained.
        training: settings of the training.
        report: function that is called with a line of text after each epoch.
        stop: function that is called with the objective and the row of an epoch after it; if it returns True, the
            training ends.
        here: place of this process among those that train; the first one decides when they end.

    Attributes:
        rows: ``epoch`` (from 1), ``loss``, the metrics, and ``seconds`` of each epoch.

    Raises:
        InputError: the objective has no metric ``monitor``.
    """

    def __init__(
        self,
        objective: Objective,
        training: Training,
        report: Report,
        stop: Stop = never,
        here: Processes = Processes(),  # noqa: B008
    ) -> None:
        self.monitor = training.monitor or next(iter(objective.measures), None)
        if self.monitor not in (objective.measures or {None}):
            raise InputError(f"monitor: {self.monitor!r} is not one of {', '.join(objective.measures)}")
        self.objective, self.patience, self.report, self.stop = objective, training.patience, report, stop
        self.here = here
        self.rows: list[dict[str, float]] = []
        self._began = 0.0

    @abstractmethod
    def begin(self, module: TrainingModule) -> None:
        """Prepare for the first epoch of this training, which may be a later one of the run."""

    @abstractmethod
    def keep(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        """Keep the model after an epoch, whose row is the last one."""

    @property
    def best(self) -> int | None:
        """Index of the best epoch in ``rows``, the first of equal ones, None for no rows; NaN is worst.

        If the objective has no metrics, the last epoch.
        """
        if self.monitor is None:
            return len(self.rows) - 1 if self.rows else None
        sign = 1 if self.objective.measures[self.monitor].better == "max" else -1
        values = [-math.inf if math.isnan(row[self.monitor]) else sign * row[self.monitor] for row in self.rows]
        return values.index(max(values)) if values else None

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds of this callback."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the epochs of a checkpoint."""
        self.rows = state_dict["rows"]

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Begin, unless a resumed run has stopped early already."""
        end_at_sigterm(self.here)
        self.begin(module)
        if agreed(self.here, self._no_better()):
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Begin to measure the time."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Record the epoch."""
        measured = {name: float(trainer.callback_metrics[name]) for name in self.objective.measures}
        seconds = time.perf_counter() - self._began
        self.rows.append({"epoch": len(self.rows) + 1, "loss": module.loss(), **measured, "seconds": seconds})
        self.keep(trainer, module)
        shown = (f"loss {module.loss():.4f}", shown_row(self.rows[-1], self.objective), f"{seconds:.1f} s")
        self.report(f"epoch {len(self.rows)}: " + ", ".join(filter(None, shown)))
        stop = self.here.first and self.stop(self.objective, self.rows[-1])
        if agreed(self.here, stop or self._no_better()):
            trainer.should_stop = True

    def _no_better(self) -> bool:
        return self.patience is not None and self.best is not None and len(self.rows) - 1 - self.best >= self.patience


def shown_row(row: Mapping[str, float], objective: Objective) -> str:
    """Format the metrics of an epoch; shares in percent."""
    return ", ".join(
        f"{name.replace('_', ' ')} " + (f"{100 * row[name]:.1f}" if measure.share else f"{row[name]:.4g}")
        for name, measure in objective.measures.items()
    )


def check_machine(training: Training) -> None:
    """Check that this machine has the device and the precision of a training.

    Raises:
        InputError: it does not.
    """
    device = chosen_device(training.device)
    if training.precision == "16-mixed" and device.type != "cuda":
        raise InputError("precision: 16-mixed needs a GPU; bf16-mixed does not")
