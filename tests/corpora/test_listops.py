import re
from collections import Counter
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree

import recnn
from corpora import Expression, generate_listops, listops_tokens, listops_tree, parse_listops, read_listops
from corpora.listops import value_of
from parsers import TreeError, brackets, constituents, words_of
from tests.strategies import deep_tree

digits = st.sampled_from("0123456789")
operators = st.sampled_from(["MIN", "MAX", "MED", "SM"])
operations = st.recursive(
    st.builds(Tree, operators, st.lists(digits, min_size=1, max_size=5)),
    lambda below: st.builds(Tree, operators, st.lists(st.one_of(digits, below), min_size=1, max_size=5)),
)
expressions = st.one_of(operations, st.builds(lambda digit: Tree("DIGIT", [digit]), digits))


def published(tree):
    """Text of the binary tree of an expression, computed with nested pairs as in the paper's program."""

    def pairs(node):
        if isinstance(node, str):
            return node
        result = f"[{node.label()}"
        for child in [*map(pairs, node), "]"]:
            result = (result, child)
        return result

    def text(pair):
        return pair if isinstance(pair, str) else f"( {text(pair[0])} {text(pair[1])} )"

    return text(tree[0] if tree.label() == "DIGIT" else pairs(tree))


def value(node):
    if isinstance(node, str):
        return int(node)
    values = [value(child) for child in node]
    sums = {"MIN": min, "MAX": max, "MED": lambda v: int(np.median(v)), "SM": lambda v: np.sum(v) % 10, "DIGIT": min}
    return int(sums[node.label()](values))


@settings(deadline=None)
@given(st.lists(expressions, min_size=1, max_size=4))
def test_expressions_survive_a_file(tmp_path_factory, trees):
    path = tmp_path_factory.mktemp("listops") / "file.tsv"
    for binary in (True, False):
        texts = [" ".join(listops_tokens(tree, binary)) for tree in trees]
        path.write_text("".join(f"{value(tree)}\t{text}\n" for tree, text in zip(trees, texts, strict=True)))
        assert list(read_listops(path)) == [Expression(tree, value(tree)) for tree in trees]
        if binary:
            assert texts == [published(tree) for tree in trees]


@settings(deadline=None)
@given(operations, st.data())
def test_a_bracket_out_of_place_is_found_where_it_is(tmp_path_factory, tree, data):
    tokens = listops_tokens(tree)
    place = data.draw(st.sampled_from([i for i, token in enumerate(tokens) if token in "()"]))
    path = tmp_path_factory.mktemp("listops") / "file.tsv"
    del tokens[place]
    path.write_text(f"{value(tree)}\t{' '.join(tokens)}\n")
    with pytest.raises(ValueError, match=r"line 1, column \d+: (expected '[()]'|'\)' after)"):
        list(read_listops(path))


@settings(deadline=None)
@given(expressions)
def test_the_binary_tree_has_the_tokens_as_words_and_the_values_as_labels(tree):
    binary = listops_tree(tree)
    words = words_of(binary)
    assert words == listops_tokens(tree, binary=False)
    assert parse_listops(" ".join(words)) == parse_listops(" ".join(listops_tokens(tree))) == tree
    values = []  # of all operations, in the order of their opening brackets
    for c in constituents(tree):
        if isinstance(c.node, Tree):
            values.append(str(value_of(c.node)))
    labelled = [c.node for c in constituents(binary) if isinstance(c.node, Tree) and c.node.label()]
    assert [node.label() for node in labelled] == values
    for c in constituents(binary):
        if isinstance(c.node, Tree):
            assert len(c.node) == (1 if isinstance(c.node[0], str) else 2)
    if tree.label() != "DIGIT":
        for c in constituents(binary):
            if isinstance(c.node, Tree) and len(c.node) == 2 and c.node.label():
                assert c.node[1] == Tree("", ["]"])


@settings(deadline=None)
@given(expressions)
def test_the_binary_tree_is_the_published_one(tree):
    def text(node):
        if isinstance(node[0], str):
            return node[0]
        return f"( {text(node[0])} {text(node[1])} )"

    assert text(listops_tree(tree)) == published(tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'', column 1: no expression"),
        ("[MAX 1", "'[MAX 1', column 1: the operator MAX is never closed"),
        ("1 2", "'1 2', column 3: '2' after the end of the expression"),
        ("[MAX ]", "'[MAX ]', column 6: the operator MAX has no arguments"),
        ("[max 1 ]", "'[max 1 ]', column 1: '[max' is not a digit, operator or bracket"),
    ],
)
def test_a_text_that_is_no_expression(text, message):
    with pytest.raises(TreeError, match=re.escape(message)):
        parse_listops(text)


