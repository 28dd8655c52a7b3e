"""`recnn predict`: a label for every node of sentences and trees."""

import json
import re
from xml.etree import ElementTree

import pytest
import torch
from nltk import Tree

import recnn as package
from corpora import bundled_sentiment
from parsers import brackets, constituents, words_of
from recnn.data.parsing import trees_over
from recnn.sklearn import SentenceRegressor
from tests.command_line import process, recnn

SENTENCE = "the plot is not very funny ."


def test_it_labels_every_node(run):
    status, out, err = process("predict", run, SENTENCE)
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line.endswith("not very funny")]
    assert len(out.strip().splitlines()) == 13
    assert recnn("predict", run, SENTENCE) == (0, out, "")
    status, out, err = recnn("predict", "--json", run, "-", stdin=SENTENCE + "\n")
    assert (status, err) == (0, "")
    found = json.loads(out)
    nodes = found["nodes"]
    assert found["words"] == SENTENCE.split()
    assert nodes[0]["words"] == SENTENCE.split()
    assert [node["words"] for node in nodes if node["span"] == [4, 6]] == [["not", "very", "funny"]]
    assert all(max(node["probabilities"], key=node["probabilities"].get) == node["label"] for node in nodes)
    assert all(sum(node["probabilities"].values()) == pytest.approx(1, abs=1e-5) for node in nodes)


def test_trees_and_pictures(run, tmp_path):
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
    status, out, err = recnn("predict", run, SENTENCE, "--picture", tmp_path / "tree.svg")
    assert (status, out, err) == (0, "", "")
    assert "<svg" in (tmp_path / "tree.svg").read_text()
    assert recnn("predict", run, "--trees", tmp_path / "trees.txt", "--picture", tmp_path / "x.svg")[0] == 0


def test_wide_nodes_are_halved_however_deep_they_are(run, tmp_path):
    tree = Tree("S", [Tree("A", ["a"]), "b", Tree("C", ["c", "d", "e"]), "f"])
    binary = Tree.fromstring("(S (A a) (x b (x (C c (x d e)) f)))")
    (tmp_path / "wide.txt").write_text(brackets(tree) + brackets(binary) + "(X (Y (Z a)) b)")
    wide, same, _ = map(json.loads, recnn("predict", "--json", run, "--trees", tmp_path / "wide.txt")[1].splitlines())
    assert wide["words"] == same["words"]
    for one, other in zip(wide["nodes"], same["nodes"], strict=True):
        assert one["span"] == other["span"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], rel=1e-5)  # computed in one batch
    (tmp_path / "deep.txt").write_text("(X " * 1500 + "(X a b c)" + " (Y d))" * 1500)
    status, out, err = recnn("predict", "--json", run, "--trees", tmp_path / "deep.txt")
    assert (status, err) == (0, "")
    assert len(json.loads(out)["nodes"]) == 3005


def test_what_is_printed_is_linear_in_the_tree(run, tmp_path):
    sizes = []
    for count in (400, 800):
        tree = Tree("S", ["word"] * count)  # halved, so as deep as it has words
        (tmp_path / "wide.txt").write_text(brackets(tree))
        found = recnn("predict", "--json", run, "--trees", tmp_path / "wide.txt")[1]
        assert json.loads(found)["words"] == tree.leaves()
        drawn = recnn("predict", run, "--trees", tmp_path / "wide.txt")[1].rstrip().splitlines()
        assert len(drawn) == len(json.loads(found)["nodes"])
        assert drawn[0].endswith("word " * 100 + "...")
        assert max(map(len, drawn)) < 1000
        assert drawn[99].startswith("    " * 49 + "├── ")
        assert drawn[199].startswith("    " * 99 + "├── ")
        assert drawn[201].startswith("    " * 100 + "level 101: ")
        assert re.fullmatch(rf" {{400}}level {count - 1}: \d \d+%  word", drawn[-1])
        sizes.append((len(found), sum(map(len, drawn))))
    assert all(second < 2.6 * first for first, second in zip(*sizes, strict=True))


def test_words_of_any_kind_are_printed_on_their_lines(run, tmp_path):
    words = ["a b", "\x1b[31m", "x\ny", "\u2028", "\x9b2J", "[bold]", "(", "", "\ud800"]
    (tmp_path / "odd.txt").write_text(brackets(Tree("S", words)))
    status, out, err = recnn("predict", run, "--trees", tmp_path / "odd.txt")
    assert (status, err) == (0, "")
    assert len(out.rstrip().splitlines()) == 2 * len(words) - 1
    assert out.splitlines()[0].endswith(r"a b \x1b[31m x\x0ay \u2028 \x9b2J [bold] (  \ud800")
    status, out, err = recnn("predict", run, "--json", "--trees", tmp_path / "odd.txt")
    assert json.loads(out)["words"] == words
    assert len(out.splitlines()) == 1
    assert not set("\x1b\x9b\u2028\ud800") & set(out)
    status, out, err = recnn("predict", run, "--trees", tmp_path / "odd.txt", "--picture", tmp_path / "odd.svg")
    assert (status, out, err) == (0, "", "")
    svg = ElementTree.fromstring((tmp_path / "odd.svg").read_text("utf-8"))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert r"\x1b[31m" in texts
    assert r"x\x0ay" in texts


