"""Training runs, which are reproducible from their seed and can be resumed after an interruption.

The folder of a run has ``run.json`` (the settings), the models ``initial``, ``best`` and ``last`` (see `recnn.load`),
``metrics.csv``, ``examples.safetensors`` (the results of ``best`` on each validation example), the checkpoint
``resume.ckpt`` and, at the end, ``curves.png``. After each epoch, ``best`` and its results (if it improved), ``last``,
the metrics and the checkpoint are replaced as a whole. The random numbers and the order of the batches of an epoch
depend only on the seed and the epoch, so an interrupted run continues after the last complete epoch and ends with the
same weights.
"""

import csv
import json
import logging
import math
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from corpora.text import replacing, write_lines
from parsers.errors import InputError
from recnn.draw.charts import learning_curves
from recnn.errors import RunError, missing_extra
from recnn.graphs.devices import chosen_device
from recnn.models.bounds import within_memory
from recnn.settings import as_json
from recnn.training.claim import FILES, MODELS, Claim, claimed
from recnn.training.examples import FILE
from recnn.training.objectives.base import Objective
from recnn.training.options import Training
from recnn.training.record import read_run

try:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import TQDMProgressBar
    from lightning.pytorch.utilities.exceptions import SIGTERMException
except ModuleNotFoundError as error:
    raise missing_extra(error) from None
from recnn.training.checkpoint import CheckpointFile
from recnn.training.module import TrainingModule


def train(
    make: Callable[[], Objective],
    training: Training,
    out: str | Path,
    resume: bool = False,
    asked: Mapping[str, Any] | None = None,
    progress: bool = False,
    report: Callable[[str], None] = lambda line: None,
    stop: Callable[[Objective, Mapping[str, float]], bool] = lambda objective, row: False,
) -> dict[str, float]:
    """Train a model, or resume its training.

    The number of threads, the random state, log levels, warning filters and the handling of Ctrl-C are as before when
    it returns or raises.

    Args:
        make: function that makes the objective; it is called once, after the seed is set.
        training: settings of the training.
        out: folder of the run.
        resume: continue the run in ``out``, with the same model, settings and data; only the number of epochs may
            differ.
        asked: further entries of ``run.json``, as JSON values.
        progress: show progress bars.
        report: function that is called with a line of text after each epoch.
        stop: function that is called with the objective and the row of an epoch after it, see Returns; if it returns
            True, the training ends.

    Returns:
        The row of the best epoch: ``epoch`` (from 1), ``loss``, the metrics, and ``seconds``.

    Raises:
        RunError: the folder holds a run already, or another process trains in it; with ``resume``, it holds no run, one
            with other settings, or a checkpoint that is not as the run has written it; or the folder is removed during
            the training.
        InputError: the loss is NaN or infinite, the objective has no metric ``monitor``, the device or precision is not
            available, or the network is larger than the memory.
        OSError: a file cannot be read or written.
        KeyboardInterrupt: the process was interrupted by Ctrl-C.
        SystemExit: the process was terminated by SIGTERM.
    """
    out = Path(out)
    if resume:
        read_run(out)  # before a folder is created
    with _restored(training), claimed(out) as claim:
        _check_folder(out, resume)
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        with within_memory():
            objective = make()
        return _train(objective, training, claim, resume, asked or {}, progress, report, stop)


def _train(
    objective: Objective,
    training: Training,
    claim: Claim,
    resume: bool,
    asked: Mapping[str, Any],
    progress: bool,
    report: Callable[[str], None],
    stop: Callable[[Objective, Mapping[str, float]], bool],
) -> dict[str, float]:
    out = claim.out
    monitor = training.monitor or next(iter(objective.measures))
    if monitor not in objective.measures:
        raise InputError(f"monitor: {monitor!r} is not one of {', '.join(objective.measures)}")
    _check_machine(training)
    run = {
        **(read_run(out) if resume else {}),
        **asked,
        "model": as_json(objective.model.config),
        "training": as_json(training),
        "digest": objective.digest(),
    }
    if resume:
        _check_same(out, run)
    keeper = _Keeper(claim, objective, monitor, training.patience, report, stop)
    module = TrainingModule(objective, training)
    file = CheckpointFile(run)
    checkpoint = out / "resume.ckpt" if resume and (out / "resume.ckpt").exists() else None
    if checkpoint is not None:
        _check_checkpoint(checkpoint, file, module, keeper, training.epochs)
    write_lines(out / "run.json", [json.dumps(run, indent=2)])
    (out / "curves.png").unlink(missing_ok=True)  # is there if the run is complete
    trainer = _trainer(out, training, file, keeper, progress)
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except SIGTERMException:
        report("terminated: resume the run to continue after the last complete epoch")
        raise SystemExit(128 + signal.SIGTERM) from None  # Lightning's has status 0
    except SystemExit:
        raise KeyboardInterrupt from None  # Lightning's, after Ctrl-C
    except Exception:
        if not keeper.rows:  # no epoch is complete: leave the folder free for the next attempt
            (out / "run.json").unlink(missing_ok=True)
            shutil.rmtree(out / "initial", ignore_errors=True)
        raise
    claim.check("best", "last")
    shares = {name: measure.share for name, measure in objective.measures.items()}
    learning_curves(keeper.rows, shares, out / "curves.png")
    assert keeper.best is not None
    return keeper.rows[keeper.best]


