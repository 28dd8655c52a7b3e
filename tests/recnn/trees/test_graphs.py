"""Graphs of trees of typed nodes."""

import torch
from hypothesis import given

import corpora
from recnn.graphs.structure import slots_of
from recnn.trees import TypedTree, from_value, left_child_right_sibling, typed_tree_to_graph
from tests.recnn.trees.test_values import values


@given(values)
def test_the_graph_has_the_columns(value):
    for tree in (from_value(value), left_child_right_sibling(from_value(value))):
        graph = typed_tree_to_graph(tree)
        row = graph.ndata["row"].tolist()
        assert sorted(row) == list(range(len(tree)))
        words, labels = graph.ndata["word"].tolist(), graph.ndata["label"].tolist()
        assert [graph.vocabulary[word] if word >= 0 else None for word in words] == [tree.words[node] for node in row]
        assert [graph.labels[label] for label in labels] == [tree.labels[node] for node in row]
        above = [-1] * len(tree)
        for node, below in enumerate(slots_of(graph)[0]):
            for slot, child in below:
                above[row[child]] = row[node]
                assert not tree.slots or slot == tree.slots[row[child]]
            assert [row[child] for _, child in below] == tree.children()[row[node]]
        assert tuple(above) == tree.parents
        numbers = graph.ndata["number"].tolist() if tree.numbers else [[float("nan")]] * len(tree)
        own = tree.numbers or ((),) * len(tree)
        assert all(
            torch.equal(torch.tensor(list(own[node])), torch.tensor(found)) if own[node] else found[0] != found[0]
            for node, found in zip(row, numbers, strict=True)
        )


def test_given_vocabularies():
    tree = TypedTree((-1, 0), ("Call", "Name"), (None, "f"))
    words, labels = corpora.Vocabulary(["g"]), corpora.Vocabulary(["Name", "Call"], unknown=None)
    graph = typed_tree_to_graph(tree, words, labels)
    assert (graph.ndata["word"].tolist(), graph.ndata["label"].tolist()) == ([-1, 0], [1, 0])
    assert "number" not in graph.ndata


def test_any_depth():
    depth = 100_000
    tree = TypedTree(tuple(range(-1, depth - 1)), ("x",) * depth, (None,) * depth)
    graph = typed_tree_to_graph(tree)
    assert graph.num_nodes() == depth
    assert graph.ndata["row"].tolist() == list(range(depth))
