"""Targets of trees of typed nodes."""

import pytest
import torch

from corpora import Vocabulary
from parsers.errors import InputError
from recnn.data.typed_trees import TypedTreeDataset, TypedTreeGraphs, TypedTreeTargets
from recnn.trees import TreeExample, from_sexpr

TREE = from_sexpr("(f x (g y z))")  # breadth first: f x g y z
NAMES = Vocabulary(["x"])


def examples(*targets, at="target"):
    return [TreeExample(TREE, source="a.py", **{at: target}) for target in targets]


def dataset(some, task=None):
    targets = TypedTreeTargets.of(some, task)
    graphs = TypedTreeGraphs(NAMES, NAMES, 0, False, "sum")
    return TypedTreeDataset(some, targets, graphs), targets


@pytest.mark.parametrize(
    ("targets", "task", "expected", "rows"),
    [
        (["b", "a", "b"], None, ("classes", ("b", "a"), 2), [0, 1, 0]),
        ([True, False], None, ("classes", ("false", "true"), 2), [1, 0]),
        ([3, 5], "classes", ("classes", ("3", "5"), 2), [0, 1]),
        ([["a"], ["a", "b"], []], None, ("labels", ("a", "b"), 2), [[1, 0], [1, 1], [0, 0]]),
        ([2, 3.5], None, ("regression", (), 1), [[2], [3.5]]),
        ([[1, 2], [3, 4.5]], None, ("regression", (), 2), [[1, 2], [3, 4.5]]),
    ],
)
def test_targets_of_whole_trees(targets, task, expected, rows):
    data, found = dataset(examples(*targets), task)
    assert (found.task, set(found.labels), found.outputs, found.at) == (
        expected[0],
        set(expected[1]),
        expected[2],
        "root",
    )
    order = [found.labels.index(label) for label in expected[1]]
    for graph, row in zip(data, rows, strict=True):
        target = graph.ndata["target"]
        if found.task == "classes":
            assert target.tolist() == [order[row], -1, -1, -1, -1]
        else:
            own = [row[at] for at in sorted(range(len(order)), key=order.__getitem__)] if order else row
            assert target[0].tolist() == own
            assert target[1:].isnan().all()


def test_targets_of_nodes_are_in_the_order_of_the_graph():
    data, found = dataset(examples(["r", None, "i", "l", "r"], at="targets"))
    assert (found.at, found.task, found.labels) == ("nodes", "classes", ("r", "i", "l"))
    (graph,) = data
    assert graph.ndata["target"].tolist() == [0, -1, 1, 2, 0]
    data, found = dataset(examples([None, 1.5, None, 2, None], at="targets"))
    (graph,) = data
    assert torch.equal(graph.ndata["target"].nan_to_num(9.0), torch.tensor([[9.0], [1.5], [9], [2], [9]]))


WRONG = [
    (["a"], None, "expected at least two different classes, got 'a'"),
    (["a", 1, "b"], None, None),
    (["a", None], None, r"tree 2 \(a.py\) has no target"),
    (["a", ["b"]], None, r"tree 2 \(a.py\): expected a class, as a string as target, got \['b'\]"),
    ([["a"], "b"], None, "expected a list of labels as target, got 'b'"),
    ([1, True], None, "expected a number or several as target, got True"),
    ([[1], [1, 2]], None, "expected a target of 1 numbers, got"),
    ([float("nan")], None, "expected a number or several as target, got nan"),
    ([{"a": 1}], None, "expected a number or several as target, got {'a': 1}"),
    ([], None, "there are no targets"),
    (["a", "b"], "regression", "expected a number or several as target, got 'a'"),
]


@pytest.mark.parametrize(("targets", "task", "problem"), WRONG, ids=range(len(WRONG)))
def test_wrong_targets(targets, task, problem):
    if problem is None:
        assert set(dataset(examples(*targets))[1].labels) == {"a", "1", "b"}
        return
    with pytest.raises(InputError, match=problem):
        dataset(examples(*targets), task)


def test_a_class_that_the_model_does_not_have():
    targets = TypedTreeTargets("classes", "root", ("a", "b"), 2)
    with pytest.raises(InputError, match=r"tree 1 .* the target 'c' is not one of the model"):
        TypedTreeDataset(examples("c"), targets, TypedTreeGraphs(NAMES, NAMES, 0, False, "sum"))
