"""Cells with one child equal torch's cells; cells over chains equal torch's recurrent networks."""

import pytest
import torch
from torch import nn

import recnn

D, H, B, T = 3, 4, 2, 5
PAIRS = {
    "tanh": (recnn.RecursiveCell, nn.RNNCell, nn.RNN, {}),
    "relu": (recnn.RecursiveCell, nn.RNNCell, nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (recnn.LSTMCell, nn.LSTMCell, nn.LSTM, {}),
    "gru": (recnn.GRUCell, nn.GRUCell, nn.GRU, {}),
}
each_pair = pytest.mark.parametrize("name", PAIRS)
each_arity = pytest.mark.parametrize("arity", [1, "sum"])
each_bias = pytest.mark.parametrize("bias", [True, False])
each_dtype = pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])


def pair(name, arity, bias=True, dtype=torch.float64):
    """Our cell and torch's, with the same parameters."""
    ours, theirs, _, options = PAIRS[name]
    torch.manual_seed(0)
    cell = ours(D, H, arity=arity, bias=bias, **options).to(dtype)
    other = theirs(D, H, bias=bias, dtype=dtype, **options)
    other.load_state_dict(cell.state_dict())
    return cell, other


def random_state(name, shape, dtype=torch.float64):
    parts = [torch.randn(*shape, H, dtype=dtype, requires_grad=True) for _ in range(2 if name == "lstm" else 1)]
    return tuple(parts) if name == "lstm" else parts[0]


def parts_of(state):
    return [state] if torch.is_tensor(state) else list(state)


def gradients(outputs, inputs):
    return torch.autograd.grad(sum((part * part.detach().cos()).sum() for part in outputs), inputs)


def assert_same(actual, expected, atol):
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


@each_pair
@each_arity
@each_bias
def test_state_dicts_go_both_ways(name, arity, bias):
    cell, other = pair(name, arity, bias)
    assert list(cell.state_dict()) == list(other.state_dict())
    nn.init.normal_(other.weight_hh)
    cell.load_state_dict(other.state_dict())
    assert torch.equal(cell.weight_hh, other.weight_hh)


@each_pair
@each_arity
@each_bias
@each_dtype
@pytest.mark.parametrize("shape", [(B,), ()], ids=["batched", "unbatched"])
@pytest.mark.parametrize("begun", [True, False])
def test_a_step_equals_torch(name, arity, bias, dtype, atol, shape, begun):
    cell, other = pair(name, arity, bias, dtype)
    x = torch.randn(*shape, D, dtype=dtype, requires_grad=True)
    state = random_state(name, shape, dtype) if begun else None
    found, expected = cell(x, state), other(x, state)
    assert type(found) is type(expected)
    inputs = [x, *(parts_of(state) if begun else [])]
    assert_same(parts_of(found), parts_of(expected), atol)
    assert_same(
        gradients(parts_of(found), [*inputs, *cell.parameters()]),
        gradients(parts_of(expected), [*inputs, *other.parameters()]),
        4 * atol,
    )


@each_pair
@each_arity
@each_bias
@pytest.mark.parametrize("begun", [True, False])
def test_chains_equal_torch(name, arity, bias, begun):
    cell, _ = pair(name, arity, bias)
    network = PAIRS[name][2](D, H, bias=bias, batch_first=True, dtype=torch.float64, **PAIRS[name][3])
    network.load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
    graph = recnn.batch([recnn.sequence_to_graph(["word"] * T) for _ in range(B)])
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    state = random_state(name, (B,)) if begun else None
    above = None if state is None else tuple(part[None] for part in parts_of(state))
    expected, last = network(x, above if name == "lstm" or above is None else above[0])
    found = recnn.propagate(cell, graph, x.flatten(0, 1), initial=state)
    inputs = [x, *(parts_of(state) if begun else [])]
    assert_same([found.hidden.view(B, T, H)], [expected], 1e-12)
    assert_same([part.view(B, T, H)[:, -1] for part in found], [part[0] for part in parts_of(last)], 1e-12)
    assert_same(
        gradients([found.hidden], [*inputs, *cell.parameters()]),
        gradients([expected.flatten(0, 1)], [*inputs, *network.parameters()]),
        1e-12,
    )


@each_pair
def test_chains_of_any_lengths_equal_a_packed_sequence(name):
    cell, _ = pair(name, 1)
    network = PAIRS[name][2](D, H, dtype=torch.float64, **PAIRS[name][3])
    network.load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
    lengths = [2, 5, 1, 3]
    rows = [torch.randn(length, D, dtype=torch.float64) for length in lengths]
    graph = recnn.batch([recnn.sequence_to_graph(["word"] * length) for length in lengths])
    found = recnn.propagate(cell, graph, torch.cat(rows)).hidden.split(lengths)
    packed, _ = network(nn.utils.rnn.pack_sequence(rows, enforce_sorted=False))
    assert_same(found, nn.utils.rnn.unpack_sequence(packed), 1e-12)


@each_pair
def test_down_a_chain_is_from_its_end(name):
    cell, _ = pair(name, 1)
    graph = recnn.sequence_to_graph(["word"] * T)
    x = torch.randn(T, D, dtype=torch.float64)
    backwards = recnn.propagate(cell, graph, x.flip(0)).hidden.flip(0)
    assert_same([recnn.propagate(cell, graph, x, "down").hidden], [backwards], 1e-12)


@each_pair
@pytest.mark.parametrize("shape", [(B, D + 1), (D - 1,), (B, B, D), ()])
def test_x_of_another_shape(name, shape):
    cell, _ = pair(name, 1)
    with pytest.raises(ValueError, match=rf"expected x of \(B, {D}\) or \({D},\), got \({', '.join(map(str, shape))}"):
        cell(torch.zeros(shape, dtype=torch.float64))


@each_pair
@pytest.mark.parametrize("shape", [(B, H + 1), (B + 1, H), (1, H), (H,)])
def test_a_state_of_another_shape(name, shape):
    cell, _ = pair(name, 1)
    state = [torch.zeros(shape, dtype=torch.float64) for _ in cell.State._fields]
    with pytest.raises(ValueError, match=rf"\({B}, {H}\)"):
        cell(torch.zeros(B, D, dtype=torch.float64), state[0] if len(state) == 1 else tuple(state))


def test_a_state_of_another_number_of_parts():
    lstm, gru = recnn.LSTMCell(D, H, 1), recnn.GRUCell(D, H, 1)
    x, h = torch.zeros(B, D), torch.zeros(B, H)
    for cell, state in ((lstm, h), (lstm, (h, h, h)), (gru, (h, h))):
        with pytest.raises(ValueError, match=rf"\({B}, {H}\)"):
            cell(x, state)


@each_pair
def test_a_step_takes_one_child(name):
    cell = PAIRS[name][0](D, H, arity=2)
    with pytest.raises(ValueError, match="one child, got arity 2"):
        cell(torch.zeros(B, D))
