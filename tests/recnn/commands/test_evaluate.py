"""`recnn train`, `evaluate` and `predict` as a user runs them."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch

import recnn as package
from corpora import SENTIMENTS, bundled_sentiment
from parsers import words_of
from parsers.trees import brackets
from recnn.scores import Scores, wilson

SENTENCE = "the plot is not very funny ."


def recnn(*arguments, stdin="", cwd=None, width="120"):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "recnn", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "COLUMNS": width, "PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "utf-8"},
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "run"
    small = ["--input-size", 12, "--hidden-size", 10, "--epochs", 2]
    status, out, err = recnn("train", "sentiment", "--out", folder, *small)
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == ["epoch 1", "epoch 2", "best"]
    return folder


def test_evaluate_counts_what_the_model_says(run):
    status, out, err = recnn("evaluate", "--json", run, "test")
    assert (status, err) == (0, "")
    found = json.loads(out)
    model = package.load(run / "best")
    pairs = {"all": [], "roots": []}
    for tree in bundled_sentiment("test"):
        (p,) = model.probabilities([tree])
        graph = package.tree_to_graph(tree, labels=SENTIMENTS)
        rows = list(zip(graph.ndata["label"].tolist(), p.tolist(), strict=True))
        pairs["all"] += rows
        pairs["roots"] += rows[:1]
    for place, rows in pairs.items():
        polar = [(target, p) for target, p in rows if target != 2]
        answer = {
            "fine": sum(p.index(max(p)) == target for target, p in rows) / len(rows),
            "binary": sum((p[3] + p[4] > p[0] + p[1]) == (target > 2) for target, p in polar) / len(polar),
            "binary_largest": sum((max(p[3:]) > max(p[:2])) == (target > 2) for target, p in polar) / len(polar),
            "binary_strict": sum((p.index(max(p)) - 2) * (target - 2) > 0 for target, p in polar) / len(polar),
        }
        # A sum of float32 may tip over in another batch, on a node or two.
        for name, share in answer.items():
            assert found[place][name] == pytest.approx(share, abs=2 / len(polar))
        assert found[place]["counts"] == {"fine": len(rows), "binary": len(polar)}
        assert sum(map(sum, found[place]["confusion"])) == len(rows)


def test_evaluate_shows_intervals_and_confusion(run):
    status, out, err = recnn("evaluate", run / "best", "dev")
    assert (status, err) == (0, "")
    assert "fine-grained" in out
    assert "(the paper's)" in out
    assert "of 200" in out
    assert out.count("is, was given") == 2


def test_counts_by_hand():
    p = torch.tensor([[0.3, 0.3, 0.0, 0.4, 0.0], [0.1, 0.1, 0.5, 0.2, 0.1], [0, 0, 1, 0, 0], [0.9, 0, 0, 0.1, 0]])
    scores = Scores.of(p, torch.tensor([3, 4, 2, -1]), list(SENTIMENTS))
    assert (scores.count, scores.right, scores.polar) == (3, 2, 2)
    assert scores.binary == {"binary": 1, "binary_largest": 2, "binary_strict": 1}
    assert Scores.of(p[:, :2], torch.tensor([0, 0, 1, -1]), ["a", "b"]).record() == {
        "fine": 1 / 3 + 1 / 3,
        "counts": {"fine": 3},
        "confusion": [[2, 0], [1, 0]],
    }
    assert Scores.of(p, torch.tensor([-1] * 4), list(SENTIMENTS)).record()["fine"] is None


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (3, 10), (900, 1000)])
def test_wilson_solves_its_equation(right, count):
    for end in wilson(right, count):
        if 0 < end < 1:
            assert abs(right / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count), abs=1e-9)
    assert wilson(0, 0) == (0, 1)


def test_predict_labels_every_node(run):
    status, out, err = recnn("predict", run, SENTENCE)
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line.endswith("not very funny")]
    assert len(out.strip().splitlines()) == 13
    status, out, err = recnn("predict", "--json", run, "-", stdin=SENTENCE + "\n")
    assert (status, err) == (0, "")
    nodes = json.loads(out)["nodes"]
    assert nodes[0]["words"] == SENTENCE.split()
    assert all(max(node["probabilities"], key=node["probabilities"].get) == node["label"] for node in nodes)
    assert all(sum(node["probabilities"].values()) == pytest.approx(1, abs=1e-5) for node in nodes)


def test_predict_on_trees_and_pictures(run, tmp_path):
    trees = [tree for tree, _ in zip(bundled_sentiment("test"), range(2), strict=False)]
    (tmp_path / "trees.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees))
    status, out, err = recnn("predict", "--json", run, "--trees", tmp_path / "trees.txt")
    assert (status, err) == (0, "")
    model = package.load(run / "best")
    for tree, line in zip(trees, out.splitlines(), strict=True):
        found = json.loads(line)
        assert found["sentence"] == " ".join(words_of(tree))
        (expected,) = model.probabilities([tree])
        p = torch.tensor([list(node["probabilities"].values()) for node in found["nodes"]])
        torch.testing.assert_close(p, expected)
    status, out, err = recnn("predict", run, SENTENCE, "--svg", tmp_path / "tree.svg")
    assert (status, out, err) == (0, "", "")
    assert "<svg" in (tmp_path / "tree.svg").read_text()
    assert recnn("predict", run, "--trees", tmp_path / "trees.txt", "--svg", tmp_path / "x.svg")[0] == 1
    (tmp_path / "wide.txt").write_text("(S (A a) (B b) (C c) (D d))")
    assert recnn("predict", "--json", run, "--trees", tmp_path / "wide.txt")[0] == 0


def test_a_sentence_without_a_parse(run):
    status, out, err = recnn("predict", "--json", run, "a lovely film")
    assert status == 0
    assert err.startswith("recnn: 'a lovely film' is not in the bundled treebank's grammar")
    spans = [node["span"] for node in json.loads(out)["nodes"]]
    assert spans == [[1, 3], [1, 1], [2, 3], [2, 2], [3, 3]]
    status, out, err = recnn("predict", "--json", run, "--grammar", "duck", "a lovely film", "The boy saw her duck")
    assert status == 1
    assert len(out.splitlines()) == 1
    assert len(err.splitlines()) == 1


def test_training_on_a_folder_and_resuming(tmp_path):
    (tmp_path / "data").mkdir()
    for part, count in (("train", 30), ("dev", 10)):
        trees = [brackets(tree) for tree, _ in zip(bundled_sentiment(part), range(count), strict=False)]
        (tmp_path / "data" / f"{part}.txt").write_text("\n".join(trees) + "\n")
    small = ["--input-size", 4, "--hidden-size", 4, "--epochs", 1, "--data", "data", "--model", "sequence"]
    assert recnn("train", "sentiment", "--out", "run", *small, "--direction", "both", cwd=tmp_path)[0] == 0
    status, out, err = recnn("train", "sentiment", "--out", "run", "--resume", "--epochs", 2, cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.startswith("epoch 2: ")
    status, out, err = recnn("train", "sentiment", "--out", "run", "--resume", "--cell", "gru", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert "--cell is the run's own" in err
    (tmp_path / "data" / "dev.txt").write_text("(7 a)")
    status, out, err = recnn("train", "sentiment", "--out", "run", "--resume", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.endswith("dev.txt, line 1, column 2: the label '7' is none of 0, 1, 2, 3, 4\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["train", "sentiment", "--data", "nowhere", "--out", "x"], 1, "recnn: nowhere/train.txt: No such file"),
        (["train", "sentiment", "--cell", "conv", "--out", "x"], 2, "conv"),
        (["train", "sentiment", "--learning-rate", "0", "--out", "x"], 2, "learning_rate must be"),
        (["train", "sentiment", "--model", "sequence", "--direction", "down", "--out", "x"], 2, "no direction 'down'"),
        (["train", "sentiment", "--resume", "--out", "x"], 1, "recnn: x: there is no run to resume (no run.json)"),
        (["train", "other"], 2, "other"),
        (["evaluate", "nowhere", "test"], 1, "recnn: nowhere: no such folder, expected that of a model"),
        (["evaluate", ".", "test"], 1, "recnn: .: no model, for it has no model.json"),
        (["predict", "nowhere", "a"], 1, "recnn: nowhere: no such folder, expected that of a model"),
        (["predict", "nowhere"], 2, "give either sentences or --trees"),
        (["predict", "nowhere", "a", "--svg", "x", "--json"], 2, "does not go with --json"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, status, message):
    found, out, err = recnn(*arguments, cwd=tmp_path)
    assert (found, out) == (status, "")
    assert message in err
    assert "Traceback" not in err
    if status == 1:
        assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_evaluate_names_the_place_in_a_file(run, tmp_path):
    (tmp_path / "bad.txt").write_text("(3 (2 a) (9 b))")
    status, out, err = recnn("evaluate", run, tmp_path / "bad.txt")
    assert (status, out) == (1, "")
    assert err == f"recnn: {tmp_path}/bad.txt, line 1, column 11: the label '9' is none of 0, 1, 2, 3, 4\n"


def test_other_commands_import_nothing_of_training():
    code = "import sys, recnn.cli; print({'lightning', 'torchmetrics', 'matplotlib', 'safetensors'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
