"""Settings of the training: invalid values, and batches."""

import math

import pytest

from recnn import TreeBatches
from recnn.training.objectives.base import tree_batches
from recnn.training.options import TreeTraining, WordTraining


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch": 1.5},
        {"optimizer": "best"},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"clip": -1},
        {"weight_decay": "much"},
        {"nodes": True},
        {"average": 1.0},
        {"precision": "64"},
        {"seed": -1},
        {"colour": 1},
    ],
)
def test_wrong_options(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        TreeTraining(**options)


@pytest.mark.parametrize("options", [{"min_count": 0}, {"embedding_scale": 0.0}, {"vectors": 3}])
def test_wrong_options_of_words(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        WordTraining(**options)


@pytest.mark.parametrize("nodes", [None, 20])
def test_batches_are_of_trees_or_of_nodes(nodes):
    sizes = [3, 9, 1, 7, 5, 11, 5]
    found = tree_batches(TreeTraining(batch=2, nodes=nodes, pool=3, seed=4), sizes)
    given = {"trees": 2} if nodes is None else {"nodes": 20}
    assert list(found) == list(TreeBatches(sizes, **given, pool=3, seed=4))
