"""The objective of trees: its loss and metrics, against the predictions of the model."""

import math

import pytest
import torch
from nltk import Tree

from parsers import InputError
from recnn import TreeConfig, tree_to_graph
from recnn.data.datasets import known
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining, WordTraining
from tests.runs import DEV, LABELS, TREES

torch.set_num_threads(1)
SIZES = {"input_size": 5, "hidden_size": 4, "dropout": 0.0}


def objective(labels=LABELS, trees=TREES, held_out=DEV, targets="all", words=None, **options):
    torch.manual_seed(0)
    options = TreeTraining(**{"batch": 16, **options})
    return TreeObjective(TreeConfig(labels, **SIZES), options, trees, held_out, words, targets)


@pytest.mark.parametrize("targets", ["all", "roots"])
def test_the_loss_is_the_mean_over_the_nodes_that_have_a_target(targets):
    made = objective(targets=targets)
    losses = []
    for tree in TREES[:4]:
        (p,) = made.model.probabilities([tree])
        labels = made.model.dataset([tree])[0].ndata["target"].tolist()
        found = [-math.log(row[label]) for row, label in zip(p.tolist(), labels, strict=True)]
        losses += found if targets == "all" else found[:1]
    expected = sum(losses) / len(losses)
    assert made.loss(made.data[[0, 1, 2, 3]]).item() == pytest.approx(expected, rel=1e-5)


def test_what_is_measured_is_counted_by_hand():
    made = objective()
    made.model.eval()
    counts = dict.fromkeys(["all", "binary_all", "roots", "binary_roots"], (0, 0))
    for batch in made.held_out():
        made.measure(batch)
    for tree in DEV:
        (p,) = made.model.probabilities([tree])
        graph = tree_to_graph(tree)
        for node, row in enumerate(p.tolist()):
            label = int(graph.labels[graph.ndata["label"][node]])
            for place in ("all", "roots")[: 1 + (node == 0)]:
                right, count = counts[place]
                counts[place] = right + (row.index(max(row)) == label), count + 1
                if label != 2:
                    right, count = counts[f"binary_{place}"]
                    counts[f"binary_{place}"] = right + ((row[3] + row[4] > row[0] + row[1]) == (label > 2)), count + 1
    found = {name: float(measure.metric.compute()) for name, measure in made.measures.items()}
    assert found.pop("mean") == pytest.approx(sum(found.values()) / 4)
    assert found.keys() == counts.keys()
    for name, (right, count) in counts.items():
        assert found[name] == pytest.approx(right / count, abs=1.5 / count)


def test_an_epoch_has_every_tree_once_in_an_order_of_its_own():
    made = objective()
    orders = []
    for epoch in (0, 1, 0):
        batches = list(made.batches(epoch))
        assert sorted(batch.batch_size for batch in batches) == [12, 16, 16, 16]
        orders.append([tuple(batch.ndata["word"].tolist()) for batch in batches])
    assert orders[0] == orders[2] != orders[1]
    assert sum(map(len, orders[0])) == sum(map(len, orders[1])) == sum(made.data.sizes)


def test_nodes_without_a_target_are_left_out():
    trees = [Tree("", [Tree("a", ["x"]), Tree("", ["y"])]), Tree("b", [Tree("", ["x"]), Tree("", ["y"])])]
    made = objective(("a", "b"), trees, trees)
    assert [rows.tolist() for rows, _ in map(known, made.data)] == [[1], [0]]
    assert list(made.measures) == ["all", "roots"]
    for index in (0, 1):
        made.measure(made.data[[index]])
    made.loss(made.data[[0]]).backward()
    bare = Tree("", [Tree("", ["x"]), Tree("", ["y"])])
    mixed = objective(("a", "b"), trees, [bare, trees[0]])
    mixed.measure(mixed.dev[[0]])
    with pytest.raises(InputError, match="no node of the trees to validate on has a target"):
        objective(("a", "b"), trees, [bare])
    with pytest.raises(InputError, match="no node of the trees to train on has a target"):
        objective(("a", "b"), [trees[0]], trees, targets="roots")


def test_rare_words_are_unknown():
    words = [word for tree in TREES for word in tree.leaves()]
    made = objective(words=WordTraining(min_count=3, embedding_scale=2.0))
    assert set(made.model.vocabulary) == {"<unk>"} | {word for word in words if words.count(word) >= 3}
    table = made.model.encoder.words.embedding.weight
    assert table.std().item() == pytest.approx(2.0, rel=0.15)


def test_what_tells_data_apart():
    one = objective().digest()
    assert one == objective().digest()
    assert objective(trees=TREES[1:] + TREES[:1]).digest()["train"] != one["train"]
    roots = objective(targets="roots").digest()
    assert (roots["train"] != one["train"], roots["dev"] == one["dev"]) == (True, True)


def test_data_on_disk_are_the_same():
    config = TreeConfig(LABELS, **SIZES)
    memory, disk = (TreeObjective(config, TreeTraining(), TREES, DEV, on_disk=on_disk) for on_disk in (False, True))
    assert memory.digest() == disk.digest()
    for ours, theirs in zip(memory.batches(0), disk.batches(0), strict=True):
        assert ours.ndata["target"].tolist() == theirs.ndata["target"].tolist()
