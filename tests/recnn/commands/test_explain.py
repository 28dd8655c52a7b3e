"""`recnn explain`: what it prints, against `recnn.explain`, and invalid input."""

import json

import pytest

import recnn as package
from corpora import bundled_sentiment
from parsers import brackets, shaped
from tests.command_line import recnn, unframed

SENTENCE = "the plot is not very funny ."


@pytest.mark.parametrize("method", ["occlusion", "gradient", "integrated_gradients"])
def test_it_prints_the_contributions_of_all_phrases(run, method):
    status, out, err = recnn("explain", run, SENTENCE, "--method", method, "--class", 4)
    assert (status, err) == (0, "")
    found = package.explain(package.load(run / "best"), SENTENCE, "4", method)
    head, *lines = out.strip().splitlines()
    assert head == f"log-odds of 4: {found.score:+.3f}; over unknown words {found.baseline:+.3f}"
    shown = sorted(line.lstrip("│├└─ ") for line in lines)
    rows = zip(found.contributions, found.phrases, strict=True)
    assert shown == sorted(f"{value:+.2f}  {phrase}" for value, phrase in rows)


def test_json_of_several_trees(run, tmp_path):
    trees = [tree for tree, _ in zip(bundled_sentiment("test"), range(2), strict=False)]
    (tmp_path / "trees.txt").write_text("".join(f"{brackets(tree)}\n" for tree in trees))
    status, out, err = recnn("explain", run, "--trees", tmp_path / "trees.txt", "--json")
    assert (status, err) == (0, "")
    model = package.load(run / "best")
    for tree, line in zip(trees, out.splitlines(), strict=True):
        found, expected = json.loads(line), package.explain(model, tree)
        assert (found["class"], found["method"], found["score"]) == (expected.target, "occlusion", expected.score)
        assert [node["contribution"] for node in found["nodes"]] == pytest.approx(expected.contributions)
        assert [" ".join(node["words"]) for node in found["nodes"]] == expected.phrases


def test_a_picture_and_a_phrase(run, tmp_path):
    status, out, err = recnn("explain", run, "a bad film", "--parser", "left", "--picture", tmp_path / "tree.svg")
    assert (status, out, err) == (0, "", "")
    picture = (tmp_path / "tree.svg").read_text("utf-8")
    found = package.explain(package.load(run / "best"), shaped(["a", "bad", "film"], "left"))
    assert all(f">{label}<" in picture for label in (f"{value:+.2f}" for value in found.contributions))
    status, out, err = recnn("explain", run, "a bad film", "bad", "--parser", "left", "--words", 1, 2, "--json")
    assert (status, err) == (1, "recnn: 'bad': no phrase spans (1, 2)\n")
    outside = json.loads(out)["nodes"][2]  # does not reach the phrase, as the network goes up
    assert (outside["span"], outside["contribution"]) == ([3, 3], pytest.approx(0, abs=1e-6))


WRONG = [
    (["a"], 1, "nowhere: no such folder"),
    (["a", "--method", "magic"], 2, "'magic' is not one of 'occlusion', 'gradient', 'integrated_gradients'"),
    ([], 2, "give either sentences or --trees"),
    (["a", "--picture", "x", "--json"], 2, "cannot be combined with --json"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), WRONG)
def test_what_is_wrong_is_said(arguments, status, message):
    found, out, err = recnn("explain", "nowhere", *arguments)
    assert (found, out) == (status, "")
    assert message in unframed(err)


def test_a_class_that_the_model_does_not_have(run):
    status, out, err = recnn("explain", run, "a film", "--class", "good")
    assert (status, out, err) == (1, "", "recnn: 'a film': no class 'good', expected one of 0, 1, 2, 3, 4\n")
