"""`recnn compare` and `--seeds`: their tables against the runs, resumed seeds, and every format."""

import csv
import json
import re
import shutil
from statistics import mean, stdev

import pytest

from parsers import brackets
from tests.command_line import recnn, unframed
from tests.runs import DEV, TREES, metrics, same

SMALL = ["--data", "data", "--input-size", 6, "--hidden-size", 5, "--epochs", 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two seeds of a tree network, and of a sequence network."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "data").mkdir()
    for part, trees in (("train", TREES), ("dev", DEV), ("test", TREES[:30])):
        (folder / "data" / f"{part}.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees))
    for model in ("tree", "sequence"):
        arguments = ["--out", model, "--model", model, "--seeds", 2, "--seed", 5]
        status, out, err = recnn("train", "sentiment", *SMALL, *arguments, cwd=folder)
        assert (status, err) == (0, "")
        assert [line for line in out.splitlines() if line.startswith("seed")] == ["seed 5:", "seed 6:"]
        assert f" {model} " in out.split("best: ")[-1]  # the table
    return folder


def compared(folder, *arguments):
    status, out, err = recnn("compare", "--format", "json", "--resamples", 50, *arguments, cwd=folder)
    assert (status, err) == (0, "")
    return json.loads(out)


def test_the_table_has_the_best_epochs_of_the_seeds(folder):
    found = compared(folder, "tree", "sequence")
    for run in found["runs"]:
        rows = [max(metrics(folder / run["run"] / f"seed-{seed}"), key=lambda row: row["all"]) for seed in (5, 6)]
        for name in ("all", "binary_all", "roots", "binary_roots", "mean"):
            values = [row[name] for row in rows]
            expected = {"mean": mean(values), "deviation": stdev(values)}
            assert run["metrics"][name] == pytest.approx(expected, abs=1e-6)
        assert run["seeds"] == 2
        assert run["seconds"] == pytest.approx(2 * run["seconds_per_epoch"])
    tree, sequence = found["runs"]
    assert {one["metric"] for one in found["differences"]} == set(tree["metrics"])
    for one in found["differences"]:
        name = one["metric"]
        difference = tree["metrics"][name]["mean"] - sequence["metrics"][name]["mean"]
        assert one["difference"] == pytest.approx(difference, abs=1e-9)
        assert one["low"] <= one["high"]
        assert 1 / 51 <= one["p"] <= 1


def test_it_compares_on_other_data_as_evaluate_does(folder):
    found = compared(folder, "tree/seed-5", "--on", "test")["runs"][0]["metrics"]
    expected = json.loads(recnn("evaluate", "--json", "tree/seed-5", "test", cwd=folder)[1])
    for place in ("all", "roots"):
        assert found[place] == {"mean": pytest.approx(expected[place]["fine"], abs=1e-6), "deviation": None}
        assert found[f"binary_{place}"]["mean"] == pytest.approx(expected[place]["binary"], abs=1e-6)


def test_every_format_has_the_same_values(folder):
    tables = {}
    for form in ("text", "markdown", "latex", "csv"):
        status, tables[form], err = recnn(
            "compare", "tree", "sequence", "--format", form, "--resamples", 20, cwd=folder
        )
        assert (status, err) == (0, "")
    shown = {form: re.findall(r"(\d+\.\d) (?:±|\$\\pm\$) (\d+\.\d)", table) for form, table in tables.items()}
    assert len(shown["text"]) == 2 * 5
    assert shown["text"] == shown["markdown"] == shown["latex"]
    first, second = tables["csv"].split("\n\n")
    rows = list(csv.DictReader(first.splitlines()))
    values = [
        (row[name], row[f"{name}_deviation"])
        for row in rows
        for name in metrics(folder / "tree" / "seed-5")[0]
        if name in row
    ]
    assert [tuple(f"{100 * float(value):.1f}" for value in pair) for pair in values] == shown["text"]
    assert len(list(csv.DictReader(second.splitlines()))) == 5
    assert tables["latex"].count(r"\begin{tabular}") == tables["latex"].count(r"\bottomrule") == 2
    assert r"95\% interval" in tables["latex"]


def test_seeds_go_on_where_they_ended(folder, tmp_path):
    shutil.copytree(folder / "tree", tmp_path / "tree")
    (tmp_path / "tree" / "seed-6" / "curves.png").unlink()  # as after an interruption
    status, out, err = recnn("train", "sentiment", "--out", "tree", "--seeds", 3, "--resume", cwd=tmp_path)
    assert (status, err) == (0, "")
    lines = [line.split(":")[0] for line in out.splitlines() if re.match("seed|epoch|best", line)]
    assert lines == ["seed 5", "seed 6", "best", "seed 7", "epoch 1", "epoch 2", "best"]
    assert "seed 5: complete" in out
    for seed in (5, 6):
        assert same(folder / "tree" / f"seed-{seed}" / "best", tmp_path / "tree" / f"seed-{seed}" / "best")
    status, out, _ = recnn("train", "sentiment", "--out", "tree", "--seeds", 2, "--resume", "--epochs", 3, cwd=tmp_path)
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("epoch")] == ["epoch 3", "epoch 3"]


WRONG = [
    (["compare", "nowhere"], 1, "recnn: nowhere: expected the folder of a training run, or one of seeds"),
    (["compare", "tree", "--on", "nowhere.txt"], 1, "recnn: nowhere.txt: No such file or directory"),
    (["compare"], 2, "Missing argument 'RUN...'"),
    (["train", "sentiment", "--out", "tree", "--seeds", 2, "--seed", 5], 1, "there is a run already: resume it"),
    (["train", "sentiment", "--out", "tree/seed-5", "--seeds", 2], 1, "there is a run with one seed"),
    (["train", "sentiment", "--out", "none", "--seeds", 2, "--resume"], 1, "expected the folder of a training run"),
    (["train", "sentiment", "--out", "tree", "--seeds", 2, "--resume", "--batch", 9], 2, "--batch cannot be changed"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), WRONG)
def test_what_is_wrong_is_said(folder, arguments, status, message):
    found, _, err = recnn(*arguments, cwd=folder)
    assert found == status
    assert message in unframed(err)
    assert status == 2 or len(err.splitlines()) == 1


def test_runs_on_different_examples_have_no_differences(folder, tmp_path):
    status, _, err = recnn(
        "train", "echo", "--count", 40, "--length", 8, "--hidden-size", 4, "--epochs", 1, cwd=tmp_path
    )
    assert (status, err) == (0, "")
    status, out, err = recnn("compare", "tree", tmp_path / "echo", cwd=folder)
    assert status == 0
    assert err == f"recnn: tree and {tmp_path}/echo have results on different examples: no differences; see --on\n"
    assert "interval" not in out
    assert "accuracy" in out
    status, _, err = recnn("compare", tmp_path / "echo", "--on", "test", cwd=folder)
    assert status == 1
    assert "expected a model of kind 'trees', 'typed_trees', 'pairs' or 'translation', got 'sequences'" in err
