"""The objective of sequences: its batches and its metrics."""

import pytest
import torch

from parsers import InputError
from recnn import SequenceConfig
from recnn.training.objectives.sequences import SequenceObjective, Sequences, measured
from recnn.training.options import Training

torch.set_num_threads(1)


def objective(task, steps, data, outputs=1):
    torch.manual_seed(0)
    config = SequenceConfig(inputs=2, outputs=outputs, task=task, steps=steps, hidden_size=4)
    return SequenceObjective(config, Training(batch=4), data, data)


def data_for(task, steps, count=10):
    torch.manual_seed(1)
    inputs = torch.randn(count, 3, 2) if steps.startswith("many") else torch.randn(count, 2)
    shape = (count, 3) if steps.endswith("many") else (count,)
    return Sequences(inputs, torch.randn(shape) if task == "regression" else torch.randint(0, 2, shape))


@pytest.mark.parametrize("task", ["classes", "binary", "regression"])
@pytest.mark.parametrize("steps", ["one-to-one", "one-to-many", "many-to-one", "many-to-many"])
def test_what_is_measured_is_counted_by_hand(task, steps):
    data = data_for(task, steps)
    made = objective(task, steps, data, 2 if task == "classes" else 1)
    made.model.eval()
    found = measured(made.model, data, batch=4)
    answers = made.model.predict(data.inputs, 3)
    if task == "regression":
        off = answers - data.targets
        expected = {"rmse": off.square().mean().sqrt(), "mae": off.abs().mean()}
    else:
        right = (answers == data.targets).float()
        expected = {"accuracy": right.mean()}
        if steps.endswith("many"):
            expected["sequences"] = (right.mean(1) == 1).float().mean()
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-5)
    for batch in made.held_out():
        made.measure(batch)
    assert {name: float(one.metric.compute()) for name, one in made.measures.items()} == pytest.approx(found)


def test_an_epoch_has_every_example_once_in_an_order_of_its_own():
    data = Sequences(torch.arange(10.0).view(10, 1, 1).expand(10, 3, 2), torch.zeros(10))
    made = objective("regression", "many-to-one", data)
    orders = [torch.cat([batch.inputs[:, 0, 0] for batch in made.batches(epoch)]).tolist() for epoch in (0, 0, 1)]
    assert sorted(orders[0]) == sorted(orders[2]) == list(range(10))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_there_must_be_sequences():
    data, none = data_for("binary", "many-to-one"), data_for("binary", "many-to-one", 0)
    config = SequenceConfig(inputs=2, outputs=1, task="binary", steps="many-to-one")
    for pair, what in (((none, data), "train on"), ((data, none), "validate on")):
        with pytest.raises(InputError, match=f"there are no sequences to {what}"):
            SequenceObjective(config, Training(), *pair)
