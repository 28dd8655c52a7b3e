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


# Labels and words with all that is special in brackets, in a file or on a terminal, and any other text.
_TOKENS = ["", "(", ")", "\\", "\\(", "a\\)", "-LRB-", "1\\/2", "8 1/2", "\\empty", "\\x28", "\\u3000", "\\x5cempty"]
_CHARACTERS = "()\\xu028ae'\" \t\n\r\0\x1b\x7f\x85\xa0\u2028\u2029\u202e\u3000\ud800\ufeff\uffffé"
awkward = st.one_of(
    st.sampled_from(_TOKENS),
    st.text(st.sampled_from(_CHARACTERS), max_size=8),
    st.text(st.characters(), max_size=8),
)


@st.composite
def awkward_trees(draw):
    """Trees with any labels and words, empty ones included."""
    below = st.one_of(awkward, st.builds(Tree, awkward, st.lists(awkward, min_size=1, max_size=3)))
    phrase = st.recursive(
        below, lambda inner: st.builds(Tree, awkward, st.lists(inner, min_size=1, max_size=3)), max_leaves=10
    )
    tree = draw(phrase)
    return tree if isinstance(tree, Tree) else Tree(draw(awkward), [tree])


forests = st.lists(trees(), min_size=1, max_size=5)
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12)


def deep_tree(depth):
    """A chain of phrases with one word at the bottom."""
    tree = Tree("X", ["word"])
    for _ in range(depth - 1):
        tree = Tree("X", [tree])
    return tree
