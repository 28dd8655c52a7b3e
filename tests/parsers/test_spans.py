"""Trees as labelled spans, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from parsers.errors import TreeError
from parsers.spans import Span, spans_of, tree_of
from parsers.trees import constituents

LABELS = st.sampled_from(["S", "NP", "VP", "PP"])
TAGGED = st.builds(lambda tag, word: Tree(tag, [word]), st.sampled_from(["NN", "VB"]), st.sampled_from("abc"))
TREES = st.builds(
    lambda label, child: Tree(label, [child]),
    LABELS,
    st.recursive(TAGGED, lambda some: st.builds(Tree, LABELS, st.lists(some, min_size=1, max_size=4)), max_leaves=12),
)


@given(TREES)
def test_there_and_back(tree: Tree) -> None:
    found = spans_of(tree)
    assert tree_of(*found) == tree
    assert tree_of(found.words, found.tags, reversed(found.spans)) == tree


@given(TREES)
def test_spans_are_those_of_the_phrases(tree: Tree) -> None:
    found = spans_of(tree)
    assert list(zip(found.words, found.tags, strict=True)) == tree.pos()
    phrases = [c for c in constituents(tree) if isinstance(c.node, Tree) and not isinstance(c.node[0], str)]
    ours = [(span.start + 1, span.end, label) for span in found.spans for label in span.label.split("+")]
    assert sorted(ours) == sorted((c.start, c.end, c.node.label()) for c in phrases)
    assert len({span[:2] for span in found.spans}) == len(found.spans)


def test_a_chain_of_10000_phrases_and_words_at_that_depth() -> None:
    tree = Tree("NN", ["duck"])
    for _ in range(10_000):
        tree = Tree("NP", [tree])
    assert spans_of(tree).spans == (Span(0, 1, "+".join(["NP"] * 10_000)),)
    spans = [Span(at, 10_000, "S") for at in range(10_000)]
    assert spans_of(tree_of(["a"] * 10_000, ["X"] * 10_000, spans)).spans == tuple(spans)


@pytest.mark.parametrize(
    ("brackets", "problem"),
    [
        ("(NN duck)", "is a tagged word without a phrase"),
        ("(NP the (NN duck))", "the word 'the' in the phrase .NP. has no part-of-speech tag"),
        ("(S (NP+X (NN duck)))", r"the label 'NP\+X' of words 1 to 1 is empty or contains"),
        ("(S (NN her) ( (NN duck)))", "the label '' of words 2 to 2 is empty"),
    ],
)
def test_trees_without_spans(brackets: str, problem: str) -> None:
    with pytest.raises(TreeError, match=problem):
        spans_of(Tree.fromstring(brackets))


def test_spans_without_a_tree() -> None:
    words, tags = ["a", "b", "c"], ["X", "X", "X"]
    with pytest.raises(ValueError, match="expected a span of all 3 words"):
        tree_of(words, tags, [Span(0, 2, "S")])
    with pytest.raises(ValueError, match="overlaps another span, which ends at 2"):
        tree_of(words, tags, [Span(0, 3, "S"), Span(0, 2, "NP"), Span(1, 3, "VP")])
