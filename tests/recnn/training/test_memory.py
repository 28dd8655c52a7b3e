"""Training in memory gives the weights of a run in a folder."""

import torch

import recnn
from recnn.training.memory import fit
from recnn.training.objectives.trees import TreeObjective
from tests.runs import CONFIG, DEV, TREES, metrics, options_of, trained


def test_the_best_model_is_that_of_a_run(tmp_path):
    best, _ = trained(tmp_path, epochs=3)
    training = options_of(epochs=3)
    found = fit(lambda: TreeObjective(CONFIG, training, TREES, DEV), training)
    expected = recnn.load(tmp_path).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.model.state_dict().items())
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in found.rows]
    assert [{name: round(value, 6) for name, value in row.items()} for row in rows] == [
        {name: round(value, 6) for name, value in row.items()} for row in metrics(tmp_path)
    ]
    assert best["epoch"] == max(rows, key=lambda row: row["all"])["epoch"]


def test_without_validation_data_it_is_the_last_model(tmp_path):
    trained(tmp_path, epochs=2)
    training = options_of(epochs=2)
    found = fit(lambda: TreeObjective(CONFIG, training, TREES, None), training)
    last = recnn.load(tmp_path / "last").state_dict()
    assert all(torch.equal(value, last[name]) for name, value in found.model.state_dict().items())
    assert [set(row) for row in found.rows] == [{"epoch", "loss", "seconds"}] * 2
