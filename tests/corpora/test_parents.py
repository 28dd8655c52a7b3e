"""Dependency trees as lines of heads: the same as in CoNLL-U, and errors with their place."""

import pytest
from hypothesis import given

from corpora import CorpusError, read_conllu, read_labelled_trees, read_parents, read_tree_pairs
from corpora.conllu import Dependencies
from parsers import brackets
from parsers import tree_from_dependencies as made
from tests.corpora.test_conllu import conllu, sentences


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")
    return folder


@given(sentence=sentences())
def test_the_heads_are_those_of_conllu(tmp_path_factory, sentence):
    words = [word.replace(" ", "_") for word in sentence.words]
    sentence = Dependencies(tuple(words), *sentence[1:])
    folder = write(
        tmp_path_factory.mktemp("parents"),
        a__toks=" ".join(words) + "\n",
        a__parents=" ".join(map(str, sentence.heads)) + "\n",
        a__rels=" ".join(sentence.relations) + "\n",
        a__conllu=conllu(sentence),
    )
    (found,), (expected,) = read_parents(folder / "a.parents"), read_conllu(folder / "a.conllu")
    assert found[:3] == expected[:3]
    (folder / "a.rels").unlink()
    (found,) = read_parents(folder / "a.parents")
    assert found[:3] == (*expected[:2], ("",) * len(words))


def test_words_outside_of_the_tree_are_left_out(tmp_path):
    write(tmp_path, a__toks="` the boy , slept .\nno\n", a__parents="-1 3 5 -1 0 -1\n0\n", a__rels="_ d n _ r _\nr\n")
    first, second = read_parents(tmp_path / "a.parents")
    assert first[:3] == (("the", "boy", "slept"), (2, 3, 0), ("d", "n", "r"))
    assert second.words == ("no",)


GOOD = {"a__toks": "a b\n", "a__parents": "2 0\n"}
CASES = [
    ({"a__parents": "2 0 3\n"}, "parents", (1, 6), "expected an entry for each of 2 words, found 3"),
    ({"a__rels": "x\n"}, "rels", (1, 2), "expected an entry for each of 2 words, found 1"),
    ({"a__toks": "\n"}, "toks", (1, 1), "a sentence without words"),
    ({"a__parents": "2 0\n1 0\n"}, "toks", (2, 1), "no line for this sentence, which other files have"),
    ({"a__parents": "2 x\n"}, "parents", (1, 3), "the head 'x' is not a number"),
    ({"a__parents": "2 -2\n"}, "parents", (1, 3), "the head '-2' is not a number"),
    ({"a__parents": "3 0\n"}, "parents", (1, 1), "the head 3 is beyond the last word, 2"),
    ({"a__toks": "a , b\n", "a__parents": "0 -1 2\n"}, "parents", (1, 6), "the head 2 is not in the tree"),
    ({"a__parents": "-1 -1\n"}, "parents", (1, 1), "no word is in the tree"),
    ({"a__parents": "0 0\n"}, "parents", (1, 3), "'b' is a second root"),
    ({"a__toks": ", a b\n", "a__parents": "-1 3 2\n"}, "parents", (1, 4), "the heads form a cycle through 'a'"),
    ({"a__toks": "", "a__parents": ""}, "parents", (1, 1), "no sentence in this file"),
]


@pytest.mark.parametrize(("files", "suffix", "place", "problem"), CASES, ids=range(len(CASES)))
def test_malformed_files_say_where(tmp_path, files, suffix, place, problem):
    write(tmp_path, **GOOD | files)
    with pytest.raises(CorpusError) as caught:
        list(read_parents(tmp_path / "a.parents"))
    assert str(caught.value) == f"{tmp_path / 'a'}.{suffix}, line {place[0]}, column {place[1]}: {problem}"


def test_missing_words_are_an_oserror(tmp_path):
    write(tmp_path, a__parents="0\n")
    with pytest.raises(FileNotFoundError, match=r"a\.toks"):
        list(read_parents(tmp_path / "a.parents"))


def test_labels_of_sentences(tmp_path):
    write(
        tmp_path, a__toks="so good\nbad\n", a__parents="2 0\n0\n", a__rels="adv root\nroot\n", a__labels="1\nno way\n"
    )
    path = tmp_path / "a.parents"
    assert list(map(brackets, read_labelled_trees(path))) == ["(root (adv so) good)", "(root bad)"]
    assert list(map(brackets, read_labelled_trees(path, "sentences"))) == [r"(1 (\empty so) good)", r"(no\x20way bad)"]
    for labels, line, problem in (
        ("1\n", 2, "expected the label of sentence 2"),
        ("1\n \n", 2, "expected the label of sentence 2"),
        ("1\n2\n3\n", 3, "expected 2 labels, one for each sentence"),
    ):
        write(tmp_path, a__labels=labels)
        with pytest.raises(CorpusError) as caught:
            list(read_labelled_trees(path, "sentences"))
        assert str(caught.value) == f"{tmp_path / 'a.labels'}, line {line}, column 1: {problem}"


PAIR = {"a__toks": "a b\nc\n", "a__parents": "2 0\n0\n", "b__toks": "d\ne f\n", "b__parents": "0\n0 1\n"}


def test_pairs_of_trees(tmp_path):
    write(tmp_path, **PAIR, sim__txt="4.5\n1\n", ent__txt="NEUTRAL\nENTAILMENT\n")
    first, second = read_tree_pairs(tmp_path)
    assert (first.first, first.second) == (made(["a", "b"], [2, 0]), made(["d"], [0]))
    assert (second.first, second.second) == (made(["c"], [0]), made(["e", "f"], [0, 1]))
    assert [first.relatedness, second.relatedness] == [4.5, 1]
    assert [pair.entailment for pair in read_tree_pairs(tmp_path, "entailment")] == ["NEUTRAL", "ENTAILMENT"]
    for name, text, place, problem in (
        ("sim", "4.5\n6\n", "sim.txt, line 2, column 1", "expected a relatedness from 1 to 5, found 6"),
        ("sim", "4.5\n", "sim.txt, line 2, column 1", "nothing for the pair 2, which other files have"),
        ("sim", "4.5\n1\n2\n", "a.parents, line 3, column 1", "nothing for the pair 3, which other files have"),
        (
            "ent",
            "NO\n",
            "ent.txt, line 1, column 1",
            "the entailment 'NO' is not one of CONTRADICTION, NEUTRAL, ENTAILMENT",
        ),
    ):
        write(tmp_path, **{f"{name}__txt": text})
        with pytest.raises(CorpusError) as caught:
            list(read_tree_pairs(tmp_path, "entailment" if name == "ent" else "relatedness"))
        assert str(caught.value) == f"{tmp_path}/{place}: {problem}"
