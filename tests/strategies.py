"""Random trees, forests and chains, shared by all tests."""

from hypothesis import strategies as st
from nltk import Tree

LABELS = ["S", "NP", "VP", "X"]
WORDS = ["the", "boy", "saw", "her", "duck", "a", "b"]


@st.composite
def trees(draw, max_arity=4, max_size=12):
    """Trees of mixed arity with unary chains, words with and without a part of speech, repeated labels and words."""
    label, word = st.sampled_from(LABELS), st.sampled_from(WORDS)
    leaves = st.one_of(word, st.builds(lambda tag, token: Tree(tag, [token]), label, word))
    phrase = st.recursive(
        leaves,
        lambda below: st.builds(Tree, label, st.lists(below, min_size=1, max_size=max_arity)),
        max_leaves=max_size,
    )
    tree = draw(phrase)
    return tree if isinstance(tree, Tree) else Tree(draw(label), [tree])


forests = st.lists(trees(), min_size=1, max_size=5)
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12)


def deep_tree(depth):
    """A chain of phrases with one word at the bottom."""
    tree = Tree("X", ["word"])
    for _ in range(depth - 1):
        tree = Tree("X", [tree])
    return tree
