"""Trees in arrays equal the trees that were given, in memory and in temporary files, and are small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

import corpora
import parsers
from recnn.data.tree_store import TreeStore
from tests.strategies import trees


@given(st.lists(trees(), max_size=5), st.booleans(), st.data())
def test_trees_are_as_given(some, on_disk, data):
    store = TreeStore(iter(some), on_disk)
    assert list(store) == some
    assert len(store) == len(some)
    index = data.draw(st.lists(st.integers(-len(some), len(some) - 1), max_size=6)) if some else []
    assert list(store.select(index)) == [some[one] for one in index]
    assert list(store[1:]) == some[1:]


@pytest.mark.parametrize("on_disk", [False, True])
def test_many_nodes_are_written_in_parts(on_disk, monkeypatch):
    monkeypatch.setattr("recnn.data.tree_store._AT_ONCE", 3)
    given = list(corpora.bundled_sentiment("dev"))
    assert list(TreeStore(given, on_disk)) == given


def test_dependency_trees_stay_such():
    given = parsers.tree_from_dependencies(["the", "boy", "slept"], [2, 3, 0], ["det", "nsubj", "root"])
    found = TreeStore([given, Tree("X", ["a"])])
    assert found[0] == given
    assert [type(node) for node in found[0].subtrees()] == [parsers.DependencyTree] * 3
    assert type(found[1]) is Tree


def test_a_chain_of_100000_phrases():
    tree = Tree("X", ["a"])
    for _ in range(100_000):
        tree = Tree("X", [tree])
    (found,) = TreeStore([tree])
    assert len(parsers.constituents(found)) == 100_002


def test_an_index_beyond_the_last_tree():
    with pytest.raises(IndexError, match="tree 1 of 1"):
        TreeStore([Tree("X", ["a"])])[1]


def test_malformed_trees_are_refused():
    with pytest.raises(parsers.TreeError, match="has no words"):
        TreeStore([Tree("X", [])])
