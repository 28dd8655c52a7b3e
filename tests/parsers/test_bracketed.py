import nltk
import pytest
from hypothesis import given
from nltk import Tree

from parsers import (
    InputError,
    TreeError,
    binarise,
    brackets,
    constituents,
    shaped,
    tree_from_brackets,
    tree_from_productions,
    words_of,
)
from parsers.rules import productions
from tests.strategies import awkward_trees, deep_tree, sentences, trees


@given(trees())
def test_usual_trees_are_written_as_by_nltk(tree):
    assert brackets(tree) == " ".join(str(tree).split())
    assert Tree.fromstring(brackets(tree)) == tree_from_brackets(str(tree)) == tree


@given(awkward_trees())
def test_the_reader_is_the_inverse_of_the_writer(tree):
    text = brackets(tree)
    assert tree_from_brackets(text) == tree
    assert len(text.splitlines()) == 1
    text.encode()
    assert tree_from_brackets(text.replace(" ", "\t\r\n ")) == tree


@given(awkward_trees())
def test_nltk_reads_a_tree_of_the_same_shape(tree):
    read = Tree.fromstring(brackets(tree.copy(deep=True)).replace("\\(", "x").replace("\\)", "x"))
    assert productions(read, labelled=False) == productions(tree, labelled=False)


@given(trees(), sentences)
def test_unlabelled_phrases_keep_their_words(tree, words):
    for made in (
        binarise(tree, labelled=False),
        shaped(words),
        tree_from_productions(words_of(tree), productions(tree, False)),
    ):
        assert tree_from_brackets(brackets(made)) == made
        assert len(Tree.fromstring(brackets(made)).leaves()) == len(words_of(made))


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Tree("X", ["(", "a)"]), r"(X \x28 a\x29)"),
        (Tree("X", ["-LRB-", "1\\/2", "\\*"]), r"(X -LRB- 1\/2 \*)"),
        (Tree("X", ["a\\)b", "\\("]), r"(X a\)b \()"),
        (Tree("X", ["a\\"]), "(X a\\ )"),
        (Tree("X\\", ["a\\", "b"]), "(X\\ a\\ b)"),
        (Tree("X", ["New York", "a\u00a0b", "a\u2028b"]), r"(X New\x20York a\xa0b a\u2028b)"),
        (Tree("N P", ["a"]), r"(N\x20P a)"),
        (Tree("N(P)", ["a"]), r"(N\x28P\x29 a)"),
        (
            Tree("X", ["\\x28", "\\u0028", "\\x2", "\\empty", "a\\empty"]),
            r"(X \x5cx28 \x5cu0028 \x2 \x5cempty a\empty)",
        ),
        (Tree("X", ["", "a"]), r"(X \empty a)"),
        (Tree("", ["a", "b"]), r"(\empty a b)"),
        (Tree("", [Tree("A", ["a"]), "b"]), "( (A a) b)"),
        (Tree("", [Tree("A", ["a"])]), r"(\empty (A a))"),
        (Tree("S", [Tree("", [Tree("A", ["a"])])]), "(S ( (A a)))"),
        (Tree("S", [Tree("", ["a", Tree("A", ["b"])])]), r"(S (\empty a (A b)))"),
    ],
)
def test_what_is_written(tree, text):
    assert brackets(tree) == text
    assert tree_from_brackets(text) == tree


@pytest.mark.skipif(tuple(map(int, nltk.__version__.split(".")[:2])) < (3, 10), reason="NLTK 3.9 knows no escapes")
@pytest.mark.parametrize("text", [r"(X a\)b)", r"(X \( \))", r"(X \\) a)", r"(X\) a)", "(X a\\ )", r"(X 1\/2 \x)"])
def test_backslashes_are_read_as_by_nltk(text):
    assert tree_from_brackets(text) == Tree.fromstring(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected one tree in brackets, got 0"),
        ("(S a) (S b)", "expected one tree in brackets, got 2"),
        ("(S a\n(X b)", "line 1, column 1: this bracket is never closed"),
        ("(S a))", "line 1, column 6: ')' outside of any tree"),
        ("(S a)\n b", "line 2, column 2: 'b' outside of any tree"),
        ("(S (NP ) a)", "line 1, column 4: the phrase (NP) has no words"),
        (r"(S a\)", "line 1, column 1: this bracket is never closed"),
    ],
)
def test_malformed_brackets_say_where(text, problem):
    with pytest.raises(TreeError) as caught:
        tree_from_brackets(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (Tree("S", []), r"the phrase \(S\) has no words"),
        (Tree("S", ["a", Tree("NP", [])]), r"the phrase \(NP\) has no words \(before word 2\)"),
        (Tree("S", ["a", 7]), "word 2 is not a string: 7"),
        (Tree("S", ["a", ("b", "N")]), r"word 2 is not a string: \('b', 'N'\)"),
        (Tree("S", [Tree(None, ["a"])]), "the label None is not a string"),
        ("(S a)", "expected an nltk.Tree, got str"),
    ],
)
def test_what_cannot_be_written_is_refused(tree, problem):
    with pytest.raises(InputError, match=problem):
        brackets(tree)


def test_depth_is_no_limit():
    text = brackets(deep_tree(20_000))
    assert text.count("(") == 20_000
    assert len(constituents(tree_from_brackets(text))) == 20_001
