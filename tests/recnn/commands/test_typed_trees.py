"""`recnn train trees`, and the other commands with its models."""

import json
import shutil

import pytest

import recnn as package
from recnn.trees import TreeExample, from_sexpr, read_examples, write_examples
from tests.command_line import recnn
from tests.runs import same

SMALL = ["--input-size", 8, "--hidden-size", 8, "--epochs", 2]
TEXTS = ["x", "(f x)", "(f (g x) y)", "(g x x x)", "(f 3 (g 4))", "(g (f 1.5))", "y", "(g y)"]
TREES = [from_sexpr(text) for text in TEXTS] * 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of trees with classes of the whole tree and of the nodes, and a run of each."""
    folder = tmp_path_factory.mktemp("typed")
    write_examples(folder / "root.jsonl", [TreeExample(t, "even" if len(t) % 2 == 0 else "odd") for t in TREES])
    kinds = [["leaf" if word else "inner" for word in tree.words] for tree in TREES]
    write_examples(folder / "nodes.jsonl", [TreeExample(t, None, kind) for t, kind in zip(TREES, kinds, strict=True)])
    for name in ("root", "nodes"):
        status, out, err = recnn("train", "trees", "--data", f"{name}.jsonl", *SMALL, "--out", name, cwd=folder)
        assert (status, err) == (0, "")
        assert "epoch 2: loss" in out
    return folder


def test_every_tenth_tree_of_a_file_is_for_validation(folder):
    status, out, err = recnn("evaluate", "root", "dev", "--json", cwd=folder)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["count"] == 4
    own = list(read_examples(folder / "root.jsonl"))[9::10]
    answers = package.load(folder / "root").predict(example.tree for example in own)
    right = sum(answer == example.target for answer, example in zip(answers, own, strict=True))
    assert found["accuracy"] == pytest.approx(right / 4)


def test_a_folder_of_parts(folder, tmp_path):
    examples = list(read_examples(folder / "root.jsonl"))
    (tmp_path / "data").mkdir()
    write_examples(tmp_path / "data" / "dev.jsonl", examples[9::10])
    write_examples(tmp_path / "data" / "train.jsonl", [e for n, e in enumerate(examples, 1) if n % 10])
    status, _, err = recnn("train", "trees", "--data", "data", *SMALL, "--out", "run", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert same(tmp_path / "run" / "best", folder / "root" / "best")
    status, _, err = recnn("evaluate", "run", "test", cwd=tmp_path)
    assert (status, err) == (1, f"recnn: {tmp_path / 'data'}: expected a file test.jsonl in this folder\n")


def test_predictions_are_those_of_the_model(folder):
    for name in ("root", "nodes"):
        status, out, err = recnn("predict", name, "--trees", "root.jsonl", "--json", cwd=folder)
        assert (status, err) == (0, "")
        found = [json.loads(line) for line in out.splitlines()]
        assert [one["prediction"] for one in found] == package.load(folder / name).predict(TREES)
        best = found[2]["probabilities"] if name == "root" else found[2]["probabilities"][1]
        answer = found[2]["prediction"] if name == "root" else found[2]["prediction"][1]
        assert max(best, key=best.get) == answer
        assert sum(best.values()) == pytest.approx(1)


def test_predictions_are_shown(folder):
    status, out, err = recnn("predict", "root", "--trees", "root.jsonl", cwd=folder)
    assert (status, err) == (0, "")
    answers = package.load(folder / "root").predict(TREES)
    assert [line.split()[2] for line in out.splitlines()] == answers
    status, out, err = recnn("predict", "nodes", "--trees", "nodes.jsonl", cwd=folder)
    assert (status, err) == (0, "")
    assert "└── " in out
    assert out.splitlines()[0] == "tree 1:"
    assert len(out.splitlines()) == len(TREES) + sum(map(len, TREES))


def test_seeds_compare_resume_and_tune(folder, tmp_path):
    shutil.copy(folder / "root.jsonl", tmp_path)
    data = ["--data", "root.jsonl", *SMALL]
    status, _, err = recnn("train", "trees", *data, "--seeds", 2, "--out", "sum", cwd=tmp_path)
    assert (status, err) == (0, "")
    more = ["--binarise", "--arity", 2, "--inputs", "concat", "--direction", "both", "--word-dropout", 0.1]
    status, _, err = recnn("train", "trees", *data, *more, "--out", "binary", cwd=tmp_path)
    assert (status, err) == (0, "")
    for on in ([], ["--on", "dev"]):
        arguments = ["sum", "binary", "--format", "json", "--resamples", 20, *on]
        status, out, err = recnn("compare", *arguments, cwd=tmp_path)
        assert (status, err) == (0, "")
        found = json.loads(out)
        assert [run["seeds"] for run in found["runs"]] == [2, 1]
        assert found["differences"][0]["metric"] == "accuracy"
    status, _, err = recnn("train", "trees", "--resume", "--epochs", 3, "--out", "binary", cwd=tmp_path)
    assert (status, err) == (0, "")
    search = ["--search", "inputs=sum,concat", "--trials", 2, "--out", "study"]
    status, out, err = recnn("tune", "trees", *data, *search, cwd=tmp_path)
    assert (status, err) == (0, "")
    assert (tmp_path / "study" / "best.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        ([], 2, "this task has no bundled data"),
        (["--data", "none.jsonl"], 1, "none.jsonl: No such file"),
        (["--data", "root.jsonl", "--arity", 2], 1, "root.jsonl: tree 4: node 0 ('g') has 3 children"),
        (["--data", "root.jsonl", "--task", "regression"], 1, "tree 1: expected a number or several as target"),
        (["--data", "root.jsonl", "--binarise", "--arity", 3], 2, "a binarised tree fits --arity 2 or sum, got 3"),
    ],
)
def test_wrong_options_are_one_line(folder, arguments, status, problem):
    found = recnn("train", "trees", *SMALL, *arguments, "--out", "wrong", cwd=folder, width="300")
    assert found[0] == status
    assert problem in found[2]
    assert not (folder / "wrong").exists()


def test_trees_that_do_not_fit_are_one_line_each(folder, tmp_path):
    model = ["--binarise", "--arity", 2]
    status, _, err = recnn("train", "trees", "--data", folder / "root.jsonl", *SMALL, *model, "--out", tmp_path / "run")
    assert (status, err) == (0, "")
    wide = from_sexpr("(f x)")
    write_examples(tmp_path / "new.jsonl", [wide, type(wide)((-1,), ("f",), (None,), ((1.0, 2.0),)), wide])
    status, out, err = recnn("predict", tmp_path / "run", "--trees", tmp_path / "new.jsonl")
    assert (status, err) == (1, "recnn: tree 2: nodes have 2 numbers, expected 1\n")
    assert [line.split(":")[0] for line in out.splitlines()] == ["tree 1", "tree 3"]
    status, _, err = recnn("predict", tmp_path / "run", "a sentence")
    assert status == 2
    assert "this model takes --trees FILE" in err
