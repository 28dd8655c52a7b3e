"""Every cell and engine with weights and inputs on a device other than that of the graph, see `tests.devices`."""

from random import Random

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import recnn
from recnn.engines import fused
from tests.devices import Elsewhere, elsewhere
from tests.recnn.cells.test_contract import (
    VARIANTS,
    assert_same,
    each_kernel,
    each_variant,
    made,
    random_forest,
    random_rows,
    with_gradients,
)


@pytest.fixture
def fused_there(monkeypatch):
    """Let the fused engine run on the pretended device, whose tensors inference mode does not know."""
    monkeypatch.setattr(fused, "can_run", lambda x: True)
    monkeypatch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad())


each_cell = pytest.mark.parametrize("variant", [(kind, options[0]) for kind, options in VARIANTS.items()])
each_direction = pytest.mark.parametrize(("direction", "begun"), [("up", True), ("down", False)])


def there(part):
    return part.detach().to("meta").requires_grad_(part.requires_grad)


def to_host(parts):
    assert all(type(part) is Elsewhere for part in parts)
    return [part.detach().to("cpu") for part in parts]


def check_states_and_gradients(variant, direction, begun, engine="levels"):
    cell = made(variant)
    graph = random_forest(Random(9), cell.arity, trees=4)
    x, initial = random_rows(graph, cell)
    x.data.nan_to_num_(0)

    def propagated(*arguments):
        return recnn.propagate(*arguments, engine=engine)

    expected = with_gradients(propagated, cell, graph, x, direction, initial if begun else None)
    with elsewhere() as device:
        case = made(variant).to("meta"), graph, there(x), direction, cell.State(*map(there, initial)) if begun else None
        found = with_gradients(propagated, *case)
        for one, other in zip(found, expected, strict=True):
            assert_same(to_host(one), other, 1e-12)
    return device.reads


@each_variant
@each_direction
def test_any_cell_without_waiting_for_the_device(variant, direction, begun):
    assert not check_states_and_gradients(variant, direction, begun)


@each_kernel
@each_direction
def test_kernels_without_waiting_for_the_device(variant, direction, begun, fused_there):
    assert not check_states_and_gradients(variant, direction, begun)


@each_cell
@each_direction
def test_message_passing_in_host_memory(variant, direction, begun):
    check_states_and_gradients(variant, direction, begun, "dgl")


@pytest.mark.parametrize("direction", ["up", "both"])
@pytest.mark.parametrize("variational", [True, False])
def test_an_encoder(direction, variational):
    graph = random_forest(Random(9), 2, trees=4)
    torch.manual_seed(0)
    encoder = recnn.Encoder(recnn.LSTMCell(5, 4), 2, direction, dropout=0.5, variational=variational)
    x = torch.randn(graph.num_nodes(), 5)
    expected = encoder.eval()(graph, x)
    with elsewhere() as device:
        encoder.to("meta")
        found = encoder(graph, x.to("meta"))
        for one, other in zip(
            (found.h, found.roots, *found.final()), (expected.h, expected.roots, *expected.final()), strict=True
        ):
            assert_same(to_host([one]), [other], 1e-6)
        encoder.train()(graph, x.to("meta")).h.sum().backward()
    assert not device.reads


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", [recnn.RNN, recnn.LSTM, recnn.GRU])
def test_sequences(kind, packed, bidirectional):
    torch.manual_seed(0)
    network = kind(5, 4, num_layers=2, bidirectional=bidirectional)
    parts = [torch.randn(length, 5) for length in (3, 6, 1)]
    input = pack_sequence(parts, enforce_sorted=False) if packed else torch.stack([torch.randn(4, 5)] * 3)
    output, state = network(input)
    with elsewhere() as device:
        network.to("meta")
        given = input.to("meta")
        output_there, state_there = network(given)
        if packed:
            output, output_there = output.data, output_there.data
        pairs = zip(
            [output_there, *(state_there if isinstance(state, tuple) else [state_there])],
            [output, *(state if isinstance(state, tuple) else [state])],
            strict=True,
        )
        for one, other in pairs:
            assert_same(to_host([one]), [other], 1e-6)
        output_there.sum().backward()
    assert not device.reads


def test_a_forgotten_copy_is_an_error():
    """What these tests are worth: an index or a mask in host memory is found."""
    with elsewhere():
        rows = torch.zeros(3, 2).to("meta")
        with pytest.raises(RuntimeError, match="in host memory"):
            rows.index_select(0, torch.tensor([1]))
        with pytest.raises(RuntimeError, match="in host memory"):
            rows.masked_fill(torch.tensor([True, False, True]).unsqueeze(1), 0)
