"""torch's functions for sequences in place of our loop: the same results, and taken where they should be."""

from itertools import product

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import recnn
from recnn.engines import torch_kernels

KINDS = [recnn.RNN, recnn.LSTM, recnn.GRU]
each_kind = pytest.mark.parametrize("kind", KINDS)
D, H, F64 = 5, 4, torch.float64


def inputs_of(layout):
    torch.manual_seed(1)
    if layout == "packed":
        return pack_sequence([torch.randn(n, D, dtype=F64) for n in (3, 6, 1)], enforce_sorted=False)
    return torch.randn(*((6, D) if layout == "unbatched" else (6, 3, D)), dtype=F64)


def tensors_of(found):
    if isinstance(found, PackedSequence):
        return [found.data]
    return [found] if isinstance(found, torch.Tensor) else [part for one in found for part in tensors_of(one)]


def with_gradients(network, input, state):
    """Outputs, final states, and the gradients of the weights, the inputs and the initial states."""
    packed = isinstance(input, PackedSequence)
    x = (input.data if packed else input).detach().requires_grad_()
    given = input._replace(data=x) if packed else x
    state = None if state is None else [part.detach().requires_grad_() for part in state]
    found = tensors_of(network(given, state if state is None else tuple(state) if len(state) > 1 else state[0]))
    wanted = [x, *network.parameters(), *(state or ())]
    return found, torch.autograd.grad(sum((part**2).sum() for part in found), wanted)


