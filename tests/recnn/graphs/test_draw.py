import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from nltk import Tree

from parsers import InputError
from recnn import GraphError, batch, chain_to_text, sequence_to_graph, tree_to_graph, tree_to_svg, tree_to_text
from tests.strategies import deep_tree


def test_pictures_hold_every_label_and_word():
    tree = Tree.fromstring("(S (NP (Det R&D) (Noun <b>)) (VP slept))")
    svg = ElementTree.fromstring(tree_to_svg(tree))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted(["S", "NP", "Det", "R&D", "Noun", "<b>", "VP", "slept"])
    assert tree_to_text(tree).splitlines()[-1].split() == ["R&D", "<b>", "slept"]


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
