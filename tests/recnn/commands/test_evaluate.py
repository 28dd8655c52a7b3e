"""`recnn evaluate`: its counts, against the predictions of the model, and its tables."""

import json
import shutil

import pytest

import recnn as package
from corpora import SENTIMENTS, bundled_sentiment
from parsers import brackets, words_of
from tests.command_line import process, recnn, unframed


def test_it_counts_what_the_model_says(run):
    status, out, err = process("evaluate", "--json", run, "test")
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
        # Rounding differs between batches and may change the prediction at a node or two.
        for name, share in answer.items():
            assert found[place][name] == pytest.approx(share, abs=2 / len(polar))
        assert found[place]["counts"] == {"fine": len(rows), "binary": len(polar)}
        assert sum(map(sum, found[place]["confusion"])) == len(rows)


def test_it_shows_intervals_and_confusion(run):
    status, out, err = recnn("evaluate", run / "best", "dev", "--by-length")
    assert (status, err) == (0, "")
    assert "fine-grained" in out
    assert "Socher 2013" in out
    assert "of 200" in out
    assert out.count("target, predicted") == 2
    assert "21..50" in out


def test_a_run_of_version_0_1_is_evaluated_alike(run, tmp_path):
    """Its run.json has the settings of the training by another name."""
    old = shutil.copytree(run, tmp_path / "old")
    settings = json.loads((old / "run.json").read_text())
    settings["options"] = settings.pop("training")
    (old / "run.json").write_text(json.dumps(settings))
    assert recnn("evaluate", "--json", old, "dev") == recnn("evaluate", "--json", run, "dev")


def test_lengths_part_the_roots(run, tmp_path):
    trees = list(bundled_sentiment("dev"))
    status, out, _ = recnn("evaluate", "--json", "--by-length", run, "dev")
    assert status == 0
    found = json.loads(out)
    total = 0
    for name, share in found["by_length"].items():
        low, high = map(int, name.split(".."))
        part = [tree for tree in trees if low <= len(words_of(tree)) <= high]
        (tmp_path / "part.txt").write_text("".join(f"{brackets(tree)}\n" for tree in part))
        roots = json.loads(recnn("evaluate", "--json", run, tmp_path / "part.txt")[1])["roots"]
        assert roots["fine"] == share
        total += roots["counts"]["fine"]
    assert total == len(trees) == found["roots"]["counts"]["fine"]


def test_the_place_in_a_file_is_named(run, tmp_path):
    (tmp_path / "bad.txt").write_text("(3 (2 a) (9 b))")
    status, out, err = recnn("evaluate", run, tmp_path / "bad.txt")
    assert (status, out) == (1, "")
    assert err == f"recnn: {tmp_path}/bad.txt, line 1, column 11: the label '9' is not one of 0, 1, 2, 3, 4\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["evaluate", "nowhere", "test"], 1, "recnn: nowhere: no such folder, expected the folder of a model"),
        (["evaluate", ".", "test"], 1, "recnn: .: not the folder of a model, model.json"),
        (["predict", "nowhere", "a"], 1, "recnn: nowhere: no such folder, expected the folder of a model"),
        (["predict", "nowhere"], 2, "give either sentences, --trees FILE or --pairs FILE"),
        (["predict", "nowhere", "a", "--picture", "x", "--json"], 2, "cannot be combined with --json"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, status, message):
    found, out, err = recnn(*arguments, cwd=tmp_path)
    assert (found, out) == (status, "")
    assert message in unframed(err)
    assert status == 2 or len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
