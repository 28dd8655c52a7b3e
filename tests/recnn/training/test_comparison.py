"""The paired bootstrap, against all resamples of few examples, another library, and what must hold."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats
from torchmetrics import MeanMetric, PearsonCorrCoef

from recnn.errors import RunError
from recnn.training.comparison import Runs, Trained, paired_bootstrap, read_seeds, same_examples, seeds_in
from recnn.training.examples import Examples
from recnn.training.objectives.base import Measure


def runs(name, *seeds, metric=MeanMetric, digests=None):
    """Runs whose metric was updated with given values in each seed: (values, ...) of the examples."""
    made = []
    for values, digest in zip(seeds, digests or ["ab12"] * len(seeds), strict=True):
        measures = {"score": Measure(metric())}
        measures["score"].update(*(torch.tensor(part, dtype=torch.float32) for part in values))
        made.append(Trained(measures, Examples.of(measures, digest), 1, [1.0]))
    return Runs(name, made)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_few_examples_against_all_resamples():
    first, second = np.array([1.0, 0.4, 0.9]), np.array([0.2, 0.5, 0.3])
    (found,) = paired_bootstrap([runs("a", (first,)), runs("b", (second,))], 2000)
    every = np.array([(first - second)[list(index)].mean() for index in product(range(3), repeat=3)])
    observed = (first - second).mean()
    assert found.difference == pytest.approx(observed, abs=1e-6)
    assert found.p == pytest.approx(np.mean(abs(every - observed) >= observed - 1e-6), abs=0.03)
    assert (found.low, found.high) == pytest.approx((every.min(), every.max()), abs=1e-6)  # each of 1/27


def test_intervals_are_scipys():
    first, second = drawn(60, seed=1), drawn(60, seed=2) + 0.3
    (found,) = paired_bootstrap([runs("a", (first,)), runs("b", (second,))], 2000)
    other = stats.bootstrap(
        (first, second),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=0,
    )
    assert (found.low, found.high) == pytest.approx(tuple(other.confidence_interval), abs=0.03)
    t = stats.ttest_rel(first, second)  # of means of 60 examples, the same question
    assert found.p == pytest.approx(t.pvalue, abs=0.03)


def test_a_metric_that_is_no_mean():
    """Pearson's correlation of resampled pairs, with the same resamples as scipy's on the same indices."""
    target = drawn(40)
    answers = [target + drawn(40, seed=seed) for seed in (3, 4)]
    one, other = (
        runs(name, (answer, target), metric=PearsonCorrCoef) for name, answer in zip("ab", answers, strict=True)
    )
    (found,) = paired_bootstrap([one, other], 300)
    assert found.difference == pytest.approx(
        np.diff([stats.pearsonr(a, target)[0] for a in answers][::-1])[0], abs=1e-5
    )
    index = np.random.default_rng(5).integers(40, size=40)
    measured = one.seeds[0].examples.metrics(one.seeds[0].measures, lambda count: torch.from_numpy(index))
    assert measured["score"] == pytest.approx(stats.pearsonr(answers[0][index], target[index])[0], abs=1e-5)


def test_equal_runs_do_not_differ_and_the_sign_is_that_of_the_order():
    first, second = drawn(30, seed=1), drawn(30, seed=2)
    (same,) = paired_bootstrap([runs("a", (first,)), runs("b", (first,))], 100)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    (one,) = paired_bootstrap([runs("a", (first,)), runs("b", (second,))], 100)
    (two,) = paired_bootstrap([runs("b", (second,)), runs("a", (first,))], 100)
    assert (one.first, one.second, one.p) == (two.second, two.first, two.p)
    assert (one.difference, one.low, one.high) == pytest.approx((-two.difference, -two.high, -two.low))


def test_seeds_are_averaged_in_each_resample():
    """So two seeds whose results differ in sign only have the mean 0 in each."""
    values = drawn(30)
    (found,) = paired_bootstrap([runs("a", (values,), (-values,)), runs("b", (np.zeros(30),))], 100)
    assert (found.difference, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-6)


def test_only_the_same_examples_are_compared():
    values = drawn(2, 10)
    one, other = (runs(name, *((v,) for v in values), digests=["a1", "b2"]) for name in "ab")
    third = runs("c", (values[0],), digests=["a1"])
    assert same_examples(one, other)
    assert not same_examples(one, third)
    assert [(each.first, each.second) for each in paired_bootstrap([one, other, third], 10)] == [("a", "b")]


def test_folders_of_seeds(tmp_path):
    for name in ("seed-10", "seed-9", "seed-x", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "seed-1").mkdir()  # no run has begun
    assert [path.name for path in seeds_in(tmp_path)] == ["seed-9", "seed-10"]
    assert seeds_in(tmp_path / "seed-9") == [tmp_path / "seed-9"]
    with pytest.raises(RunError, match="expected the folder of a training run, or one of seeds"):
        seeds_in(tmp_path / "seed-1")
    with pytest.raises(RunError, match=r"seed-9: no epoch of this run is complete"):
        read_seeds(tmp_path)
