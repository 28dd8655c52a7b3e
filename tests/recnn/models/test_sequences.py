"""`SequenceModel` against the layers of torch.nn, for each combination of one or many inputs and predictions."""

import pytest
import torch
from torch.nn import functional as F

import recnn
from recnn import SequenceConfig, SequenceModel

torch.set_num_threads(1)
B, T, D, C, H = 3, 4, 2, 5, 6
SHAPES = ["one-to-one", "one-to-many", "many-to-one", "many-to-many"]
CELLS = {"recursive": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
OURS = {"recursive": recnn.RNN, "gru": recnn.GRU, "lstm": recnn.LSTM}  # with the names of torch's parameters


def made(steps, task="regression", outputs=C, **options):
    torch.manual_seed(1)
    config = SequenceConfig(inputs=D, outputs=outputs, task=task, steps=steps, hidden_size=H, **options)
    return SequenceModel(config).double().eval()


def inputs_for(steps):
    return torch.randn(B, T, D, dtype=torch.float64)[:, : T if steps.startswith("many") else 1]


def given(x, steps):
    """Remove the axis of steps from the inputs if there is one input only."""
    return x if steps.startswith("many") else x.squeeze(1)


@pytest.mark.parametrize("steps", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_scores_are_those_of_torchs_layer_and_a_linear_one(steps, cell, bidirectional, bias):
    if steps == "one-to-many" and bidirectional:
        with pytest.raises(ValueError, match="nothing to read from the end"):
            made(steps, bidirectional=True)
        return
    network = made(steps, cell=cell, bidirectional=bidirectional, num_layers=2, cell_options={"bias": bias})
    layer = CELLS[cell](D, H, 2, bias=bias, batch_first=True, bidirectional=bidirectional).double()
    ours = OURS[cell](D, H, 2, bias=bias, batch_first=True, bidirectional=bidirectional).double()
    ours.encoder.load_state_dict(network.network.encoder.state_dict())
    layer.load_state_dict(ours.state_dict())
    x = inputs_for(steps)
    read = F.pad(x, (0, 0, 0, T - 1)) if steps == "one-to-many" else x
    output, last = layer(read)
    if not steps.endswith("many"):
        h = last[0] if cell == "lstm" else last
        output = torch.cat([h[-2], h[-1]], dim=1) if bidirectional else h[-1]
    torch.testing.assert_close(network(given(x, steps), T), network.head.linear(output))


@pytest.mark.parametrize("steps", ["one-to-one", "many-to-one", "many-to-many"])
def test_only_one_to_many_looks_at_the_steps(steps):
    network, x = made(steps), inputs_for(steps)
    torch.testing.assert_close(network(given(x, steps), 1), network(given(x, steps), 20), rtol=0, atol=0)


def test_one_to_one_is_a_function_of_its_input():
    network = made("one-to-one", outputs=1)
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    first, second = network(x, 20)
    assert (first - second).abs() > 1e-3


@pytest.mark.parametrize("steps", SHAPES)
@pytest.mark.parametrize("task", ["classes", "binary", "regression"])
def test_the_loss_and_the_answers(steps, task):
    """The loss equals torch's over all predictions; the predictions follow from the scores."""
    outputs = C if task == "classes" else 1
    network, x = made(steps, task, outputs), inputs_for(steps)
    scores = network(given(x, steps), T)
    shape = (B, T) if steps.endswith("many") else (B,)
    assert scores.shape == (*shape, outputs)
    if task == "regression":
        target = torch.randn(shape, dtype=torch.float64)
        network.standardise(outputs=([3.0], [2.0]))
        expected = F.mse_loss(scores.squeeze(-1), (target - 3) / 2)
        answers = scores.squeeze(-1) * 2 + 3
    elif task == "binary":
        target = torch.randint(0, 2, shape)
        expected = F.binary_cross_entropy_with_logits(scores.squeeze(-1), target.double())
        answers = (scores.squeeze(-1) > 0).long()
    else:
        target = torch.randint(0, C, shape)
        expected = F.cross_entropy(scores.flatten(0, -2), target.flatten())
        answers = scores.argmax(-1)
    torch.testing.assert_close(network.loss(network(given(x, steps), T), target), expected)
    torch.testing.assert_close(network.predict(given(x, steps), T), answers)


def test_inputs_are_standardised_by_constants_that_are_saved(tmp_path):
    network = made("many-to-one").float()
    x = torch.randn(B, T, D)
    plain = network(x)
    network.standardise(inputs=([1.0, -2.0], [0.5, 4.0]))
    scaled = x * torch.tensor([0.5, 4.0]) + torch.tensor([1.0, -2.0])
    torch.testing.assert_close(network(scaled), plain, rtol=1e-4, atol=1e-5)
    network.save(tmp_path / "model")
    torch.testing.assert_close(recnn.load(tmp_path / "model")(scaled), network(scaled), rtol=0, atol=0)


def test_a_wrong_number_of_dimensions_is_named():
    with pytest.raises(ValueError, match=r"expected x with 3 dimensions for many-to-one, got shape \(3, 2\)"):
        made("many-to-one")(torch.randn(3, 2).double())
