from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers import TreeError, constituents, shaped, words_of
from tests.strategies import sentences, trees


@given(trees())
def test_words_are_nltks(tree):
    assert words_of(tree) == tree.leaves()


SHAPES = ["right", "left", "balanced"]


@given(sentences, st.sampled_from(SHAPES), st.sampled_from(["", "S"]))
def test_a_shape_is_a_binary_tree_over_the_same_words(words, shape, label):
    tree = shaped(words, shape, label)
    assert words_of(tree) == words
    assert tree.label() == label
    nodes = [c.node for c in constituents(tree) if isinstance(c.node, Tree)]
    assert len(nodes) == 2 * len(words) - 1
    assert all(not node.label() for node in nodes[1:])
    for node in nodes:
        kinds = [isinstance(child, Tree) for child in node]
        assert kinds in ([False], [True, True])
    # In a right- or left-branching tree, one child of every inner node is a word.
    sides = {"right": 0, "left": 1}
    if shape in sides:
        assert all(len(node[sides[shape]]) == 1 for node in nodes if len(node) == 2)


@given(st.integers(1, 300))
def test_a_balanced_tree_is_as_low_as_can_be(length):
    assert shaped(["a"] * length).height() - 2 == ceil(log2(length))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_sentence_has_a_shape_and_none_has_none(shape):
    assert len(words_of(shaped(["a"] * 3000, shape))) == 3000
    with pytest.raises(TreeError, match="expected at least one word to make a tree of, got none"):
        shaped([], shape)
