"""`recnn tune`: trials, their storage, the settings that it writes, and invalid searches."""

import json
import math
import tomllib

import pytest

optuna = pytest.importorskip("optuna")

from torchmetrics import MeanMetric  # noqa: E402

from parsers import brackets  # noqa: E402
from parsers.errors import InputError  # noqa: E402
from recnn.training.objectives.base import Measure  # noqa: E402
from recnn.training.objectives.trees import TreeObjective  # noqa: E402
from recnn.training.tuning import TunedTask, distribution_of, tune, write_toml  # noqa: E402
from tests.command_line import recnn, unframed  # noqa: E402
from tests.runs import CONFIG, DEV, TREES, metrics, options_of, same  # noqa: E402

FIXED = ["--input-size", 6, "--epochs", 2, "--data", "data", "--cell-option", "peepholes=true"]
SEARCH = ["--search", "hidden-size=4..8", "--search", "learning-rate=0.01..0.2:log", "--search", "model=tree,sequence"]


@pytest.fixture
def folder(tmp_path):
    """A folder with a small treebank in ``data``."""
    (tmp_path / "data").mkdir()
    for part, trees in (("train", TREES), ("dev", DEV)):
        (tmp_path / "data" / f"{part}.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees))
    return tmp_path


def trials_in(folder):
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db")
    study = optuna.load_study(study_name=None, storage=storage)
    found = study.direction.name, study.get_trials()
    storage.remove_session()
    storage.engine.dispose()
    return found


def test_the_best_settings_are_those_of_the_best_trial(folder):
    (folder / "space.toml").write_text("trials = 3\n[search]\nhidden-size = [4, 8]\n")
    arguments = ["tune", "sentiment", *FIXED, "--out", "study"]
    status, out, err = recnn(*arguments, "--config", "space.toml", "--learning-rate", 0.1, cwd=folder)
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()[:3]] == ["trial 0", "trial 1", "trial 2"]
    direction, trials = trials_in(folder / "study")
    assert (direction, len(trials)) == ("MAXIMIZE", 3)
    for trial in trials:  # what the storage says is what the run of the trial has
        rows = metrics(folder / "study" / f"trial-{trial.number}")
        assert list(trial.intermediate_values.values()) == [row["all"] for row in rows]
        assert trial.value == max(row["all"] for row in rows)
        run = json.loads((folder / "study" / f"trial-{trial.number}" / "run.json").read_text())
        assert run["settings"]["network"]["hidden_size"] == trial.params["hidden_size"]
        assert run["settings"]["network"]["cell_options"] == {"peepholes": True}
    best = max(trials, key=lambda trial: (trial.value, -trial.number))
    written = tomllib.loads((folder / "study" / "best.toml").read_text())
    assert written["hidden-size"] == best.params["hidden_size"]
    assert (written["learning-rate"], written["cell-options"]) == (0.1, {"peepholes": True})
    status, _, err = recnn("train", "sentiment", "--config", "study/best.toml", "--out", "run", cwd=folder)
    assert (status, err) == (0, "")
    assert same(folder / "run" / "best", folder / "study" / f"trial-{best.number}" / "best")


def test_a_study_goes_on(folder):
    arguments = ["tune", "sentiment", *FIXED, *SEARCH, "--out", "study"]
    assert recnn(*arguments, "--trials", 1, cwd=folder)[0] == 0
    status, out, err = recnn(*arguments, "--trials", 2, cwd=folder)
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("trial ") and ":" in line] == ["trial 1"]
    first, second = trials_in(folder / "study")[1]
    assert first.params.keys() == second.params.keys() == {"hidden_size", "learning_rate", "model"}
    assert first.params != second.params
    assert all(
        isinstance(trial.params["hidden_size"], int) and 4 <= trial.params["hidden_size"] <= 8
        for trial in (first, second)
    )
    status, out, err = recnn(*arguments, "--trials", 2, cwd=folder)  # nothing is left to do
    assert (status, err, out.count("trial 1:")) == (0, "", 0)
    status, _, err = recnn(*arguments, "--trials", 3, "--batch", 50, cwd=folder)
    assert (status, err) == (
        1,
        "recnn: study: there is a study with other settings or another --search: choose another folder\n",
    )


