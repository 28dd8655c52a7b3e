"""Dependency trees on the command line: from files of heads to a child-sum model and its predictions."""

import json

import pytest
import torch

import recnn as package
from corpora import read_conllu, read_labelled_trees, read_tree_pairs
from recnn.models.config import PairConfig
from recnn.training.objectives.pairs import pair_dataset
from tests.command_line import recnn

torch.set_num_threads(1)
SMALL = ["--input-size", 4, "--hidden-size", 4, "--epochs", 1, "--out", "run"]
# The boy saw her duck; ducks slept; "well" depends on a word across others.
ROWS = [
    "The 2 det, boy 3 nsubj, saw 0 root, her 5 nmod, duck 3 obj",
    "ducks 2 nsubj, slept 0 root",
    "ducks 3 nsubj, a 4 det, saw 0 root, boy 3 obj, well 3 advmod, her 4 nmod",
]


def conllu(rows):
    text = ""
    for row in rows:
        for number, item in enumerate(row.split(", "), 1):
            word, head, relation = item.split()
            text += f"{number}\t{word}\t_\t_\t_\t_\t{head}\t{relation}\t_\t_\n"
        text += "\n"
    return text


def parents(folder, name, rows):
    columns = [[item.split() for item in row.split(", ")] for row in rows]
    for suffix, place in (("toks", 0), ("parents", 1), ("rels", 2)):
        lines = (" ".join(item[place] for item in items) for items in columns)
        (folder / f"{name}.{suffix}").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    for part, rows in (("train", ROWS), ("dev", ROWS[::-1])):
        (tmp_path / "data" / f"{part}.conllu").write_text(conllu(rows))
    return tmp_path


def done(*arguments, cwd):
    status, out, err = recnn(*arguments, cwd=cwd)
    assert (status, err) == (0, "")
    return out


def test_the_relations_of_words_from_a_file_to_predictions(data):
    done("train", "treebank", *SMALL, "--data", "data", "--arity", "sum", "--subwords", 50, cwd=data)
    model = package.load(data / "run" / "best")
    assert set(model.labels) == {"root", "nsubj", "obj", "det", "nmod", "advmod"}
    out = done("predict", "run", "--json", "--trees", "data/train.conllu", cwd=data)
    for line, sentence in zip(out.splitlines(), read_conllu(data / "data" / "train.conllu"), strict=True):
        tree, nodes = sentence.tree(), json.loads(line)["nodes"]
        (expected,) = model.probabilities([tree])
        found = torch.tensor([list(node["probabilities"].values()) for node in nodes])
        torch.testing.assert_close(found, expected)
        words = json.loads(line)["words"]
        assert sorted(words[node["position"] - 1] for node in nodes) == sorted(sentence.words)
    found = json.loads(done("evaluate", "run", "dev", "--json", cwd=data))
    assert found["all"]["counts"] == {"fine": sum(row.count(",") + 1 for row in ROWS)}
    drawn = done("predict", "run", "--trees", "data/dev.conllu", cwd=data).split("\n\n")[0].splitlines()
    assert [line.split("  ")[-1] for line in drawn] == ["saw", "ducks", "boy", "a", "her", "well"]


def test_the_files_of_heads_are_those_of_conllu(data):
    done("train", "treebank", *SMALL, "--data", "data", "--arity", "sum", cwd=data)
    parents(data / "data", "same", ROWS)
    first, second = (
        done("predict", "run", "--json", "--trees", f"data/{name}", cwd=data)
        for name in ("train.conllu", "same.parents")
    )
    assert first == second


def test_a_picture_has_the_words_in_their_order(data):
    done("train", "treebank", *SMALL, "--data", "data", "--arity", "sum", cwd=data)
    (data / "one.conllu").write_text(conllu(ROWS[:1]))
    done("predict", "run", "--trees", "one.conllu", "--picture", "one.svg", cwd=data)
    picture = (data / "one.svg").read_text()
    places = [picture.index(f">{word}<") for word in ("The", "boy", "saw", "her", "duck")]
    assert places == sorted(places)


