"""Search for good settings by Optuna, in a folder that can be continued, and opened by optuna-dashboard.

The folder has ``study.db``, the storage of the study, the runs of the trials, ``trial-0``, ``trial-1``, ..., and
``best.toml``, the settings of the best trial for ``recnn train --config``.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.text import write_lines
from parsers.errors import InputError
from recnn.data.batches import mixed
from recnn.errors import RunError, missing_extra
from recnn.settings import as_json
from recnn.training.objectives.base import Objective
from recnn.training.run import train

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, Trial, TrialState
except ModuleNotFoundError as error:
    raise missing_extra(error, "tune") from None

_RANGE = re.compile(r"(?P<low>[^,:]+?)\.\.(?P<high>[^,:]+)(?P<log>:log)?")


class TunedTask(NamedTuple):
    """What is trained in a trial."""

    name: str
    """Name of the task."""
    build: Callable[..., Objective]
    """Function from all settings, by the names of its parameters, to the objective."""
    settings: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Function from the values of the settings that vary to all settings; it may raise an `InputError`."""
    fixed: Mapping[str, Any]
    """The settings that were given and do not vary, as JSON values."""
    space: dict[str, BaseDistribution]
    """Distribution of each setting that varies."""


def tune(
    task: TunedTask, trials: int, out: Path, report: Callable[[str], None] = lambda line: None
) -> list[FrozenTrial]:
    """Train with different settings, and write the best to ``best.toml``.

    Settings are drawn by the tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter
    optimization", NeurIPS 2011), in the first ten trials at random. The value of a trial is the metric that selects the
    best epoch. A trial is pruned after an epoch if its best value so far is worse than the median of the earlier trials
    up to that epoch, from the sixth trial on (`optuna.pruners.MedianPruner`). A trial that raises an `InputError`, as a
    loss that is NaN does, has failed.

    Args:
        task: what is trained.
        trials: number of trials, those in the folder included.
        out: folder of the study; a study in it is continued.
        report: function that is called with a line of text after each trial.

    Returns:
        The trials that are complete, the best first; ties in their order.

    Raises:
        RunError: the folder has a study with other settings.
        InputError: no trial is complete.
    """
    problem = InputError(f"{out}: no trial is complete")
    with _opened(task, out) as study:
        while sum(map(_is_over, study.get_trials(deepcopy=False))) < trials:
            trial = study.ask(task.space)
            try:
                line = _tried(task, study, trial, out / f"trial-{trial.number}")
            except RunError:
                raise
            except InputError as error:
                problem = error
                trial.set_user_attr("error", str(error))
                study.tell(trial, state=TrialState.FAIL)
                line = f"failed: {error}"
            report(f"trial {trial.number}: {shown_settings(trial.params)}: {line}")
            if complete := _complete(study):
                write_toml(out / "best.toml", {**task.fixed, **complete[0].params})
        if complete := _complete(study):
            return complete
    raise problem


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that are complete, the best first."""
    sign = -1 if study.direction is StudyDirection.MAXIMIZE else 1
    return sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda trial: sign * trial.values[0])


@contextmanager
def _opened(task: TunedTask, out: Path) -> Iterator[optuna.Study]:
    """Create the study in a folder, or open the one that is there."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    asked = {
        "task": task.name,
        "fixed": dict(task.fixed),
        "space": {name: str(one) for name, one in task.space.items()},
    }
    path = out / "study.db"
    aim = None if path.exists() else _aim(task)
    out.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
    try:
        if aim is not None:
            monitor, direction = aim
            made = optuna.create_study(storage=storage, study_name=task.name, direction=direction)
            made.set_user_attr("metric", monitor)
            made.set_user_attr("asked", asked)
        study = optuna.load_study(study_name=None, storage=storage)
        if study.user_attrs.get("asked") != asked:
            raise RunError(f"{out}: there is a study with other settings or another --search: choose another folder")
        count = len(study.get_trials(deepcopy=False))
        seed = task.settings(_first(task.space))["training"].seed
        study.sampler = optuna.samplers.TPESampler(seed=mixed(seed, count) % (1 << 32))  # not the same draws again
        study.pruner = optuna.pruners.MedianPruner()
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _aim(task: TunedTask) -> tuple[str, StudyDirection]:
    """Return the metric that selects the best epoch, and its direction of improvement."""
    settings = task.settings(_first(task.space))
    with torch.random.fork_rng([]):
        measures = task.build(**settings).measures
    monitor = settings["training"].monitor or next(iter(measures))
    if monitor not in measures:
        raise InputError(f"monitor: {monitor!r} is not one of {', '.join(measures)}")
    return monitor, StudyDirection.MAXIMIZE if measures[monitor].better == "max" else StudyDirection.MINIMIZE


