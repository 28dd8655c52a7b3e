"""`recnn train parser`, and its folder as the parser of other commands."""

import json

import pytest

from parsers import tree_from_brackets
from tests.command_line import process, recnn

TREES = """(S (NP-SBJ (DT The) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (NN duck))) (. .))
( (S (NP (NNS ducks)) (VP (VBP fly) (NP (-NONE- *T*)))) )
(FRAG (NP (NP (NN duck)) (PP (IN in) (NP (NN pond)))))
(S (VP (VB Duck) (NP (PRP her)) (ADVP (RB now))))
"""
SMALL = ["--hidden-size", 20, "--input-size", 12, "--character-size", 6, "--spelling-size", 6, "--span-size", 16]
LEARN = ["--min-count", 1, "--epochs", 60, "--batch", 2, "--learning-rate", 0.02]
OFF = ["--layer-dropout", 0, "--dropout", 0, "--input-dropout", 0, "--word-dropout", 0, "--noise", 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parser")
    for part in ("train", "dev"):
        (folder / f"{part}.mrg").write_text(TREES)
    arguments = ["train", "parser", "--data", ".", "--out", "run", *SMALL, *LEARN, *OFF]
    status, out, err = process(*arguments, cwd=folder)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("best: epoch ")
    return folder


def test_its_folder_is_a_parser(folder):
    given = ["The boy saw her duck.", 'a "new" sentence (of zzzq)']
    for name in ("run", "run/best"):
        status, out, err = recnn("parse", "--json", "--parser", name, *given, cwd=folder)
        assert (status, err) == (0, "")
        first, second = map(json.loads, out.splitlines())
        assert first["tree"] == "(S (NP (DT The) (NN boy)) (VP (VBD saw) (NP (PRP$ her) (NN duck))) (. .))"
        assert (first["parser"], first["probability"]) == (name, None)
        words = ["a", '"', "new", '"', "sentence", "(", "of", "zzzq", ")"]
        assert tree_from_brackets(second["tree"]).leaves() == words
    status, out, err = recnn("parse", "--parser", "run", given[0], cwd=folder)
    assert (status, err) == (0, "")
    assert out.splitlines()[1] == "parse 0, parser run"


def test_it_is_scored_on_its_treebank(folder):
    status, out, err = recnn("parse", "--json", "--parser", "run", "--score", "dev.mrg", cwd=folder)
    assert (status, err) == (0, "")
    record = json.loads(out)["all"]
    assert (record["counts"]["sentences"], record["counts"]["unparsed"]) == (4, 0)
    assert (record["f1"], record["tag_accuracy"], record["exact_match"]) == (1, 1, 1)
    (folder / "other.mrg").write_text("(X (Y (DT The) (NN boy)) (Z (VBD saw)))")
    status, out, err = recnn("parse", "--json", "--parser", "run", "--score", "other.mrg", cwd=folder)
    assert (status, json.loads(out)["all"]["f1"]) == (0, 0)


def test_it_parses_the_sentences_of_a_model(folder):
    for part in ("train", "dev"):
        (folder / f"{part}.tsv").write_text("good\tThe boy saw her duck.\nbad\tducks fly\n")
    options = ["--data", ".", "--out", "labels", "--epochs", 1, "--input-size", 3, "--hidden-size", 2]
    status, _, err = recnn("train", "sentences", "--parser", "run", *options, cwd=folder)
    assert (status, err) == (0, "")
    stored = json.loads((folder / "labels" / "best" / "model.json").read_text())["config"]["parser"]
    assert stored == str(folder / "run")
    (folder / "elsewhere").mkdir()
    status, out, err = recnn("predict", "--json", "../labels", "The boy saw her duck.", cwd=folder / "elsewhere")
    assert (status, err) == (0, "")
    assert [4, 5] in [node["span"] for node in json.loads(out)["nodes"]]
    model = json.loads((folder / "labels" / "best" / "model.json").read_text())
    model["config"]["parser"] = str(folder / "gone")
    (folder / "labels" / "best" / "model.json").write_text(json.dumps(model))
    gone = f"recnn: parser {folder / 'gone'}: no such file or folder any more; give another parser\n"
    assert recnn("predict", "labels", "The boy", cwd=folder) == (1, "", gone)
    assert recnn("predict", "labels", "The boy", "--parser", "right", cwd=folder)[0] == 0


def test_a_treebank_that_is_not_there(tmp_path):
    status, out, err = recnn("train", "parser", "--data", tmp_path, "--out", tmp_path / "run")
    assert (status, out) == (1, "")
    assert err == (
        f"recnn: {tmp_path}: expected train, train.txt, train.mrg, train.ptb or train.brackets in this folder\n"
    )


def test_a_treebank_with_one_label(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.txt").write_text("(X (A a) (X (B b) (A c)))\n")
    found = recnn("train", "parser", "--data", tmp_path, "--out", tmp_path / "run", "--min-count", 1)
    assert found == (1, "", "recnn: all labels of the trees to train on are 'X', expected at least two\n")
