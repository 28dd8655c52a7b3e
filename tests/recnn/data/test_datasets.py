"""Data sets of trees, and the order of their batches."""

import pytest
import torch
from nltk import Tree

import recnn
from corpora import SENTIMENTS, bundled_sentiment
from parsers import InputError, words_of
from recnn import TreeBatches, TreeDataset, Vocabulary, loader
from recnn.data.datasets import known
from recnn.graphs.schedule import _levels as levels_of_depth
from recnn.graphs.schedule import schedule

torch.set_num_threads(1)
TREES = [tree for tree, _ in zip(bundled_sentiment("dev"), range(40), strict=False)]
VOCABULARY = Vocabulary.of(word for tree in TREES for word in words_of(tree))


def test_targets_are_the_labels():
    tree = Tree.fromstring("(3 (2 (2 a) (4 good)) (0 duck))")
    graph = TreeDataset([tree], Vocabulary(["a", "good", "duck"]), SENTIMENTS)[0]
    assert graph.ndata["target"].tolist() == [3, 2, 0, 2, 4]
    assert graph.ndata["word"].tolist() == [-1, -1, 3, 1, 2]
    assert "label" not in graph.ndata


def test_an_empty_label_and_a_bare_word_are_no_targets():
    tree = Tree("", [Tree("4", ["good"]), "duck"])
    assert TreeDataset([tree], VOCABULARY, SENTIMENTS)[0].ndata["target"].tolist() == [-1, 4, -1]
    labelled = Tree.fromstring("(3 (2 a) (4 good))")
    assert TreeDataset([labelled], VOCABULARY, SENTIMENTS, "roots")[0].ndata["target"].tolist() == [3, -1, -1]
    with pytest.raises(InputError, match="the label 'NP' is not one of '0', '1'"):
        TreeDataset([Tree.fromstring("(NP a)")], VOCABULARY, SENTIMENTS)
    with pytest.raises(ValueError, match="targets must be"):
        TreeDataset([], VOCABULARY, SENTIMENTS, "leaves")


def test_a_batch_is_the_graphs_one_after_another():
    data = TreeDataset(TREES, VOCABULARY, SENTIMENTS)
    forest = data[[3, 1, 4]]
    for key in ("word", "target", "span"):
        assert torch.equal(forest.ndata[key], torch.cat([data[i].ndata[key] for i in (3, 1, 4)]))
    assert schedule(forest) is schedule(forest)
    assert schedule(forest).trees == 3
    assert len(data.targets()) == sum(data.sizes)


def test_known_are_the_nodes_that_have_a_target():
    forest = TreeDataset(TREES, VOCABULARY, SENTIMENTS, "roots")[[5, 0]]
    rows, target = known(forest)
    assert rows.tolist() == [0, len(TreeDataset(TREES[5:6], VOCABULARY, SENTIMENTS).targets())]
    assert target.tolist() == [int(TREES[5].label()), int(TREES[0].label())]


@pytest.mark.parametrize("options", [{"trees": 7}, {"nodes": 150}, {"trees": 7, "pool": 3}, {"nodes": 150, "pool": 3}])
def test_each_tree_comes_once_an_epoch(options):
    sizes = [1 + 37 * i % 80 for i in range(61)]
    batches = TreeBatches(sizes, seed=3, **options)
    orders = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        order = list(batches)
        assert len(order) == len(batches)
        assert sorted(index for batch in order for index in batch) == list(range(61))
        if "nodes" in options:
            assert all(len(batch) == 1 or sum(sizes[i] for i in batch) <= 150 for batch in order)
        else:
            assert all(len(batch) <= 7 for batch in order)
            assert sum(len(batch) < 7 for batch in order) <= 1
        orders.append(order)
    assert orders[0] != orders[1] != orders[2]
    again = TreeBatches(sizes, seed=3, **options)
    again.set_epoch(2)
    assert list(again) == orders[2]
    assert list(TreeBatches(sizes, seed=4, **options)) != orders[0]


def test_a_pool_brings_sizes_together():
    sizes = [1 + 37 * i % 80 for i in range(160)]

    def spread(**options):
        batches = TreeBatches(sizes, trees=8, **options)
        return sum(max(sizes[i] for i in batch) - min(sizes[i] for i in batch) for batch in batches)

    assert spread(pool=10) < spread() / 3


def test_without_shuffling_the_order_stays():
    assert list(TreeBatches([3, 4, 5, 6, 9, 1], nodes=9, shuffle=False)) == [[0, 1], [2], [3], [4], [5]]
    assert list(TreeBatches([1] * 5, trees=2, shuffle=False)) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    "options", [{}, {"trees": 1, "nodes": 1}, {"trees": 0}, {"nodes": -1}, {"trees": 1, "pool": 0}]
)
def test_wrong_batches(options):
    with pytest.raises(ValueError, match=r"give either|must be a positive integer"):
        TreeBatches([1, 2], **options)


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_change_nothing_and_no_random_number_is_drawn(workers):
    data = TreeDataset(TREES, VOCABULARY, SENTIMENTS)
    batches = TreeBatches(data.sizes, trees=15, seed=1)
    before = torch.get_rng_state()
    forests = list(loader(data, batches, workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(forests) == 3
    for forest, indices in zip(forests, batches, strict=True):
        words = torch.cat([data[i].ndata["word"] for i in indices])
        assert torch.equal(forest.ndata["word"], words)
        cell = recnn.RecursiveCell(2, 3)
        assert recnn.propagate(cell, forest, torch.ones(len(words), 2)).hidden.shape == (len(words), 3)


def test_workers_send_the_levels_with_the_batch(monkeypatch):
    """They are not computed again in the main process, and are those that it would compute."""
    data = TreeDataset(TREES, VOCABULARY, SENTIMENTS)
    here: list[int] = []  # a worker appends to a copy of it

    def counted(*arguments, levels=levels_of_depth):
        here.append(1)
        return levels(*arguments)

    monkeypatch.setattr("recnn.graphs.schedule._levels", counted)
    batches = TreeBatches(data.sizes, trees=15, seed=1)
    sent = [schedule(forest) for forest in loader(data, batches, 2)]
    assert not here
    for one, indices in zip(sent, batches, strict=True):
        other = schedule(data[indices])
        for name in ("order", "rank", "tree", "parent", "slot"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert one.offsets == other.offsets
    assert len(here) == len(sent) == 3
