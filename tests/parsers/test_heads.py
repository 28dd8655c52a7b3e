import pytest
from hypothesis import given
from nltk import Tree

from parsers import binarise, dependencies, head_child, restore, words_of
from tests.strategies import deep_tree, trees

# Worked out by hand with the tables of Collins 1999, appendix A.
CASES = [
    ("NP", "DT JJ NN PP", 2),
    ("NP", "DT NN POS", 2),  # a possessive
    ("NP", "NP PP", 0),
    ("NP", "DT CD", 1),
    ("NP", "DT VBG", 1),  # nothing of the table: the last
    ("NP", "NN , NN CC NN", 2),
    ("NP", "DT NN ,", 1),
    ("NML", "NN NN", 1),
    ("VP", "MD VP", 0),
    ("VP", "TO VP", 0),
    ("VP", "VBD NP PP", 0),
    ("VP", "VP CC VP", 0),
    ("S", "NP VP .", 1),
    ("S", "S , CC S", 0),
    ("PP", "IN NP", 0),
    ("PP", "ADVP IN NP", 1),
    ("SBAR", "WHNP S", 0),
    ("SBAR", "IN S", 0),
    ("SQ", "VBZ NP VP", 0),
    ("ADVP", "RB RB", 1),
    ("QP", "IN CD", 0),
    ("WHPP", "IN WHNP", 0),
    ("FRAG", "NP PP", 1),
    ("TITLE", "NP VP", 0),  # a label of other treebanks
    ("X", ", .", 0),
]


@pytest.mark.parametrize(("label", "children", "head"), CASES)
def test_the_head_of_a_phrase(label, children, head):
    assert head_child(label, children.split()) == head


def test_the_dependencies_of_a_sentence():
    tree = Tree.fromstring(
        "(S (NP-SBJ (NP (DT The) (NN boy)) (PP (IN with) (NP (PRP$ her) (NN duck)))) (VP (MD can) (VP (VB see)"
        " (NP-1 (NNS stars)))) (. .))"
    )
    # The boy with her duck can see stars .
    assert dependencies(tree) == [2, 6, 2, 5, 3, 0, 6, 7, 6]


@given(trees())
def test_dependencies_are_a_projective_tree(tree):
    heads = dependencies(tree)
    assert len(heads) == len(words_of(tree))
    assert heads.count(0) == 1
    for word, head in enumerate(heads, 1):
        seen = {word}
        while head:  # every path leads to the root
            assert head not in seen
            seen.add(head)
            head = heads[head - 1]
    for word, head in enumerate(heads, 1):
        for between in range(min(word, head) + 1, max(word, head)) if head else ():
            above = between
            while above not in (0, head):
                above = heads[above - 1]
            assert above == head


@given(trees())
def test_binarisation_keeps_the_dependencies(tree):
    assert dependencies(restore(binarise(tree, "head"))) == dependencies(tree)


def test_a_deep_tree_has_one_root():
    assert dependencies(deep_tree(30_000)) == [0]