@contextmanager
def _restored(training: Training) -> Iterator[None]:
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
                "variance of predictions",  # the correlation is NaN then, and shown so
            ):
                warnings.filterwarnings("ignore", f".*{message}")
            yield
    finally:
        log.setLevel(level)
        torch.set_num_threads(threads)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores it after Ctrl-C


def _trainer(out: Path, training: Training, file: CheckpointFile, keeper: pl.Callback, progress: bool) -> pl.Trainer:
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(training.device, training.device),
        devices=1,
        precision=training.precision,
        max_epochs=training.epochs,
        logger=_tensorboard(out) if training.tensorboard else False,
        plugins=[file],
        callbacks=[keeper, TQDMProgressBar()] if progress else [keeper],
        default_root_dir=out,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )


class _Keeper(pl.Callback):
    """Callback that saves models, metrics and checkpoint after each epoch, and stops early.

    Lightning's `EarlyStopping` would run after the checkpoint is saved, which would then hold its count of epochs
    without improvement from the epoch before.
    """

    def __init__(
        self,
        claim: Claim,
        objective: Objective,
        monitor: str,
        patience: int | None,
        report: Callable[[str], None],
        stop: Callable[[Objective, Mapping[str, float]], bool],
    ) -> None:
        self.claim, self.out, self.objective, self.monitor, self.report = claim, claim.out, objective, monitor, report
        self.patience, self.stop = patience, stop
        self.rows: list[dict[str, float]] = []
        self._began = 0.0

    @property
    def best(self) -> int | None:
        """Index of the best epoch in ``rows``, the first of equal ones, None for no rows; NaN is worst."""
        sign = 1 if self.objective.measures[self.monitor].better == "max" else -1
        values = [-math.inf if math.isnan(row[self.monitor]) else sign * row[self.monitor] for row in self.rows]
        return values.index(max(values)) if values else None

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        if not self.rows:
            module.model.save(self.out / "initial")
        self._stop_early(trainer)  # a resumed run may have stopped early already

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        measured = {name: float(trainer.callback_metrics[name]) for name in self.objective.measures}
        seconds = time.perf_counter() - self._began
        self.rows.append({"epoch": len(self.rows) + 1, "loss": module.loss(), **measured, "seconds": seconds})
        self.claim.check()  # as saving would create the folder anew
        module.kept.save(self.out / "last")
        if self.best == len(self.rows) - 1:
            module.kept.save(self.out / "best")
            module.examples.save(self.out / FILE)
        with replacing(self.out / "metrics.csv") as part, open(part, "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(self.rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows)
        trainer.save_checkpoint(self.out / "resume.ckpt")
        self.claim.check("last", "best")
        shown = shown_row(self.rows[-1], self.objective)
        self.report(f"epoch {len(self.rows)}: loss {module.loss():.4f}, {shown}, {seconds:.1f} s")
        self._stop_early(trainer)
        if self.stop(self.objective, self.rows[-1]):
            trainer.should_stop = True

    def _stop_early(self, trainer: pl.Trainer) -> None:
        if self.patience is not None and self.best is not None and len(self.rows) - 1 - self.best >= self.patience:
            trainer.should_stop = True


def shown_row(row: Mapping[str, float], objective: Objective) -> str:
    """Format the metrics of an epoch; shares in percent."""
    return ", ".join(
        f"{name.replace('_', ' ')} " + (f"{100 * row[name]:.1f}" if measure.share else f"{row[name]:.4g}")
        for name, measure in objective.measures.items()
    )


def _check_machine(training: Training) -> None:
    device = chosen_device(training.device)
    if training.precision == "16-mixed" and device.type != "cuda":
        raise InputError("precision: 16-mixed needs a GPU; bf16-mixed does not")


def _check_folder(out: Path, resume: bool) -> None:
    if resume:
        return
    if (out / "run.json").exists():
        raise RunError(f"{out}: there is a run already: resume it, or choose another folder")
    for name in (*MODELS, *FILES):
        if (out / name).exists():
            raise RunError(f"{out / name}: exists already, but not from a run: choose another folder")


def _check_same(out: Path, run: Mapping[str, Any]) -> None:
    found = read_run(out)
    for part in ("model", "training", "digest"):
        theirs, ours = found.get(part), run[part]
        for name, value in ours.items():
            if name != "epochs" and (not isinstance(theirs, dict) or theirs.get(name) != value):
                raise RunError(f"{out}: cannot resume: {part}.{name} differs from that of the run, see its run.json")


def _check_checkpoint(path: Path, file: CheckpointFile, module: TrainingModule, keeper: _Keeper, epochs: int) -> None:
    """Read the checkpoint before the training, so that any problem is reported in one line."""
    found = file.load_checkpoint(path)
    theirs = {name: value.shape for name, value in found["state_dict"].items()}
    done = len(found["callbacks"][keeper.state_key]["rows"])
    if theirs != {name: value.shape for name, value in module.state_dict().items()}:
        raise RunError(f"{path}: its weights do not fit the model in {path.with_name('run.json')}")
    if done > epochs:
        raise RunError(f"{path}: the run has {done} epochs already: epochs must be at least {done}, got {epochs}")
    if not (path.with_name("best").is_dir() and path.with_name("last").is_dir()):
        raise RunError(f"{path.parent}: cannot resume: the model best or last is missing")


def _tensorboard(out: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        return TensorBoardLogger(out, name="tensorboard", version="")
    except ModuleNotFoundError:
        raise InputError("this needs tensorboard, which is not installed: pip install tensorboard") from None