def test_the_papers_example():
    assert value_of(Tree.fromstring("(MAX 2 9 (MIN 4 7) 0)")) == 9
    assert value_of(Tree.fromstring("(MED 1 2)")) == 1
    assert value_of(Tree.fromstring("(SM 9 9 (MED 3 8 7))")) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(MAX 1 (TOP 2 3))", "the label 'TOP' is not an operator (at word 2)"),
        ("(MAX 1 (MIN 2 x))", "word 3, 'x', is not a digit"),
        ("(MAX 1 (DIGIT 2))", "the label 'DIGIT' is not an operator (at word 2)"),
        ("(MAX 1 12)", "word 2, '12', is not a digit"),
    ],
)
def test_what_is_no_expression(text, message):
    with pytest.raises(TreeError, match=re.escape(message)):
        value_of(Tree.fromstring(text))


def test_depth_is_no_limit(write):
    tree = deep_tree(50_000)
    for constituent in constituents(tree):
        if isinstance(constituent.node, Tree):
            constituent.node.set_label("SM")
            constituent.node[-1:] = ["7"] if isinstance(constituent.node[0], str) else constituent.node[-1:]
    (read,) = read_listops(write("7\t" + " ".join(listops_tokens(tree))))
    assert brackets(read.tree) == brackets(tree)
    assert words_of(listops_tree(tree)) == listops_tokens(tree, binary=False)


def test_the_same_seed_gives_the_same():
    first = list(generate_listops(50, seed=3))
    assert first == list(generate_listops(50, seed=3))
    assert first != list(generate_listops(50, seed=4))
    assert len({brackets(tree) for tree, _ in first}) == 50
    assert all(value(tree) == number for tree, number in first)
    # These must not change with the version of Python.
    short = [
        " ".join(listops_tokens(tree, binary=False))
        for tree, _ in generate_listops(3, seed=1, min_length=4, max_length=16)
    ]
    assert short == ["[MAX 9 8 3 8 ]", "[SM [MED 3 5 5 4 ] [MIN 5 1 9 5 ] 2 ]", "[SM [MED 3 6 4 ] [MIN 8 7 ] 2 6 ]"]


def test_depth_and_length_are_kept():
    for tree, _ in generate_listops(200, seed=0, max_depth=4, max_args=3, min_length=6, max_length=14):
        assert 6 <= len(listops_tokens(tree, binary=False)) <= 14
        found = constituents(tree)
        depth = [0] * len(found)
        for index, constituent in enumerate(found):
            depth[index] = depth[constituent.parent] + 1 if index else 1
            if isinstance(constituent.node, Tree):
                assert 2 <= len(constituent.node) <= 3
        assert max(depth) <= 4


def test_operators_and_their_arguments_are_drawn_evenly():
    trees = [tree for tree, _ in generate_listops(4_000, seed=2)]
    found = [
        c.node for tree in trees for c in constituents(tree) if isinstance(c.node, Tree) and c.node.label() != "DIGIT"
    ]
    n = len(found)
    for counts in (Counter(node.label() for node in found), Counter(map(len, found))):
        assert len(counts) == 4
        # Five standard deviations, and a tolerance: without repetitions, small operators are less frequent.
        assert all(abs(count - n / 4) < 5 * (n * 3 / 16) ** 0.5 + n / 50 for count in counts.values())
    deep = [isinstance(c, Tree) for tree in trees for node in tree for c in node if isinstance(node, Tree)]
    assert mean(deep) == pytest.approx(0.25, abs=0.02)


def test_all_expressions_there_are_and_no_more():
    digits = generate_listops(11, seed=0, max_depth=1)
    assert sorted(next(digits).value for _ in range(10)) == list(range(10))
    with pytest.raises(
        ValueError, match="found 10 of 11 expressions: 10,000 more draws gave no new one of the required length"
    ):
        next(digits)


@pytest.mark.parametrize("wrong", [{"max_depth": 0}, {"max_args": 1}, {"operator_probability": 1.5}, {"count": -1}])
def test_impossible_arguments_are_refused_at_once(wrong):
    with pytest.raises(ValueError, match="expected count >= 0, max_depth >= 1"):
        generate_listops(**{"count": 1, "seed": 0, **wrong})


def test_a_graph_has_digits_at_the_leaves_and_operators_as_labels():
    graph = recnn.tree_to_graph(Tree.fromstring("(MAX 2 (MIN 4 7) 0)"))
    assert graph.num_nodes() == 6
    assert list(graph.labels) == ["MAX", "MIN"]
    assert list(graph.vocabulary) == ["2", "0", "4", "7"]


def test_the_published_file(data):
    path = data / "listops" / "test_d20s.tsv"
    with open(path, encoding="ascii") as file:
        count = 0
        for (tree, number), line in zip(read_listops(path), file, strict=True):
            assert line == f"{number}\t{' '.join(listops_tokens(tree))}\n"
            count += 1
    assert count == 10_000
