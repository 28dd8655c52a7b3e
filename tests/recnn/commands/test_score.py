"""`recnn parse --score`, and the options that transform trees."""

import json

import pytest

from tests.command_line import recnn, unframed

GRAMMAR = "S -> NP VP\nNP -> Det N\nVP -> V NP | V S2\nS2 -> NP VP\nDet -> 'the' | 'a'\nN -> 'boy' | 'duck'\nV -> 'saw'"
TREES = """( (S (NP-SBJ (Det The) (N boy)) (VP (V saw) (NP (Det a) (N duck))) (. .)) )
(S (NP (Det the) (N boy)) (VP (V saw) (NP (Det the)
  (N cat))))
(S (X (NP (Det the) (N duck)) (V saw)) (NP (NP (Det the) (N boy)) (SBAR (-NONE- 0))))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "gold.mrg"
    path.write_text(TREES)
    return path


def test_a_grammar_is_scored(file):
    status, out, err = recnn("parse", "--parser", GRAMMAR, "--score", file, "--json")
    assert (status, err) == (0, "")
    record = json.loads(out)["all"]
    assert record["counts"]["sentences"] == 3
    assert record["counts"]["unparsed"] == 1  # the cat
    # By hand: 4 + 4 + 5 gold brackets; S NP VP NP are right in the first, S NP NP of the third, whose VP crosses X.
    assert [record["counts"][name] for name in ("gold", "predicted", "matched", "crossing")] == [13, 8, 7, 1]
    assert record["precision"] == 7 / 8
    assert record["labels"]["VP"] == {"gold": 2, "predicted": 2, "matched": 1}
    assert record["tag_accuracy"] == 10 / 15
    status, out, err = recnn("parse", "--parser", GRAMMAR, "--score", file)
    assert (status, err) == (0, "")
    rows = {" ".join(line.split()) for line in out.splitlines()}
    assert {"sentences 3 3", "unparsed 1 1", "labelled precision 87.50 87.50", "labelled recall 53.85 53.85"} <= rows
    assert "VP 2 2 1 50.00 50.00 50.00" in rows


def test_wrong_uses_of_score(file, tmp_path):
    for arguments in (["the boy"], ["--all"], ["--limit", 2], ["--tokens"], ["--picture", "tree.svg"]):
        status, out, err = recnn("parse", "--score", file, *arguments)
        assert (status, out) == (2, "")
        assert "it takes no sentences, --all, --limit, --tokens or --picture" in unframed(err)
    (tmp_path / "broken").write_text("(S (NP a)")
    status, out, err = recnn("parse", "--score", tmp_path / "broken")
    assert (status, out) == (1, "")
    assert "broken, line 1, column 1: this bracket is never closed" in err


RAW = "(S (NP-SBJ-1 (N boy)) (VP (V saw) (S (NP (-NONE- *)) (VP (V go))) (X home) (. .)))\n"


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ([], "S NP-SBJ-1 VP N V S X . NP VP -NONE- V"),
        (["--without-traces", "--without-functions"], "S NP VP N V S X . VP V"),
        (["--without-traces", "--collapse-unaries"], "S NP-SBJ-1 VP N V S+VP X . V"),
        (["--without-traces", "--collapse-unaries", "--binarise", "right"], "S NP-SBJ-1 VP N V _ S+VP _ V X ."),
        (["--without-traces", "--collapse-unaries", "--binarise", "left"], "S NP-SBJ-1 VP N _ . _ X V S+VP V"),
    ],
)
def test_trees_are_transformed_before_they_are_encoded(tmp_path, options, labels):
    (tmp_path / "trees.mrg").write_text(RAW)
    status, out, err = recnn("encode", "--json", "--hidden-size", 2, "--trees", tmp_path / "trees.mrg", *options)
    assert (status, err) == (0, "")
    assert [node["label"] or "_" for node in json.loads(out)["nodes"] if node["label"] is not None] == labels.split()


def test_options_of_trees_are_not_for_sentences(tmp_path):
    status, out, err = recnn("encode", "--binarise", "head", "The boy saw her duck")
    assert (status, out) == (2, "")
    assert "with --trees FILE only" in unframed(err)
    (tmp_path / "trees.mrg").write_text("(S a)\n(S (-NONE- *))")
    status, out, err = recnn("encode", "--without-traces", "--trees", tmp_path / "trees.mrg")
    assert (status, out) == (1, "")
    assert "trees.mrg, tree 2: the tree (S) has empty elements only" in err


def test_a_treebank_is_transformed_before_training(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.txt").write_text(RAW * 3)
    options = ["--without-traces", "--without-functions", "--collapse-unaries", "--binarise", "head"]
    small = ["--input-size", 3, "--hidden-size", 2, "--epochs", 1, "--data", tmp_path, "--out", tmp_path / "run"]
    status, _, err = recnn("train", "treebank", *small, *options)
    assert (status, err) == (0, "")
    config = json.loads((tmp_path / "run" / "best" / "model.json").read_text())
    assert sorted(config["config"]["labels"]) == [".", "N", "NP", "S", "S+VP", "V", "VP", "X"]
