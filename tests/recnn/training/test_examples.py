"""Results by example, of every kind of objective: the metrics of a run can be computed from them."""

import csv
import json
from itertools import pairwise

import pytest
import torch

import recnn as package
from corpora import bundled_sentiment
from parsers import brackets
from recnn.errors import RunError
from recnn.training.comparison import objective_of, read_seeds
from recnn.training.examples import FILE, Examples
from tests.command_line import recnn

torch.set_num_threads(1)
SMALL = ["--input-size", 4, "--epochs", 2, "--hidden-size", 4]
PARSER = ["--character-size", 4, "--spelling-size", 4, "--span-size", 4, "--min-count", 1]
PAIRS = ["a boy sees a duck", "the duck sleeps", "no boy runs", "a duck swims in the pond", "two boys sleep"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of trees and of pairs."""
    folder = tmp_path_factory.mktemp("data")
    for part, count in (("train", 40), ("dev", 15)):
        trees = [tree for tree, _ in zip(bundled_sentiment(part), range(count), strict=False)]
        lines = [f"{n}\t{a}\t{b}\t{1 + n % 5}.5\tNEUTRAL" for n, (a, b) in enumerate(pairwise(PAIRS))]
        (folder / "trees").mkdir(exist_ok=True)
        (folder / "pairs").mkdir(exist_ok=True)
        (folder / "trees" / f"{part}.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees))
        head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
        (folder / "pairs" / f"{part}.txt").write_text("\n".join([head, *lines]) + "\n")
    return folder


TASKS = [
    ["train", "sentiment", "--data", "trees", *SMALL],
    ["train", "sentiment", "--data", "trees", "--targets", "roots", "--model", "sequence", *SMALL],
    ["train", "relatedness", "--data", "pairs", "--parser", "balanced", *SMALL],
    ["train", "entailment", "--data", "pairs", "--parser", "right", *SMALL],
    ["train", "parser", "--data", "trees", *PARSER, *SMALL],
    ["train", "echo", "--question", "delayed", "--count", 40, "--length", 8, *SMALL[2:]],
    ["train", "subtraction", "--count", 40, *SMALL[2:]],
    ["train", "autoencoder", "--data", "trees", "--alpha", 0.5, *SMALL[2:]],
    ["train", "translation", "--pairs", 60, *SMALL],
    ["lm", "train", "--data", "pairs/train.txt", *SMALL[2:]],
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: " ".join(map(str, task[1:4])))
def test_the_metrics_of_the_best_epoch_follow_from_them(data, tmp_path, task):
    status, _, err = recnn(*task, "--out", tmp_path / "run", cwd=data)
    assert (status, err) == (0, "")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text("utf-8").splitlines()))
    (found,) = read_seeds(tmp_path / "run").seeds
    measured = found.examples.metrics(found.measures)
    assert list(measured) == [name for name in rows[0] if name not in ("epoch", "loss", "seconds")]
    monitor = next(iter(measured))
    better = min if found.measures[monitor].better == "min" else max
    best = better(rows, key=lambda row: float(row[monitor]))
    assert {name: float(best[name]) for name in measured} == pytest.approx(measured, rel=1e-5, nan_ok=True)
    # All examples twice: the metric is the same.
    twice = found.examples.metrics(found.measures, lambda count: torch.arange(count).repeat(2))
    assert twice == pytest.approx(measured, rel=1e-5, nan_ok=True)
    model = package.load(tmp_path / "run" / "best")
    assert found.parameters == sum(part.numel() for part in model.parameters())
    assert set(found.measures) <= set(objective_of(model).measures_of(model.config))


def digest(data, out, *arguments):
    assert recnn("train", *arguments, *SMALL, "--out", out, cwd=data)[0] == 0
    return Examples.load(out / FILE).digest


def test_examples_are_the_same_whatever_the_network_and_the_trees(data, tmp_path):
    sentences = ["good\ta fine film .", "bad\ta dull film", "good\tfine !"]
    (tmp_path / "s").mkdir()
    for part in ("train", "dev"):
        (tmp_path / "s" / f"{part}.tsv").write_text("\n".join(sentences))
    task = ["sentences", "--data", tmp_path / "s"]
    others = [["--parser", "left"], ["--parser", "right", "--min-count", 2], ["--model", "sequence", "--seed", 3]]
    found = {digest(data, tmp_path / f"run{n}", *task, *options) for n, options in enumerate(others)}
    assert len(found) == 1
    (tmp_path / "s" / "dev.tsv").write_text("\n".join([*sentences[:2], "bad\tfine !"]))
    assert digest(data, tmp_path / "changed", *task, "--parser", "left") not in found


def test_a_file_that_is_missing_or_damaged_is_named(data, tmp_path):
    digest(data, tmp_path / "run", "sentiment", "--data", "trees")
    path = tmp_path / "run" / FILE
    for content in (b"", b"{}", path.read_bytes()[:-5]):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"examples\.safetensors: "):
            Examples.load(path)
    path.unlink()
    status, out, err = recnn("compare", tmp_path / "run")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "has no results by example" in err
    assert recnn("compare", tmp_path / "run", "--on", data / "trees" / "dev.txt")[0] == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["task"] == "sentiment"
