import pytest
from hypothesis import given
from nltk import Tree
from rich.text import Text

from corpora import Vocabulary
from parsers import InputError
from recnn import GraphError, batch, chain_to_text, sequence_to_graph, tree_to_graph, tree_to_text
from recnn.draw import tree_to_drawing, tree_to_lines
from tests.strategies import awkward_trees, deep_tree, trees


def test_control_characters_are_escaped():
    tree = Tree("S\x00", [Tree("N\x1b[31m", ["a\nb", "\x9b", "\u2028"]), Tree("V\ufffe", ["\ud800", "\x7f", "\uffff"])])
    expected = [r"a\x0ab", r"\x9b", r"\u2028", r"\ud800", r"\x7f", r"\uffff"]
    drawn = tree_to_text(tree)
    assert drawn.splitlines()[-1].split() == expected
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in drawn.replace("\n", ""))
    chain = chain_to_text(sequence_to_graph(tree.leaves(), Vocabulary(tree.leaves())))
    assert chain.splitlines()[-1].split() == expected


@given(awkward_trees())
def test_a_line_is_a_line(tree):
    assert len(tree_to_text(tree).splitlines()) == len(tree_to_text(tree).split("\n"))


def test_words_stand_in_their_order():
    tree = Tree.fromstring("(S (NP (D the) boy) ran (PP (P to) her) fast)")
    assert tree_to_text(tree).splitlines()[-1].split() == tree.leaves()


def test_too_deep_for_characters():
    with pytest.raises(InputError, match="the tree has 102 levels"):
        tree_to_text(deep_tree(101))
    tree_to_text(deep_tree(99))


@given(trees())
def test_the_lines_of_a_tree_are_those_of_a_recursion(tree):
    drawing = tree_to_drawing(tree)

    def lines(node, before, rest):
        yield before + phrases[node]
        for child in drawing.children[node]:
            last = child == drawing.children[node][-1]
            yield from lines(child, rest + ("└── " if last else "├── "), rest + ("    " if last else "│   "))

    phrases = drawing.phrases()
    found = [text.plain for text in tree_to_lines(drawing.children, [Text(phrase) for phrase in phrases])]
    assert found == list(lines(0, "", ""))


def test_chains_unrolled():
    drawn = chain_to_text(batch([sequence_to_graph(["a", "little", "duck"]), sequence_to_graph(["she"])]))
    assert drawn.splitlines() == [
        "h1 ──→ h2 ──────→ h3",
        "↑      ↑          ↑",
        "a      little     duck",
        "",
        "h1",
        "↑",
        "she",
    ]
    with pytest.raises(GraphError, match="node 0 has 2 children"):
        chain_to_text(tree_to_graph(Tree.fromstring("(S a b)")))
