"""A run: a folder in which a model is trained, the same for the same seed, and which goes on after a kill.

A run has a folder: ``run.json`` (what it was asked for), ``initial``, ``best`` and ``last`` (models, see
`recnn.load`), ``metrics.csv``, ``curves.png``, and ``resume.ckpt``, from which it goes on. All of these are replaced
whole at the end of each epoch. The random numbers of an epoch and the order of its batches are functions of the seed
and the epoch, so a run that was killed goes on from the last whole epoch and ends with the very same weights.
"""

import csv
import json
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from corpora.text import replacing, write_lines
from parsers.errors import InputError
from recnn.config import as_json
from recnn.models.folder import missing_extra
from recnn.objectives.base import Objective
from recnn.objectives.options import TrainingOptions
from recnn.training.curves import draw_curves

try:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
except ModuleNotFoundError as error:
    raise missing_extra(error) from None
from recnn.training.module import Training


class RunError(InputError):
    """A folder in which a run cannot begin or go on; the message names it."""


def train(
    make: Callable[[], Objective],
    options: TrainingOptions,
    out: str | Path,
    resume: bool = False,
    asked: Mapping[str, Any] | None = None,
    progress: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Train a model, or go on with training it.

    Args:
        make: makes the objective, once the seed is set.
        options: of the training.
        out: the folder of the run.
        resume: go on with the run that is there, with the same model, options and data; only the number of epochs may
            differ.
        asked: what else the run was asked for, as JSON: it is kept in ``run.json``.
        progress: whether to draw progress bars.
        report: told a line after each epoch.

    Returns:
        The row of the best epoch: ``epoch`` (from 1), ``loss``, what was measured, and ``seconds``.

    Raises:
        RunError: there is a run in the folder, or, to resume, none, or another.
        InputError: a loss that is no number, or a monitor that is not measured.
        OSError: a file cannot be read or written.
    """
    out = Path(out)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    objective = make()
    monitor = options.monitor or next(iter(objective.measures))
    if monitor not in objective.measures:
        raise InputError(f"monitor: {monitor!r} is none of {', '.join(objective.measures)}")
    _check_machine(options)
    run = {
        **(read_run(out) if resume else {}),
        **(asked or {}),
        "model": as_json(objective.model.config),
        "options": as_json(options),
        "digest": objective.digest(),
    }
    _check_folder(out, run, resume)
    checkpoint = out / "resume.ckpt"
    if resume and checkpoint.exists():
        _check_checkpoint(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "run.json", [json.dumps(run, indent=2)])
    keeper = _Keeper(out, objective, monitor, report)
    module = Training(objective, options)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # the hardware it found, and advertisements
    # Said outright, for else torch warns that the gradients of word vectors are not checked.
    with torch.sparse.check_sparse_tensor_invariants(False), warnings.catch_warnings():
        # More workers than none are of little use: a batch of trees takes 2 ms to make.
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", ".*num_training_batches|.*number of training batches")
        warnings.filterwarnings("ignore", ".*LeafSpec")  # Lightning's own, with a current torch
        warnings.filterwarnings(
            "ignore", ".*variance of predictions"
        )  # a correlation then is NaN, and is shown as such
        trainer = _trainer(out, options, objective, monitor, keeper, progress)
        found = checkpoint if resume and checkpoint.exists() else None
        trainer.fit(module, ckpt_path=found, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    draw_curves(keeper.rows, objective.measures, out / "curves.png")
    assert keeper.best is not None
    return keeper.rows[keeper.best]


def _trainer(
    out: Path, options: TrainingOptions, objective: Objective, monitor: str, keeper: pl.Callback, progress: bool
) -> pl.Trainer:
    callbacks: list[pl.Callback] = [keeper]
    if options.patience is not None:
        mode = objective.measures[monitor].better
        callbacks.append(EarlyStopping(monitor, patience=options.patience, mode=mode, check_finite=False))
    if progress:
        callbacks.append(TQDMProgressBar())
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(options.device, options.device),
        devices=1,
        precision=options.precision,
        max_epochs=options.epochs,
        logger=_tensorboard(out) if options.tensorboard else False,
        callbacks=callbacks,
        default_root_dir=out,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )


class _Keeper(pl.Callback):
    """Keeps the models, the metrics and the state of a run, at the end of each epoch."""

    def __init__(self, out: Path, objective: Objective, monitor: str, report: Callable[[str], None]) -> None:
        self.out, self.objective, self.monitor, self.report = out, objective, monitor, report
        self.rows: list[dict[str, float]] = []
        self._began = 0.0

    @property
    def best(self) -> int | None:
        """The row of the best epoch, the first if several are; NaN is worse than any number."""
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

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        measured = {name: float(trainer.callback_metrics[name]) for name in self.objective.measures}
        seconds = time.perf_counter() - self._began
        self.rows.append({"epoch": len(self.rows) + 1, "loss": module.loss(), **measured, "seconds": seconds})
        module.kept.save(self.out / "last")
        if self.best == len(self.rows) - 1:
            module.kept.save(self.out / "best")
        with replacing(self.out / "metrics.csv") as part, open(part, "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(self.rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows)
        # Large, so its part has one name: what a killed run left of it is written over, not kept beside.
        part = self.out / ".resume.ckpt.part"
        trainer.save_checkpoint(part)
        os.replace(part, self.out / "resume.ckpt")
        shown = shown_row(self.rows[-1], self.objective)
        self.report(f"epoch {len(self.rows)}: loss {module.loss():.4f}, {shown}, {seconds:.1f} s")


def shown_row(row: Mapping[str, float], objective: Objective) -> str:
    """What was measured after an epoch, in words."""
    return ", ".join(
        f"{name.replace('_', ' ')} " + (f"{100 * row[name]:.1f}" if measure.share else f"{row[name]:.4g}")
        for name, measure in objective.measures.items()
    )


def read_run(out: str | Path) -> dict[str, Any]:
    """What a run was asked for.

    Raises:
        RunError: the folder has no run, or its ``run.json`` is malformed.
        OSError: it cannot be read.
    """
    path = Path(out) / "run.json"
    if not path.is_file():
        raise RunError(f"{out}: there is no run to resume (no run.json)")
    try:
        run = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: {(str(error) or 'no JSON').splitlines()[0]}") from None
    if not isinstance(run, dict) or not isinstance(run.get("options"), dict):
        raise RunError(f"{path}: expected the options of a run")
    return run


def _check_machine(options: TrainingOptions) -> None:
    gpu = options.device != "cpu" and torch.cuda.is_available()
    if options.device == "cuda" and not gpu:
        raise InputError("device: there is no CUDA device that torch can use")
    if options.precision == "16-mixed" and not gpu:
        raise InputError("precision: 16-mixed takes a GPU; bf16-mixed does without")


def _check_folder(out: Path, run: Mapping[str, Any], resume: bool) -> None:
    if not resume:
        if (out / "run.json").exists():
            raise RunError(f"{out}: there is a run already; resume it, or take another folder")
        return
    found = read_run(out)
    for part in ("model", "options", "digest"):
        theirs, ours = found.get(part), run[part]
        for name, value in ours.items():
            if name != "epochs" and (not isinstance(theirs, dict) or theirs.get(name) != value):
                raise RunError(f"{out}: the run there is another: its {part} differs in {name!r}")


def _check_checkpoint(path: Path) -> None:
    """Read it once as plain tensors and values, so that what is wrong with it is said in a line."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not {"state_dict", "loops", "callbacks"} <= found.keys():
            raise ValueError
    except OSError:
        raise
    except Exception:  # torch has no class of its own for the many ways in which a file can be none of its
        raise RunError(f"{path}: no checkpoint of a run, or one with more than tensors and numbers in it") from None


def _tensorboard(out: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        return TensorBoardLogger(out, name="tensorboard", version="")
    except ModuleNotFoundError:
        raise InputError("this needs tensorboard, which is not installed: pip install tensorboard") from None