def test_states_of_dependency_trees(data):
    out = done("encode", "--trees", "data/train.conllu", "--json", cwd=data).splitlines()
    assert [len(json.loads(line)["nodes"]) for line in out] == [5, 2, 6]


def test_what_a_dependency_tree_cannot(data):
    for arguments, message in (
        (["--arity", 2], "'saw' has 3 dependents, but --arity is 2: train with --arity sum"),
        (
            ["--arity", "sum", "--binarise", "left"],
            "tree 1: only trees of phrases can be transformed, not dependency trees",
        ),
    ):
        status, out, err = recnn("train", "treebank", *SMALL, "--data", "data", *arguments, cwd=data)
        assert (status, out) == (1, "")
        assert err.endswith(f"{message}\n")


def test_the_autoencoder_takes_phrases_only(data):
    for part in ("train", "dev"):
        (data / "data" / f"{part}.conllu").write_text(conllu(ROWS[:1]))
    status, out, err = recnn("train", "autoencoder", "--hidden-size", 4, "--data", "data", "--out", "run", cwd=data)
    assert (status, out) == (1, "")
    assert err == "recnn: expected trees of phrases, whose words are leaves, got dependency trees\n"


def test_labels_of_sentences_with_given_trees(data):
    for part in ("train", "dev"):
        (data / "data" / f"{part}.labels").write_text("good\nbad\ngood\n")
    done("train", "sentences", *SMALL, "--data", "data", "--arity", "sum", cwd=data)
    model = package.load(data / "run" / "best")
    assert model.config.labels == ("good", "bad")
    found = json.loads(done("evaluate", "run", "data/dev.conllu", "--json", cwd=data))
    assert found["all"] == found["roots"]
    assert found["roots"]["counts"] == {"fine": 3}
    trees = list(read_labelled_trees(data / "data" / "dev.conllu", "sentences"))
    assert [tree.label() for tree in trees] == ["good", "bad", "good"]


@pytest.mark.parametrize("form", ["conllu", "parents"])
@pytest.mark.parametrize("task", ["relatedness", "entailment"])
def test_pairs_with_given_trees(tmp_path, task, form):
    for part in ("train", "dev"):
        (folder := tmp_path / "data" / part).mkdir(parents=True)
        for name, rows in (("a", ROWS), ("b", ROWS[::-1])):
            if form == "conllu":
                (folder / f"{name}.conllu").write_text(conllu(rows))
            else:
                parents(folder, name, rows)
        (folder / "sim.txt").write_text("4.5\n1\n3.25\n")
        (folder / "ent.txt").write_text("NEUTRAL\nENTAILMENT\nCONTRADICTION\n")
    done("train", task, *SMALL, "--data", "data", "--arity", "sum", cwd=tmp_path)
    model = package.load(tmp_path / "run" / "best")
    found = json.loads(done("evaluate", "run", "data/dev", "--json", cwd=tmp_path))
    assert found["count"] == 3
    pairs = list(read_tree_pairs(tmp_path / "data" / "dev", task))
    data = pair_dataset(pairs, model.config, model.vocabulary)
    assert data.sizes == [5 + 6, 2 + 2, 6 + 5]  # one node for each word
    answers = model.answers(data[[0, 1, 2]].forest)
    if task == "relatedness":
        expected = ((answers - torch.tensor([4.5, 1, 3.25])) ** 2).mean()
        assert found["squared_error"] == pytest.approx(float(expected), rel=1e-4)
    narrow = recnn("train", task, *SMALL, "--data", "data", "--out", "other", cwd=tmp_path)
    assert narrow[0] == 1
    assert narrow[2].endswith("dependents, but --arity is 2: train with --arity sum\n")
    assert isinstance(model.config, PairConfig)