def test_the_parser_is_that_of_the_model_or_the_one_given(run):
    (tree,) = trees_over(["a lovely film that nobody zzzq"], "english", 2)
    spans = [(c.start, c.end) for c in constituents(tree) if not isinstance(c.node, str)]
    status, out, err = recnn("predict", "--json", run, "a lovely film that nobody zzzq")
    assert (status, err) == (0, "")
    assert sorted(node["span"] for node in json.loads(out)["nodes"]) == sorted([*span] for span in spans)
    status, out, err = recnn("predict", "--json", run, "--parser", "left", "a lovely film")
    assert (status, err) == (0, "")
    assert [node["span"] for node in json.loads(out)["nodes"]] == [[1, 3], [1, 2], [3, 3], [1, 1], [2, 2]]


def test_a_sentence_without_a_parse(run):
    status, out, err = recnn("predict", "--json", run, "--parser", "duck", "a lovely film", "The boy saw her duck")
    assert status == 1
    assert json.loads(out)["sentence"] == "The boy saw her duck"
    assert err == "recnn: sentence 'a lovely film': the grammar has no word 'lovely' (word 2), 'film' (word 3)\n"


def test_bad_sentences_do_not_stop_the_good(run):
    status, out, err = recnn("predict", "--json", run, "", SENTENCE)
    assert status == 1
    assert json.loads(out)["sentence"] == SENTENCE
    assert len(err.splitlines()) == 1


def test_a_picture_of_any_number_of_trees_but_not_of_a_treebank(run, tmp_path):
    (tmp_path / "two.txt").write_text("(S (A a) (B b))\n(S (A c) (B d))\n")
    status, out, err = recnn("predict", run, "--trees", "two.txt", "--picture", "o.svg", cwd=tmp_path)
    assert (status, out, err) == (0, "", "")
    root = ElementTree.fromstring((tmp_path / "o.svg").read_text("utf-8"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in "abcd"] == ["a", "b", "c", "d"]
    status, out, err = recnn("predict", run, "--trees", "two.txt", "--picture", "none/o.svg", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert "none/o.svg" in err
    status, out, err = recnn("predict", run, "--trees", "two.txt", "--picture", "o.gif", cwd=tmp_path)
    assert err == "recnn: o.gif: expected a file name that ends in .svg, .html, .png or .pdf\n"
    (tmp_path / "many.txt").write_text("(S (A a) (B b))\n" * 101)
    status, out, err = recnn("predict", run, "--trees", "many.txt", "--picture", "many.svg", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err == "recnn: many.svg: expected at most 100 trees to draw\n"
    assert not (tmp_path / "many.svg").exists()


def test_a_regressor_of_scikit_learn_predicts_numbers(tmp_path):
    texts = ["a fine film", "a dull plot"]
    network = {"parser": "balanced", "hidden_size": 6, "input_size": 5, "epochs": 2, "random_state": 0}
    for name, y in (("one", [4.0, 2.0]), ("two", [[4.0, 1.0], [2.0, 3.0]])):
        regressor = SentenceRegressor(**network).fit(texts * 3, y * 3)
        regressor.model_.save(tmp_path / name)
        expected = regressor.predict(texts).reshape(2, -1)
        status, out, err = recnn("predict", tmp_path / name, *texts)
        assert (status, err) == (0, "")
        assert out.splitlines() == [
            " ".join(f"{number:.4g}" for number in row) + f"\t{text}" for row, text in zip(expected, texts, strict=True)
        ]
    status, out, err = recnn("predict", "--json", tmp_path / "two", *texts)
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["sentence"] for one in found] == texts
    assert [one["prediction"] for one in found] == [pytest.approx(row.tolist(), abs=1e-5) for row in expected]
    status, out, err = recnn("predict", tmp_path / "one", "a film", "")
    assert (status, len(out.splitlines()), err) == (1, 1, "recnn: sentence '': no words\n")
    assert recnn("predict", tmp_path / "one", "a film", "--picture", tmp_path / "film.svg")[0] == 2
    (tmp_path / "data.txt").write_text("4\ta film\n")
    status, out, err = recnn("evaluate", tmp_path / "one", tmp_path / "data.txt")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "got 'regression'" in err