def _first(space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    return {name: values_in(one)[0] for name, one in space.items()}


def _tried(task: TunedTask, study: optuna.Study, trial: Trial, folder: Path) -> str:
    """Train with the settings of a trial, and tell the study how good they are; return that as text."""
    settings = task.settings(trial.params)
    training = settings["training"]
    monitor = study.user_attrs["metric"]
    pruned = 0

    def stop(objective: Objective, row: Mapping[str, float]) -> bool:
        nonlocal pruned
        if not math.isnan(row[monitor]):
            trial.report(row[monitor], int(row["epoch"]))
        pruned = int(row["epoch"]) if row["epoch"] < training.epochs and trial.should_prune() else 0
        return pruned > 0

    asked = {part: as_json(value) for part, value in settings.items() if part != "training"}
    best = train(
        lambda: task.build(**settings), training, folder, asked={"task": task.name, "settings": asked}, stop=stop
    )
    value = best[monitor]
    if math.isnan(value):
        raise InputError(f"{monitor} is NaN in all epochs")
    if pruned:
        study.tell(trial, state=TrialState.PRUNED)
        return f"{monitor} {value:.4g}, pruned after epoch {pruned}"
    study.tell(trial, value)
    return f"{monitor} {value:.4g}, epoch {best['epoch']}"


def _is_over(trial: FrozenTrial) -> bool:
    """Return False for a trial that runs, or was interrupted."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or "error" in trial.user_attrs


def distribution_of(values: Any, whole: bool) -> BaseDistribution:
    """Make the distribution that a setting is drawn from.

    Args:
        values: a list of choices; or text: choices as ``a,b,c``, a range as ``low..high``, or ``low..high:log`` for one
            on a logarithmic scale.
        whole: a range with whole ends is one of whole numbers.

    Raises:
        ValueError: the range is empty, or not one of numbers.

    >>> distribution_of("50..200", whole=True)
    IntDistribution(high=200, log=False, low=50, step=1)
    >>> distribution_of("1e-4..0.1:log", whole=False)
    FloatDistribution(high=0.1, log=True, low=0.0001, step=None)
    >>> distribution_of("lstm,gru", whole=True)
    CategoricalDistribution(choices=('lstm', 'gru'))
    """
    if isinstance(values, str) and (found := _RANGE.fullmatch(values)):
        low, high = (_value(found[end]) for end in ("low", "high"))
        if not all(type(end) in (int, float) for end in (low, high)):
            raise ValueError(f"expected numbers at the ends of a range, got {values!r}")
        kind = IntDistribution if whole and type(low) is type(high) is int else FloatDistribution
        return kind(low, high, log=bool(found["log"]))
    if isinstance(values, str):
        values = [_value(text) for text in values.split(",")]
    return CategoricalDistribution(values if isinstance(values, list) else [values])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def values_in(distribution: BaseDistribution) -> list[Any]:
    """Return the choices, or the ends of the range."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [distribution.low, distribution.high]


def shown_settings(params: Mapping[str, Any]) -> str:
    """Format the settings of a trial."""
    return ", ".join(f"{name.replace('_', '-')} {shown_value(value)}" for name, value in params.items())


def shown_value(value: Any) -> str:
    """Format the value of a setting."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_toml(path: Path, values: Mapping[str, Any]) -> None:
    """Write settings to a TOML file for ``--config``, with hyphens in their names; those that are None are left out."""
    known = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    lines = [f"{name} = {_toml(value)}" for name, value in known.items() if not isinstance(value, dict)]
    for name, value in known.items():  # tables come last
        if isinstance(value, dict):
            lines += [f"[{name}]", *(f"{key} = {_toml(one)}" for key, one in value.items())]
    write_lines(path, lines)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
