import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from nltk import Tree

from corpora import Vocabulary
from parsers import InputError, constituents
from recnn import GraphError, batch, chain_to_text, sequence_to_graph, tree_to_graph, tree_to_svg, tree_to_text
from tests.strategies import awkward_trees, deep_tree


def test_pictures_hold_every_label_and_word():
    tree = Tree.fromstring("(S (NP (Det R&D) (Noun <b>)) (VP slept))")
    svg = ElementTree.fromstring(tree_to_svg(tree))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted(["S", "NP", "Det", "R&D", "Noun", "<b>", "VP", "slept"])
    assert tree_to_text(tree).splitlines()[-1].split() == ["R&D", "<b>", "slept"]


def test_control_characters_are_escaped():
    tree = Tree("S\x00", [Tree("N\x1b[31m", ["a\nb", "\x9b", "\u2028"]), Tree("V\ufffe", ["\ud800", "\x7f", "\uffff"])])
    expected = [r"a\x0ab", r"\x9b", r"\u2028", r"\ud800", r"\x7f", r"\uffff"]
    drawn = tree_to_text(tree)
    assert drawn.splitlines()[-1].split() == expected
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in drawn.replace("\n", ""))
    svg = ElementTree.fromstring(tree_to_svg(tree).encode())
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted([r"S\x00", r"N\x1b[31m", r"V\ufffe", *expected])
    chain = chain_to_text(sequence_to_graph(tree.leaves(), Vocabulary(tree.leaves())))
    assert chain.splitlines()[-1].split() == expected


@given(awkward_trees())
def test_a_picture_of_any_tree_is_xml(tree):
    svg = ElementTree.fromstring(tree_to_svg(tree).encode())
    texts = svg.iter("{http://www.w3.org/2000/svg}text")
    assert len(list(texts)) == len(constituents(tree))
    assert len(tree_to_text(tree).splitlines()) == len(tree_to_text(tree).split("\n"))


def test_words_stand_in_their_order():
    tree = Tree.fromstring("(S (NP (D the) boy) ran (PP (P to) her) fast)")
    assert tree_to_text(tree).splitlines()[-1].split() == tree.leaves()
    texts = list(ElementTree.fromstring(tree_to_svg(tree)).iter("{http://www.w3.org/2000/svg}text"))
    words = [text for text in texts if text.text in tree.leaves()]
    assert [word.text for word in sorted(words, key=lambda word: float(word.get("x")))] == tree.leaves()


def test_too_deep_for_a_picture():
    with pytest.raises(InputError, match="the tree has 102 levels"):
        tree_to_svg(deep_tree(101))
    tree_to_text(deep_tree(99))


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


def test_labels_of_a_picture_have_room():
    """Neighbouring labels do not touch, whatever their length, and a line break in one is a space."""
    for label in ("N", "0.123\nwords of a phrase"):
        svg = tree_to_svg(Tree("S", [Tree(label, [word]) for word in "abc"]))
        texts = re.findall(r'font-size: 12px;" x="([\d.]+)" y="([\d.]+)">([^<]*)</text>', svg)
        places = sorted(float(x) for x, _, text in texts if text == label.replace("\n", " "))
        assert len(places) == 3
        assert min(b - a for a, b in pairwise(places)) >= max(40, 7 * len(label))
        width = float(re.search(r'viewBox="-20 -20 ([\d.]+)', svg)[1])
        assert max(places) < width
