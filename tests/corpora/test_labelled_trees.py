"""Reading of labelled trees in every format, and the position of errors in malformed files."""

import re
from pathlib import Path

import pytest
from nltk import Tree

from corpora import CorpusError, read_labelled_trees
from parsers import GrammarError

FORMS = {
    "sst": ("(3 (2 the) (4 best))\n(1 no)\n", ["(3 (2 the) (4 best))", "(1 no)"]),
    "trees": ("(S (NP a)\n (VP b c))\n( (X d))", ["(S (NP a) (VP b c))", "(X d)"]),
    "listops": (
        "4\t[MIN 7 4 ]\n4\t( ( ( [MIN 7 ) 4 ) ] )\n8\t8\n",
        ["(4 ( ( ( [MIN) ( 7)) ( 4)) ( ]))", "(4 ( ( ( [MIN) ( 7)) ( 4)) ( ]))", "(8 8)"],
    ),
    "sentences": ("good\tA b c !\n\nvery bad\td\n", ["(good ( ( A) ( b)) ( ( c) ( !)))", "(very bad d)"]),
}


def flat(tree):
    return " ".join(str(tree).split())


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read(write, form):
    text, expected = FORMS[form]
    assert [flat(tree) for tree in read_labelled_trees(write(text), form)] == expected


def test_brackets_with_any_labels_are_the_default(write):
    assert list(read_labelled_trees(write("(ROOT (A b))"))) == [Tree("ROOT", [Tree("A", ["b"])])]


@pytest.mark.parametrize("shape", ["left", "right", "balanced"])
def test_a_shape_is_put_over_sentences_only(write, shape):
    right = {"left": "(x ( ( a) ( b)) ( c))", "right": "(x ( a) ( ( b) ( c)))", "balanced": "(x ( ( a) ( b)) ( c))"}
    (tree,) = read_labelled_trees(write("x\ta b c"), "sentences", shape)
    assert flat(tree) == right[shape]
    assert flat(*read_labelled_trees(write("(3 (2 a) (1 b))"), "sst", shape)) == "(3 (2 a) (1 b))"


@pytest.mark.parametrize(
    ("form", "text", "good", "message"),
    [
        ("sst", "(3 a)\n(5 b)", 1, "line 2, column 2: the label '5' is not one of 0, 1, 2, 3, 4"),
        ("sst", "(3 (2 a) (2 b) (2 c))", 0, "line 1, column 1: expected a word or two nodes below this one"),
        ("trees", "(S a)\n(S (NP b)", 1, "line 2, column 1: this bracket is never closed"),
        ("trees", "(S a))", 1, "line 1, column 6: ')' outside of any tree"),
        ("trees", "", 0, "line 1, column 1: no tree in this file"),
        (
            "listops",
            "4\t[MIN 7 4 ]\n5\t[MIN 7 4 ]",
            1,
            "line 2, column 1: expected the value of the expression, 4, found 5",
        ),
        ("listops", "4\t[TOP 7 4 ]", 0, "line 1, column 3: '[TOP' is not a digit, operator or bracket"),
        ("listops", "[MIN 7 4 ]", 0, "line 1, column 11: expected a value, a tab and an expression, found columns: 1"),
        ("sentences", "x\ta\n\nonly one column", 1, "line 3, column 16: expected a label, a tab and a sentence"),
        ("sentences", "\ta", 0, "line 1, column 1: an empty label"),
        ("sentences", "x\t ", 0, "line 1, column 3: an empty sentence"),
        ("sentences", "", 0, "line 1, column 1: no sentence in this file"),
    ],
)
def test_the_place_of_what_is_wrong_is_named(write, form, text, good, message):
    path = write(text)
    found = read_labelled_trees(path, form)
    assert all(isinstance(next(found), Tree) for _ in range(good))
    with pytest.raises(CorpusError, match=re.escape(f"{path}, {message}")):
        next(found)


def test_a_sentence_without_a_parse_is_named(write):
    path = write("x\tThe boy saw her duck\n\ny\tthe boy saw\n")
    found = read_labelled_trees(path, "sentences", "duck")
    assert next(found).label() == "x"
    message = f"{path}, line 3, column 3: parser duck: sentence 'the boy saw': no parse as S"
    with pytest.raises(CorpusError, match=re.escape(message)):
        next(found)


def test_sentences_get_the_trees_of_their_parser(write):
    path = write("x\tThe boy saw her duck")
    (tree,) = read_labelled_trees(path, "sentences", "duck")
    assert (tree.label(), tree[0].label(), tree[0].leaves()) == ("x", "", ["The", "boy"])
    with pytest.raises(GrammarError, match="no parser of that name"):
        list(read_labelled_trees(path, "sentences", "nosuch"))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_no_text_or_not_there(write, form, tmp_path):
    with pytest.raises(CorpusError, match=r"line 1, column 1: not UTF-8 text"):
        list(read_labelled_trees(write(b"\xff"), form))
    with pytest.raises(FileNotFoundError):
        list(read_labelled_trees(Path(tmp_path) / "nowhere", form))
