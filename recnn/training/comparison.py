"""Comparison of training runs: their metrics over several seeds, and the paired bootstrap of each pair of runs."""

import csv
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.metric import CompositionalMetric

from recnn.errors import RunError
from recnn.models.folder import Model, load, model_in
from recnn.training.examples import FILE, Examples
from recnn.training.objectives.base import Measure, Objective


class Trained(NamedTuple):
    """The best model of a training run: its results on some examples, and what it cost."""

    measures: dict[str, Measure]
    """Its metrics by name, in the order of metrics.csv."""
    examples: Examples
    parameters: int
    """Number of parameters of the model."""
    seconds: list[float]
    """Seconds of each epoch."""


class Runs(NamedTuple):
    """Training runs that differ by their seeds only."""

    name: str
    seeds: list[Trained]

    def metrics(self) -> dict[str, list[float]]:
        """Compute each metric of each seed."""
        found = [one.examples.metrics(one.measures) for one in self.seeds]
        return {name: [each[name] for each in found] for name in found[0]}


class Difference(NamedTuple):
    """Difference of a metric between two runs, means over their seeds, and its paired bootstrap."""

    first: str
    second: str
    metric: str
    difference: float
    """Metric of the first run minus that of the second."""
    low: float
    """Lower end of the 95 percent interval, by percentiles."""
    high: float
    """Upper end."""
    p: float
    """Probability of a difference of this size or a larger one, of either sign, if there is none."""


def seeds_in(folder: str | Path) -> list[Path]:
    """Return the runs in a folder of seeds, which has ``seed-0``, ``seed-1``, ...; or the folder, if it is of a run.

    Raises:
        RunError: it is neither.
    """
    folder = Path(folder)
    if (folder / "run.json").is_file():
        return [folder]
    found = [path for path in folder.glob("seed-*") if path.name[5:].isdecimal() and (path / "run.json").is_file()]
    if not found:
        raise RunError(f"{folder}: expected the folder of a training run, or one of seeds, with seed-0, seed-1, ...")
    return sorted(found, key=lambda path: int(path.name[5:]))


def read_seeds(folder: str | Path, results: Callable[[Model, Path], Examples] | None = None) -> Runs:
    """Read a run, or the runs in a folder of seeds.

    Args:
        folder: see `seeds_in`.
        results: function from a model and the folder of its run to its results; by default, they are those that the run
            recorded of its validation examples.

    Raises:
        RunError: the folder is neither, or has no results.
        InputError: a model cannot be read.
    """
    return Runs(str(folder), [_read(one, results) for one in seeds_in(folder)])


def _read(folder: Path, results: Callable[[Model, Path], Examples] | None) -> Trained:
    try:
        with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        seconds = [float(row["seconds"]) for row in rows]
    except OSError:
        raise RunError(f"{folder}: no epoch of this run is complete (no metrics.csv)") from None
    except (KeyError, ValueError, TypeError, csv.Error):
        seconds = []
    if not seconds:
        raise RunError(f"{folder / 'metrics.csv'}: damaged: resume the run for another epoch, which writes it anew")
    model = load(model_in(folder))
    examples = Examples.load(folder / FILE) if results is None else results(model, folder)
    made = objective_of(model).measures_of(model.config)
    measures = {
        name: made[name]
        for name in rows[0]
        if name in examples.values or (name in made and isinstance(made[name].metric, CompositionalMetric))
    }
    return Trained(measures, examples, sum(each.numel() for each in model.parameters()), seconds)


def objective_of(model: Model) -> type[Objective]:
    """Return the class of objectives of a kind of model, whose module has the name of the kind.

    Raises:
        RunError: there is none.
    """
    try:
        import_module(f"recnn.training.objectives.{model.kind}")
    except ModuleNotFoundError:
        raise RunError(f"there are no metrics of models of kind {model.kind!r}") from None
    return Objective.kinds[model.kind]


def paired_bootstrap(runs: Sequence[Runs], resamples: int = 1000) -> list[Difference]:
    """Compare each pair of runs that have results on the same examples, by the paired bootstrap.

    In each resample, as many examples are drawn as there are, with replacement, and both runs are measured on them; the
    metric of a run is the mean over its seeds. So the interval and p are about other examples of this kind, and the
    models that were trained; how much the training varies is seen in the deviation over the seeds. p is the share of
    the resamples whose difference is as far from the observed one as that is from 0, with 1 added to both counts.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16; Berg-Kirkpatrick, Burkett and
    Klein, "An Empirical Investigation of Statistical Significance in NLP", EMNLP 2012, section 2, here two-sided.

    Args:
        runs: the runs.
        resamples: number of resamples.

    Returns:
        The differences of the metrics that both runs have.
    """
    observed = [run.metrics() for run in runs]
    drawn = [_resampled(run, resamples) for run in runs] if len(runs) > 1 else []
    found = []
    for first, second in combinations(range(len(runs)), 2):
        if not same_examples(runs[first], runs[second]):
            continue
        for name in (name for name in observed[first] if name in observed[second]):
            difference = float(np.mean(observed[first][name]) - np.mean(observed[second][name]))
            others = drawn[first][name] - drawn[second][name]
            low, high = np.quantile(others, [0.025, 0.975]).tolist()
            p = (1 + int((abs(others - difference) >= abs(difference)).sum())) / (1 + resamples)
            found.append(Difference(runs[first].name, runs[second].name, name, difference, low, high, p))
    return found


def same_examples(first: Runs, second: Runs) -> bool:
    """Return True if two runs have results on the same examples, in all seeds or seed by seed."""
    one, other = ({trained.examples.digest for trained in run.seeds} for run in (first, second))
    return one == other


def _resampled(run: Runs, resamples: int) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics of a run, means over its seeds, in resamples (R,) of the examples.

    The resamples of the same examples are the same for all runs.
    """
    total = {name: np.zeros(resamples) for name in run.seeds[0].measures}
    for one in run.seeds:
        for number in range(resamples):
            found = one.examples.metrics(one.measures, _sample(one.examples.digest, number))
            for name, values in total.items():
                values[number] += found[name] / len(run.seeds)
    return total


def _sample(digest: str, number: int) -> Callable[[int], Tensor]:
    """Make the function that draws the examples of a resample, for `Examples.metrics`."""

    @cache
    def drawn(count: int) -> Tensor:
        random = np.random.default_rng([number, int(digest[:16], 16)])
        return torch.from_numpy(random.integers(count, size=count))

    return drawn
