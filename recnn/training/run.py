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
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from corpora.text import replacing, write_lines
from parsers.errors import InputError
from recnn.draw.charts import learning_curves
from recnn.errors import RunError, missing_extra
from recnn.models.bounds import within_memory
from recnn.settings import as_json
from recnn.training.claim import FILES, MODELS, Claim, claimed
from recnn.training.examples import FILE
from recnn.training.objectives.base import Objective
from recnn.training.options import Training
from recnn.training.processes import Processes, connected, processes
from recnn.training.record import read_run

try:
    import lightning.pytorch as pl
except ModuleNotFoundError as error:
    raise missing_extra(error) from None
from recnn.training.checkpoint import MAY_CHANGE, CheckpointFile
from recnn.training.module import TrainingModule
from recnn.training.trainer import Epochs, Report, Stop, check_machine, ended_in_order, make_trainer, never, restored


def train(
    make: Callable[[], Objective],
    training: Training,
    out: str | Path,
    resume: bool = False,
    asked: Mapping[str, Any] | None = None,
    progress: bool = False,
    report: Report = lambda line: None,
    stop: Stop = never,
) -> dict[str, float]:
    """Train a model, or resume its training.

    The number of threads, the random state, log levels, warning filters and the handling of Ctrl-C are as before when
    it returns or raises.

    Args:
        make: function that makes the objective; it is called once, after the seed is set.
        training: settings of the training.
        out: folder of the run.
        resume: continue the run in ``out``, with the same model, settings and data; only the numbers of
            epochs and of processes may differ.
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
    here = processes(training.devices)
    if not here.first:
        progress, report = False, lambda line: None
    with restored(training), _claimed(out, here) as claim, connected(here, out):
        if here.first:
            _check_folder(out, resume)
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        with within_memory():
            objective = make()
        return _train(objective, training, claim, resume, asked or {}, progress, report, stop, here)


def _claimed(out: Path, here: Processes) -> AbstractContextManager[Claim]:
    """Claim the folder in the first process; the others do not write."""
    return claimed(out) if here.first else nullcontext(Claim(out, -1))


def _train(
    objective: Objective,
    training: Training,
    claim: Claim,
    resume: bool,
    asked: Mapping[str, Any],
    progress: bool,
    report: Report,
    stop: Stop,
    here: Processes,
) -> dict[str, float]:
    out = claim.out
    keeper = _Keeper(claim, objective, training, report, stop, here)
    check_machine(training)
    run = {
        **(read_run(out) if resume else {}),
        **asked,
        "model": as_json(objective.model.config),
        "training": as_json(training),
        "digest": objective.digest(),
    }
    if resume:
        _check_same(out, run)
    module = TrainingModule(objective, training, here)
    file = CheckpointFile(run)
    checkpoint = out / "resume.ckpt" if resume and (out / "resume.ckpt").exists() else None
    if checkpoint is not None:
        _check_checkpoint(checkpoint, file, module, keeper, training.epochs)
    if here.first:
        write_lines(out / "run.json", [json.dumps(run, indent=2)])
        (out / "curves.png").unlink(missing_ok=True)  # is there if the run is complete
    logger = _tensorboard(out) if training.tensorboard else False
    trainer = make_trainer(training, keeper, progress, here, logger=logger, plugins=[file], default_root_dir=out)
    try:
        with ended_in_order():
            trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        report("terminated: resume the run to continue after the last complete epoch")
        raise
    except Exception as error:
        lost = here.count > 1 and not isinstance(error, InputError)  # another process may have ended: resume it later
        if here.first and checkpoint is None and not keeper.rows and not lost:
            # No epoch is complete: leave the folder free for the next attempt.
            (out / "run.json").unlink(missing_ok=True)
            shutil.rmtree(out / "initial", ignore_errors=True)
        raise
    assert keeper.best is not None
    if not here.first:
        return keeper.rows[keeper.best]
    claim.check("best", "last")
    shares = {name: measure.share for name, measure in objective.measures.items()}
    learning_curves(keeper.rows, shares, out / "curves.png")
    return keeper.rows[keeper.best]


class _Keeper(Epochs):
    """Callback that saves models, metrics and checkpoint after each epoch in the folder of the run."""

    def __init__(
        self, claim: Claim, objective: Objective, training: Training, report: Report, stop: Stop, here: Processes
    ) -> None:
        super().__init__(objective, training, report, stop, here)
        self.claim, self.out = claim, claim.out

    def begin(self, module: TrainingModule) -> None:
        if self.here.first and not self.rows:
            module.model.save(self.out / "initial")

    def keep(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        if not self.here.first:
            trainer.save_checkpoint(self.out / "resume.ckpt")  # which the first process writes, while all wait
            return
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
            if name not in MAY_CHANGE and (not isinstance(theirs, dict) or theirs.get(name) != value):
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