class Told(TreeObjective):
    """An objective whose metric is the learning rate, or NaN for one that is too high."""

    def __init__(self, training):
        super().__init__(CONFIG, training, TREES[:2], DEV[:2])
        self.measures = {"score": Measure(MeanMetric(nan_strategy="disable"), "min", share=False)}
        self.rate = training.learning_rate

    def measure(self, batch):
        self.measures["score"].metric.update(self.rate if self.rate < 10 else math.nan)


def told(rates, trials, out):
    task = TunedTask(
        "told",
        lambda training: Told(training),
        lambda chosen: {"training": options_of(epochs=3, **chosen)},
        {},
        {"learning_rate": optuna.distributions.CategoricalDistribution(rates)},
    )
    lines = []
    return tune(task, trials, out, lines.append), lines


def test_trials_that_fall_behind_are_pruned_and_those_that_fail_are_named(tmp_path):
    complete, lines = told([1.0, 2.0, 3.0, 20.0], 14, tmp_path)
    direction, trials = trials_in(tmp_path)
    assert (direction, len(trials)) == ("MINIMIZE", 14)
    assert [trial.value for trial in complete] == sorted(trial.params["learning_rate"] for trial in complete)
    for trial, line in zip(trials, lines, strict=True):
        rate = trial.params["learning_rate"]
        over = [t.params["learning_rate"] for t in trials[: trial.number] if t.state.name == "COMPLETE"]
        if rate == 20:
            assert trial.state.name == "FAIL"
            assert line.endswith("failed: score is NaN in all epochs")
        elif len(over) >= 5 and rate > sorted(over)[len(over) // 2]:
            assert trial.state.name == "PRUNED"
            assert line.endswith("pruned after epoch 1")
            assert len(metrics(tmp_path / f"trial-{trial.number}")) == 1
        else:
            assert "epoch" in line
    states = {trial.state.name for trial in trials}
    assert states == {"COMPLETE", "PRUNED", "FAIL"}


def test_a_study_without_a_complete_trial_is_an_error(tmp_path):
    with pytest.raises(InputError, match="score is NaN in all epochs"):
        told([20.0], 2, tmp_path)
    assert not (tmp_path / "best.toml").exists()


def test_settings_survive_toml(tmp_path):
    values = {"data": 'a "b" \\ é\x7f', "learning_rate": 1e-05, "batch": 3, "lower": True, "monitor": None}
    write_toml(tmp_path / "x.toml", {"cell_options": {"leaf": "input"}, **values})
    found = tomllib.loads((tmp_path / "x.toml").read_text("utf-8"))
    expected = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    assert found == {**expected, "cell-options": {"leaf": "input"}}


def test_ranges_of_numbers_that_need_not_be_whole():
    assert distribution_of("0..1", whole=False) == optuna.distributions.FloatDistribution(0, 1)
    assert distribution_of("2..8:log", whole=True) == optuna.distributions.IntDistribution(2, 8, log=True)
    assert distribution_of("true,false", whole=False).choices == (True, False)


WRONG = [
    ([], "give at least one option to vary"),
    (["hidden-size"], "expected NAME=VALUE, got 'hidden-size'"),
    (["colour=1"], "'colour' is not an option of this command"),
    (["hidden-size=0..5"], "hidden_size: input should be greater than or equal to 1, got 0"),
    (["hidden-size=1..2.5"], "hidden_size: input should be a valid integer, got 1.0"),
    (["hidden-size=9..5"], "hidden_size: "),
    (["learning-rate=a..b"], "learning_rate: expected numbers at the ends of a range, got 'a..b'"),
    (["learning-rate=0..1:log"], "learning_rate: "),
    (["cell=lstm,conv"], "'conv' is not one of gru, lstm"),
    (["dropout=0..1"], "dropout: input should be less than 1, got 1"),
]


@pytest.mark.parametrize(("search", "message"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_a_wrong_search_is_one_line(tmp_path, search, message):
    options = [part for one in search for part in ("--search", one)]
    status, out, err = recnn("tune", "sentiment", *options, "--out", "study", cwd=tmp_path, width="300")
    assert (status, out) == (2, "")
    assert message in unframed(err)
    assert list(tmp_path.iterdir()) == []