@each_kind
@pytest.mark.parametrize("layout", ["padded", "batch first", "unbatched", "packed"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}, {"proj_size": 2}])
@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_all_engines_give_the_same(kind, layout, options, return_sequences, begun):
    if "proj_size" in options and kind is not recnn.LSTM:
        options = {"num_layers": 3}
    options = {**options, "batch_first": layout == "batch first", "return_sequences": return_sequences, "dtype": F64}
    by_torch, *others = (kind(D, H, engine=engine, **options) for engine in ("torch", "levels", "dgl"))
    input = inputs_of(layout)
    state = [torch.randn_like(part) for part in tensors_of(by_torch(input)[1])] if begun else None
    expected = with_gradients(by_torch, input, state)
    for other in others:
        other.load_state_dict(by_torch.state_dict())
        for some, wanted in zip(with_gradients(other, input, state), expected, strict=True):
            for one, right in zip(some, wanted, strict=True):
                torch.testing.assert_close(one, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize("arity", [1, "sum"])
@pytest.mark.parametrize("kind", [recnn.RecursiveCell, recnn.LSTMCell, recnn.GRUCell])
def test_networks_of_cells(kind, arity):
    cells = [kind(D, H, arity).double(), kind(H, H, arity).double()]
    networks = [recnn.Recurrent(cells, engine=engine) for engine in ("torch", "levels")]
    for one, other in zip(*(with_gradients(network, inputs_of("packed"), None) for network in networks), strict=True):
        for found, expected in zip(one, other, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@each_kind
def test_dropout_draws_the_masks_of_torch(kind):
    ours, theirs = kind(D, H, 3, dropout=0.5, engine="torch"), getattr(nn, kind.__name__)(D, H, 3, dropout=0.5)
    theirs.load_state_dict(ours.state_dict())
    x, found = torch.randn(6, 3, D), []
    for network in (ours, theirs):
        torch.manual_seed(3)
        found.append(network(x)[0])
    assert torch.equal(*found)


@pytest.fixture
def calls(monkeypatch):
    """The calls of torch's functions."""
    made = []

    def noted(function):
        return lambda *arguments: (made.append(arguments), function(*arguments))[1]

    for name in ("lstm", "gru", "rnn_tanh"):
        monkeypatch.setattr(torch._VF, name, noted(getattr(torch._VF, name)))
    monkeypatch.setattr(torch_kernels, "LSTM_FUNCTION", torch._VF.lstm)
    return made


@each_kind
def test_auto_takes_torch_without_gradients(kind, calls):
    network = kind(D, H, dtype=F64)
    for layout in ("padded", "packed"):
        with torch.no_grad():
            network(inputs_of(layout))
    network.requires_grad_(False)
    network(inputs_of("packed"))
    assert len(calls) == 3
    network(inputs_of("padded").requires_grad_())
    assert len(calls) == 3


@each_kind
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_auto_takes_onednn_with_gradients(kind, dtype, calls):
    network, taken = kind(D, H, dtype=dtype), kind is recnn.LSTM and dtype == torch.float32
    network(torch.randn(6, 3, D, dtype=dtype))
    network(pack_sequence([torch.randn(6, D, dtype=dtype)] * 3))
    assert len(calls) == 2 * taken
    network(pack_sequence([torch.randn(length, D, dtype=dtype) for length in (6, 5)]))
    assert len(calls) == 2 * taken


def test_onednn_has_no_projections(calls):
    recnn.LSTM(D, H, proj_size=2)(torch.randn(6, 3, D))
    assert not calls


@each_kind
def test_auto_leaves_transforms_and_probes_to_our_loop(kind, calls):
    network, x = kind(D, H, dtype=F64), inputs_of("padded")
    weights = {name: weight.detach() for name, weight in network.named_parameters()}

    def loss(weights, x):
        return torch.func.functional_call(network, weights, (x,))[0].square().sum()

    torch.func.grad(loss)(weights, x)
    torch.func.vmap(lambda x: loss(weights, x))(torch.stack([x, x]))
    assert not calls
    recnn.gradient_norms(network, inputs_of("unbatched"))
    assert not calls


@each_kind
def test_auto_in_fake_mode_and_under_autocast(kind, calls):
    network, x = kind(D, H), torch.randn(6, 30, D)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)[0]
    assert not calls  # oneDNN lacks bfloat16 on some processors
    expected = network(x)[0]
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    calls.clear()
    mode = FakeTensorMode()
    with mode:
        assert kind(D, H)(mode.from_tensor(x))[0].shape == expected.shape
    assert kind(D, H, device="meta")(x.to("meta"))[0].shape == expected.shape
    assert len(calls) == 2


@each_kind
@pytest.mark.parametrize("engine", ["auto", "levels"])
def test_functional_call_gives_what_torch_gives(kind, engine):
    ours, theirs = kind(D, H, 2, engine=engine, dtype=F64), getattr(nn, kind.__name__)(D, H, 2, dtype=F64)
    weights = {name: torch.randn_like(weight).requires_grad_() for name, weight in ours.named_parameters()}
    x, found = inputs_of("padded").requires_grad_(), []
    for network in (ours, theirs):
        outputs = tensors_of(torch.func.functional_call(network, weights, (x,)))
        loss = sum((part**2).sum() for part in outputs)
        found.append([*outputs, *torch.autograd.grad(loss, [x, *weights.values()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@each_kind
def test_gradients_under_autocast_are_those_of_torch_to_bfloat16(kind):
    ours, theirs = kind(D, H), getattr(nn, kind.__name__)(D, H)
    theirs.load_state_dict(ours.state_dict())
    x = inputs_of("padded").float()
    with torch.autocast("cpu", torch.bfloat16):
        found = with_gradients(ours, x, None)[1]
    for one, other in zip(found, with_gradients(theirs, x, None)[1], strict=True):
        assert one.dtype == other.dtype
        assert (one - other).norm() < 0.03 * other.norm()


@each_kind
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2, "batch_first": True}])
def test_export(kind, options):
    network, x = kind(D, H, **options).eval(), torch.randn(6, 3, D)
    exported = torch.export.export(network, (x,)).module()
    for found, expected in zip(tensors_of(exported(x)), tensors_of(network(x)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


UNLIKE_TORCH = [
    (recnn.LSTM, {"peepholes": True}),
    (recnn.LSTM, {"layer_norm": True}),
    (recnn.LSTM, {"forget_gate": False}),
    (recnn.LSTM, {"return_cell_states": True}),
    (recnn.GRU, {"reset_after": False}),
    (recnn.GRU, {"zoneout": 0.1}),
    (recnn.RNN, {"recurrent_dropout": 0.1}),
    (recnn.RNN, {"residual": True}),
    (recnn.RNN, {"bidirectional": True, "merge_mode": "sum"}),
    (recnn.RNN, {"num_layers": 2, "variational": True}),
]


@pytest.mark.parametrize(("kind", "options"), UNLIKE_TORCH)
def test_what_torch_lacks_runs_in_our_loop(kind, options, calls):
    with pytest.raises(ValueError, match="engine='torch' needs cells with the equations"):
        kind(D, H, engine="torch", **options)
    with torch.no_grad():
        kind(D, H, **options)(torch.randn(6, 3, D))
    assert not calls


@each_kind
def test_the_loop_is_chosen_by_name(kind, calls):
    for engine, bidirectional in product(["levels", "torch"], [True, False]):
        with torch.no_grad():
            kind(D, H, engine=engine, bidirectional=bidirectional)(torch.randn(6, 3, D))
    assert len(calls) == 2
    with pytest.raises(ValueError, match="engine must be one of 'auto', 'levels', 'torch', 'dgl', got 'cudnn'"):
        kind(D, H, engine="cudnn")
