"""Trees from nested data: the order of the columns, depth, and what is no tree."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import TreeError
from recnn.trees import TypedTree, from_nested, left_child_right_sibling, undo_left_child_right_sibling

nested = st.recursive(st.just(()), lambda below: st.lists(below, max_size=5).map(tuple), max_leaves=40)
DEEP = 100_000


def columns_of(node, parent=-1, found=None):
    """The parents and the numbers of children in preorder, by recursion."""
    found = [] if found is None else found
    index = len(found)
    found.append((parent, len(node)))
    for child in node:
        columns_of(child, index, found)
    return found


def tree_of(node):
    return from_nested(node, children=lambda n: n, label=lambda n: str(len(n)), word=lambda n: "w" * len(n) or None)


@given(nested)
def test_columns_are_in_preorder(node):
    tree = tree_of(node)
    expected = columns_of(node)
    assert list(zip(tree.parents, map(int, tree.labels), strict=True)) == expected
    assert tree.words == tuple("w" * count or None for _, count in expected)
    assert [len(below) for below in tree.children()] == [count for _, count in expected]
    assert (tree.numbers, tree.slots, tree.width) == ((), (), 0)


@given(nested)
def test_columns_as_json_and_back(node):
    for tree in (tree_of(node), left_child_right_sibling(tree_of(node))):
        text = json.dumps(tree.to_dict())
        assert "[[" not in text  # nothing is nested
        assert TypedTree.from_dict(json.loads(text)) == tree


@given(nested)
def test_left_child_right_sibling(node):
    tree = tree_of(node)
    binary = left_child_right_sibling(tree)
    assert max(len(below) for below in binary.children()) <= 2
    assert (binary.labels, binary.words) == (tree.labels, tree.words)
    below = tree.children()
    for parent, children in enumerate(below):
        for before, child in zip([parent, *children], children, strict=False):
            assert (binary.parents[child], binary.slots[child]) == (before, int(before != parent))
    assert undo_left_child_right_sibling(binary) == tree


def test_numbers():
    tree = from_nested(2, lambda n: range(n), label=str, numbers=lambda n: (n, 0.5) if n else ())
    assert tree.numbers == ((2, 0.5), (), (1, 0.5), ())
    assert tree.width == 2
    assert from_nested(1, lambda n: range(n), label=str, numbers=float).numbers == ((1.0,), (0.0,))
    assert TypedTree.from_dict(tree.to_dict()) == tree
    assert undo_left_child_right_sibling(left_child_right_sibling(tree)) == tree


def test_a_tree_of_any_depth_and_width():
    deep = from_nested(DEEP, lambda n: [n - 1] if n else [], label=lambda n: "chain")
    assert deep.parents == tuple(range(-1, DEEP))
    assert TypedTree.from_dict(json.loads(json.dumps(deep.to_dict()))) == deep
    assert undo_left_child_right_sibling(left_child_right_sibling(deep)) == deep
    wide = from_nested(DEEP, lambda n: range(1, n) if n == DEEP else [], label=str)
    assert len(wide) == DEEP
    assert undo_left_child_right_sibling(left_child_right_sibling(wide)) == wide
    assert len(str(deep).splitlines()) == DEEP + 1


def test_a_cycle_is_an_error():
    loop = {"name": "a", "below": []}
    loop["below"].append({"name": "b", "below": [loop]})
    with pytest.raises(TreeError, match=r"node 2 \(dict\) is below itself"):
        from_nested(loop, lambda n: n["below"], lambda n: n["name"])


def test_a_node_may_be_in_several_places():
    leaf = ("leaf", [])
    tree = from_nested(("root", [leaf, leaf]), lambda n: n[1], lambda n: n[0])
    assert tree.labels == ("root", "leaf", "leaf")


WRONG = [
    ({"parents": []}, "without nodes"),
    ({"parents": [0]}, "node 0 has the parent 0, expected -1"),
    ({"parents": [-1, -1]}, "node 1 has the parent -1"),
    ({"parents": [-1, 1]}, "node 1 has the parent 1"),
    ({"parents": [-1, 0, 0, 1]}, "node 3 has the parent 1, expected an ancestor"),
    ({"parents": [-1, 0.0]}, "node 1 has the parent 0.0"),
    ({"parents": [-1, False]}, "node 1 has the parent False"),
    ({"parents": [-1, "0"]}, "node 1 has the parent '0'"),
    ({"parents": [-1, 0], "labels": ["x"]}, "labels: expected an entry for each of 2 nodes, got 1"),
    ({"labels": [None]}, "labels: node 0 has None, expected a string"),
    ({"words": [3]}, "words: node 0 has 3, expected a string or None"),
    ({"numbers": [[float("nan")]]}, r"numbers: node 0 has \(nan,\), expected finite"),
    ({"numbers": ["12"]}, "numbers: node 0 has '12', expected a list"),
    ({"numbers": [["1"]]}, "numbers: node 0"),
    ({"parents": [-1, 0], "numbers": [[1], [1, 2]]}, "node 0 has 1 numbers"),
    ({"parents": [-1, 0, 0], "slots": [0, 1, 1]}, "node 2 has the slot 1"),
    ({"words": "x"}, "words: expected a list, got str"),
    ({"colour": []}, "'colour' is not a column"),
]


@pytest.mark.parametrize(("columns", "problem"), WRONG, ids=[case[1][:30] for case in WRONG])
def test_wrong_columns(columns, problem):
    count = len(columns.get("parents", [-1]))
    with pytest.raises(TreeError, match=problem):
        TypedTree.from_dict({"parents": [-1], "labels": [""] * count, "words": [None] * count} | columns)


@pytest.mark.parametrize("columns", [None, [], {}, {"parents": [-1], "labels": [""]}])
def test_no_columns(columns):
    with pytest.raises(TreeError, match="expected a tree as an object with the columns"):
        TypedTree.from_dict(columns)


def test_what_is_no_binarised_tree():
    tree = tree_of(((), ()))
    with pytest.raises(TreeError, match="slots 0 and 1"):
        undo_left_child_right_sibling(tree)
    with pytest.raises(TreeError, match="binarised already"):
        left_child_right_sibling(left_child_right_sibling(tree))
    sibling = TypedTree((-1, 0), ("a", "b"), (None, None), slots=(0, 1))
    with pytest.raises(TreeError, match="sibling of the root"):
        undo_left_child_right_sibling(sibling)
