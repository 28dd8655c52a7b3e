"""recnn.RNN, LSTM and GRU own their parameters under torch.nn's names: what works on those of torch works on ours."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import recnn

KINDS = ["RNN", "LSTM", "GRU"]
F64 = torch.float64
every_kind = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")


def pair(kind, **options):
    """A network of torch.nn and ours, of two layers in two directions, from the same seed."""
    options = {"num_layers": 2, "bidirectional": True, "dtype": F64, **options}
    made = []
    for module in (nn, recnn):
        torch.manual_seed(1)
        made.append(getattr(module, kind)(3, 4, **options))
    return made


def inputs():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(5, 2, 3, dtype=F64, generator=generator, requires_grad=True)


def outcome(module, x):
    """The output, and the gradients of the inputs and of all parameters by name."""
    module.zero_grad()
    output = module(x)[0]
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    (d_x,) = torch.autograd.grad((output * weight).sum(), x, retain_graph=True)
    (output * weight).sum().backward()
    x.grad = None
    return {"output": output, "x": d_x} | {name: p.grad for name, p in module.named_parameters()}


def assert_same(theirs, ours, x=None):
    x = inputs() if x is None else x
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        expected, found = outcome(theirs, x), outcome(ours, x)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name] is None) == (value is None), name
        if value is not None:
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda text, n=name: f"{n}: {text}")


@every_kind
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_seed_draws_the_same_parameters(kind, bias):
    theirs, ours = pair(kind, bias=bias)
    for module in (theirs, ours):
        assert [name for name, _ in module.named_parameters()] == list(module.state_dict())
    assert list(theirs.state_dict()) == list(ours.state_dict())
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    for module in (theirs, ours):
        torch.manual_seed(7)
        module.reset_parameters()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    for name, parameter in ours.named_parameters():
        assert getattr(ours, name) is parameter
    assert [[id(p) for p in layer] for layer in ours.all_weights] == [
        [id(getattr(ours, name)) for name in layer] for layer in theirs._all_weights
    ]
    assert isinstance(ours, nn.RNNBase)


def assign(module):
    module.weight_hh_l0 = nn.Parameter(torch.eye(4, dtype=F64).repeat(len(module.weight_hh_l0) // 4, 1))


def tie(module):
    module.weight_hh_l1 = module.weight_hh_l0
    module.weight_hh_l1_reverse = module.weight_hh_l0_reverse


def drop(module):
    """Weight drop (Merity et al. 2018): the weight is deleted, and a plain tensor takes its place."""
    raw = module.weight_hh_l0
    del module.weight_hh_l0
    module.register_parameter("weight_hh_l0_raw", nn.Parameter(raw.data))
    mask = torch.linspace(0, 1, raw.numel(), dtype=F64).view_as(raw) > 0.5
    module.register_forward_pre_hook(lambda m, _: setattr(m, "weight_hh_l0", m.weight_hh_l0_raw * mask))


def drop_in_parameters(module):
    """Weight drop as fastai does it: a plain tensor in ``_parameters``."""
    module.register_parameter("weight_hh_l0_raw", nn.Parameter(module.weight_hh_l0.data))
    del module.weight_hh_l0
    hook = lambda m, _: setattr(m, "weight_hh_l0", m.weight_hh_l0_raw.tanh())  # noqa: E731
    module.register_forward_pre_hook(hook)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight / 3  # not the inverse: the weight is seen to change


def parametrised(module):
    parametrize.register_parametrization(module, "weight_hh_l0", Doubled())
    parametrize.register_parametrization(module, "weight_ih_l1_reverse", Doubled())


def initialised_by_name(module):
    for name, parameter in module.named_parameters():
        if "weight_hh" in name:
            torch.manual_seed(3)
            nn.init.orthogonal_(parameter)
        elif "bias" in name:
            nn.init.constant_(parameter, 0.25)


def frozen(module):
    module.weight_ih_l0.requires_grad_(False)


def replaced_data(module):
    module.weight_hh_l1.data = module.weight_hh_l1.data * 2
    module.bias_hh_l0.data.fill_(1)


CHANGES = {
    "assigned": assign,
    "tied": tie,
    "weight drop": drop,
    "weight drop in _parameters": drop_in_parameters,
    "weight norm": lambda m: nn.utils.weight_norm(m, "weight_hh_l0"),
    "weight norm, all rows": lambda m: nn.utils.weight_norm(m, "weight_ih_l1", dim=None),
    "parametrized weight norm": lambda m: parametrizations.weight_norm(m, "weight_hh_l0"),
    "spectral norm": lambda m: nn.utils.spectral_norm(m, "weight_hh_l0"),
    "orthogonal": lambda m: parametrizations.orthogonal(m, "weight_hh_l0"),
    "pruned": lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5),
    "pruned bias": lambda m: prune.l1_unstructured(m, "bias_ih_l1", 2),
    "parametrized": parametrised,
    "initialised by name": initialised_by_name,
    "frozen": frozen,
    "data replaced": replaced_data,
    "loaded by assignment": lambda m: m.load_state_dict(
        {name: torch.full_like(value, 0.1) for name, value in m.state_dict().items()}, assign=True
    ),
}


@every_kind
@pytest.mark.parametrize("change", CHANGES)
def test_changed_in_any_way_the_results_are_torchs(kind, change):
    theirs, ours = pair(kind)
    before = ours(inputs())[0]
    for module in (theirs, ours):
        torch.manual_seed(5)
        CHANGES[change](module)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for _ in range(2):
        assert_same(theirs, ours)
        for module in (theirs, ours):  # a step of gradient descent, after which it still holds
            torch.optim.SGD(module.parameters(), 0.1).step()
    assert not torch.allclose(ours(inputs())[0], before)


@every_kind
def test_a_parametrization_is_computed_once_in_a_pass(kind):
    """With spectral normalisation each evaluation in training is a step of a power iteration."""
    calls = []

    class Counted(nn.Module):
        def forward(self, weight):
            calls.append(1)
            return weight * torch.rand(())

    module = getattr(recnn, kind)(3, 4, dtype=F64)
    x = inputs()
    parametrize.register_parametrization(module, "weight_hh_l0", Counted())
    for options in ({}, {"layer_norm": True}):
        module = getattr(recnn, kind)(3, 4, dtype=F64, **options)
        parametrize.register_parametrization(module, "weight_hh_l0", Counted())
        module.flatten_parameters()
        calls.clear()
        with parametrize.cached():
            expected = module(x)[0]
            assert len(calls) == 1
            assert torch.equal(module(x)[0], expected)
        assert not torch.equal(module(x)[0], expected)


@every_kind
def test_functional_calls(kind):
    theirs, ours = pair(kind)
    x = inputs()
    values = {name: torch.randn_like(p).requires_grad_() for name, p in theirs.named_parameters()}
    found = []
    for module in (theirs, ours):
        output = torch.func.functional_call(module, values, (x,))[0]
        found.append([output, *torch.autograd.grad(output.square().sum(), [x, *values.values()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="weight_hh_l9"):
        torch.func.functional_call(ours, {"weight_hh_l9": values["weight_hh_l0"]}, (x,), strict=True)


@every_kind
def test_two_steps_of_learning_in_a_functional_call(kind):
    """Second derivatives with respect to the tensors of the call, as in MAML (Finn et al. 2017)."""
    theirs, ours = pair(kind, num_layers=1)
    x, found = inputs(), []
    for module in (theirs, ours):
        weights = dict(module.named_parameters())
        for _ in range(2):
            loss = torch.func.functional_call(module, weights, (x,))[0].square().sum()
            steps = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {n: w - 0.1 * step for (n, w), step in zip(weights.items(), steps, strict=True)}
        loss = torch.func.functional_call(module, weights, (x,))[0].square().sum()
        found.append(torch.autograd.grad(loss, list(module.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@every_kind
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, parametrizations.weight_norm], ids=["old", "parametrized"])
def test_second_derivatives_through_a_computed_weight(kind, norm):
    theirs, ours = pair(kind, num_layers=1)
    found = []
    for module in (theirs, ours):
        norm(module, "weight_hh_l0")
        x = inputs()
        loss = module(x)[0].square().sum()
        module(2 * x)  # another pass computes another weight
        (d_x,) = torch.autograd.grad(loss, x, create_graph=True)
        found.append(torch.autograd.grad(d_x.square().sum(), list(module.parameters()), allow_unused=True))
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def pickled(module):
    return pickle.loads(pickle.dumps(module))


def saved(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "torch.save": saved,
    "in a model": lambda m: copy.deepcopy(nn.ModuleDict({"net": m}))["net"],
    "twice": lambda m: pickled(copy.deepcopy(m)),
}


@every_kind
@pytest.mark.parametrize("how", COPIES)
def test_copies_have_weights_of_their_own(kind, how):
    module = getattr(recnn, kind)(3, 4, 2, bidirectional=True, dtype=F64)
    x = inputs()
    expected = module(x)[0]
    other = COPIES[how](module)
    assert torch.equal(other(x)[0], expected)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(other(x)[0], expected)
    other.weight_hh_l1 = nn.Parameter(torch.zeros_like(other.weight_hh_l1))
    assert not torch.equal(other(x)[0], expected)


@every_kind
def test_copies_of_parametrized_networks(kind):
    module = getattr(recnn, kind)(3, 4, dtype=F64)
    parametrizations.weight_norm(module, "weight_hh_l0")
    x = inputs()
    expected = module(x)[0]
    other = copy.deepcopy(module)
    with torch.no_grad():
        module.parametrizations.weight_hh_l0.original0.zero_()
    assert torch.equal(other(x)[0], expected)
    assert not torch.equal(module(x)[0], expected)
    parametrize.remove_parametrizations(other, "weight_hh_l0")
    torch.testing.assert_close(other(x)[0], expected)


@every_kind
def test_a_shallow_copy_has_the_weights_that_it_is_given(kind):
    """As in `torch.nn.DataParallel`, whose replicas share all but their weights."""
    module = getattr(recnn, kind)(3, 4, dtype=F64)
    x = inputs()
    expected = module(x)[0]
    replica = copy.copy(module)
    replica.__dict__["_parameters"] = {name: 2 * p for name, p in module.named_parameters()}
    changed = replica(x)[0]
    assert not torch.allclose(changed, expected)
    assert torch.equal(module(x)[0], expected)
    assert torch.equal(replica(x)[0], changed)


@every_kind
def test_moves(kind):
    theirs, ours = pair(kind)
    x = inputs().detach().requires_grad_()
    for module in (theirs, ours):
        module.float()
    single = x.detach().float().requires_grad_()
    torch.testing.assert_close(ours(single)[0], theirs(single)[0])
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    assert_same(theirs.double(), ours.double(), x)
    for module in (theirs.to(torch.bfloat16), ours.to(torch.bfloat16)):
        assert module(x.bfloat16())[0].dtype == torch.bfloat16
    assert ours.half().weight_hh_l0.dtype == torch.float16
    assert ours.to("meta").weight_hh_l0.is_meta
    assert ours.to_empty(device="cpu").weight_hh_l0.device.type == "cpu"
    shared = getattr(recnn, kind)(3, 4)
    shared.share_memory()
    assert all(parameter.is_shared() for parameter in shared.parameters())


@every_kind
def test_state_dicts_that_do_not_fit_are_named(kind):
    theirs, ours = pair(kind)
    state = theirs.state_dict()
    wrong = {
        "missing": {name: value for name, value in state.items() if name != "weight_hh_l1"},
        "unexpected": state | {"weight_hh_l7": torch.zeros(1)},
        "shape": state | {"bias_ih_l0": torch.zeros(3, dtype=F64)},
    }
    for entries in wrong.values():
        messages = []
        for module in (theirs, ours):
            with pytest.raises(RuntimeError) as raised:
                module.load_state_dict(entries)
            messages.append(str(raised.value))
        assert messages[0] == messages[1]
        assert str(ours.load_state_dict(wrong["missing"], strict=False)) == str(
            theirs.load_state_dict(wrong["missing"], strict=False)
        )


@every_kind
def test_a_tensor_in_place_of_a_parameter_is_refused_as_in_torch(kind):
    messages = []
    for module in pair(kind):
        with pytest.raises(TypeError) as raised:
            module.weight_hh_l0 = torch.zeros(4, 4)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


@every_kind
def test_weights_of_a_wrong_shape_or_deleted_are_errors(kind):
    module = getattr(recnn, kind)(3, 4)
    rows = len(module.weight_hh_l0)
    module.weight_hh_l0 = nn.Parameter(torch.zeros(2 * rows, 4))
    with pytest.raises(RuntimeError, match=rf"weight_hh_l0 must be a tensor of \({rows}, 4\), got \({2 * rows}, 4\)"):
        module(torch.zeros(5, 2, 3))
    del module.weight_hh_l0
    with pytest.raises(AttributeError, match="weight_hh_l0"):
        module(torch.zeros(5, 2, 3))


def test_the_cells_have_the_weights_of_the_network():
    module = recnn.LSTM(3, 4, 2, bidirectional=True)
    names = [name for name, _ in module.encoder.cells[3].named_parameters()]
    assert names == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    cell = module.encoder.cells[3]
    for name in names:
        assert getattr(cell, name) is getattr(module, f"{name}_l1_reverse")
    assert {id(p) for p in module.encoder.parameters()} == {id(p) for p in module.parameters()}
    cell.weight_hh = nn.Parameter(torch.ones(16, 4))
    assert module.weight_hh_l1_reverse is cell.weight_hh
    del cell.bias_hh
    assert not hasattr(module, "bias_hh_l1_reverse")
    module.encoder.requires_grad_(False)
    assert not any(p.requires_grad for p in module.parameters())
    another = cell.another(5)
    assert another.weight_ih.shape == (16, 5)
    assert another.weight_hh is not cell.weight_hh


def test_a_cell_of_a_network_that_is_gone_keeps_its_weights():
    cell = recnn.GRU(3, 4).encoder.cells[0]
    assert cell(torch.zeros(2, 3)).shape == (2, 4)
    other = pickled(cell)
    assert torch.equal(other(torch.ones(2, 3)), cell(torch.ones(2, 3)))


OTHERS = {
    "peepholes": ("LSTM", {"peepholes": True}, {"peephole_i_l0", "peephole_f_l0", "peephole_o_l0"}),
    "no forget gate": ("LSTM", {"forget_gate": False}, set()),
    "coupled": ("LSTM", {"coupled": True}, set()),
    "layer norm": ("LSTM", {"layer_norm": True}, {"gain_ih_l0", "gain_hh_l0", "gain_c_l0", "bias_c_l0"}),
    "layer norm of a GRU": ("GRU", {"layer_norm": True}, {"gain_ih_l0", "gain_hh_l0"}),
    "wrapped": ("GRU", {"recurrent_dropout": 0.5, "zoneout": 0.5}, set()),
    "merged": ("RNN", {"merge_mode": "sum"}, set()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_options_that_torch_does_not_have_add_parameters_with_such_names(name):
    kind, options, more = OTHERS[name]
    module = getattr(recnn, kind)(3, 4, 2, bidirectional=True, dtype=F64, **options)
    names = [name for name, _ in module.named_parameters()]
    assert names == list(module.state_dict())
    plain = set(dict(getattr(nn, kind)(3, 4, 2, bidirectional=True).named_parameters()))
    first = {n for n in names if n.endswith("_l0")}
    assert first == more | {n for n in plain if n.endswith("_l0")}
    assert all(p.dtype == F64 for p in module.parameters())
    module.eval()
    x = inputs()
    expected = module(x)[0]
    fresh = getattr(recnn, kind)(3, 4, 2, bidirectional=True, dtype=F64, **options).eval()
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(fresh(x)[0], expected)
    for parameter in module.parameters():
        assert torch.autograd.grad(module(x)[0].sum(), parameter)[0].any()
    parametrizations.weight_norm(module, "weight_hh_l1_reverse")
    torch.testing.assert_close(module(x)[0], expected)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.fill_(9)
    fresh.reset_parameters()
    for n, parameter in fresh.named_parameters():
        if n.startswith("gain"):
            assert (parameter == 1).all()
        elif n.startswith("bias_c"):
            assert not parameter.any()
        else:
            assert 0 < parameter.abs().max() <= 0.5


@every_kind
def test_attributes_are_those_of_torch(kind):
    options = {"dropout": 0.25, "batch_first": True}
    theirs, ours = pair(kind, **options)
    public = [name for name in {*vars(theirs), *vars(nn.RNNBase)} if not name.startswith("_")]
    for name in (*public, *(n for n in dir(type(theirs)) if not n.startswith("_"))):
        assert hasattr(ours, name), name
    for name in ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.proj_size == theirs.proj_size
    assert ours.extra_repr() == theirs.extra_repr()


@every_kind
def test_attributes_that_are_settable_act(kind):
    theirs, ours = pair(kind)
    x = torch.ones(5, 2, 3, dtype=F64)
    assert torch.equal(ours(x)[0], ours(x)[0])
    for module in (theirs, ours):
        module.dropout = 0.9
        assert not torch.equal(module(x)[0], module(x)[0])
        module.dropout = 1.0
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    for module in (theirs, ours):
        module.dropout, module.batch_first = 0.0, True
    torch.testing.assert_close(ours(x)[1], theirs(x)[1])


def test_the_mode_of_an_rnn_can_be_set():
    theirs, ours = pair("RNN")
    for module in (theirs, ours):
        module.mode = "RNN_RELU"
    assert_same(theirs, ours)
    assert ours.nonlinearity == "relu"
    ours.nonlinearity = "tanh"
    assert ours.mode == "RNN_TANH"
    theirs.mode = "RNN_TANH"
    assert_same(theirs, ours)
    with pytest.raises(ValueError, match="Unknown nonlinearity 'sigmoid'"):
        ours.nonlinearity = "sigmoid"


@pytest.mark.parametrize(("name", "value"), [("bias", False), ("num_layers", 1), ("hidden_size", 5)])
@every_kind
def test_attributes_that_are_fixed_say_so(kind, name, value):
    _, ours = pair(kind)
    setattr(ours, name, value)
    with pytest.raises(RuntimeError, match=f"{name} cannot be changed after construction"):
        ours(inputs())


@every_kind
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_layers": 0}, ValueError),
        ({"hidden_size": -1}, ValueError),
        ({"hidden_size": 2.0}, TypeError),
        ({"input_size": 0}, ValueError),
        ({"dropout": 1.5}, ValueError),
        ({"dropout": True}, ValueError),
        ({"bias": 1}, TypeError),
        ({"batch_first": "yes"}, TypeError),
        ({"proj_size": -1}, ValueError),
        ({"proj_size": 4}, ValueError),
        ({"nonlinearity": "sigmoid"}, (ValueError, TypeError)),
    ],
    ids=str,
)
def test_wrong_options_have_torchs_messages(kind, options, error):
    messages = []
    for module in (nn, recnn):
        with pytest.raises(error) as raised:
            getattr(module, kind)(**{"input_size": 3, "hidden_size": 4, **options})
        messages.append((type(raised.value), str(raised.value)))
    if messages[0][1].startswith("RNNBase.__init__()"):  # torch names a base class: ours the class that was called
        messages[0] = messages[0][0], messages[0][1].replace("RNNBase", kind)
    assert messages[1] == messages[0]


@every_kind
def test_a_misspelt_option_names_the_class(kind):
    class Mine(getattr(recnn, kind)):
        pass

    for called in (getattr(recnn, kind), Mine):
        with pytest.raises(TypeError, match=rf"^{called.__name__}\.__init__\(\) .* unexpected .* 'hiden'$"):
            called(3, 4, hiden=1)


@every_kind
@pytest.mark.parametrize(
    ("x", "state"),
    [
        (torch.zeros(5, 2, 4), None),
        (torch.zeros(5, 4), None),
        (torch.zeros(5, 2, 3, dtype=F64), None),
        (torch.zeros(3), None),
        (torch.zeros(1, 5, 2, 3), None),
        (torch.zeros(5, 2, 3), (2, 2, 4)),
        (torch.zeros(5, 2, 3), (1, 3, 4)),
        (torch.zeros(5, 2, 3), (1, 2, 5)),
        (torch.zeros(5, 2, 3), (1, 4)),
        (torch.zeros(5, 3), (1, 1, 4)),
        (torch.zeros(5, 3), (1, 5)),
    ],
    ids=lambda value: str(tuple(value.shape)) if isinstance(value, torch.Tensor) else str(value),
)
def test_wrong_inputs_have_torchs_messages(kind, x, state):
    messages = []
    for module in (nn, recnn):
        hx = None if state is None else torch.zeros(state)
        hx = (hx, hx) if kind == "LSTM" and hx is not None else hx
        with pytest.raises((ValueError, RuntimeError)) as raised:
            getattr(module, kind)(3, 4)(x, hx)
        messages.append((type(raised.value), str(raised.value).replace("D tensor instead", "D instead")))
    assert messages[1] == messages[0]


COMPUTED = {
    "weight norm": nn.utils.weight_norm,
    "parametrized weight norm": parametrizations.weight_norm,
    "spectral norm": nn.utils.spectral_norm,
    "pruned": lambda module, name: prune.l1_unstructured(module, name, 0.5),
}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("change", COMPUTED)
def test_weights_of_a_cell_are_computed_at_every_pass(change, wrapped):
    """In an encoder cells are not called as modules, which is when torch's hooks would run."""
    torch.manual_seed(0)
    cell = recnn.LSTMCell(3, 4, 1).double()
    encoder = recnn.Recurrent(recnn.DropoutCell(cell, 0.0) if wrapped else cell)
    theirs = nn.LSTM(3, 4, dtype=F64)
    theirs.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    for module, name in ((theirs, "weight_hh_l0"), (cell, "weight_hh")):
        torch.manual_seed(1)
        COMPUTED[change](module, name)
    x = inputs()
    for _ in range(3):
        losses = []
        for module in (theirs, encoder):
            module.zero_grad()
            loss = module(x)[0].square().sum()
            loss.backward()
            losses.append(loss)
            torch.optim.SGD(module.parameters(), 0.1).step()
        torch.testing.assert_close(*losses, rtol=0, atol=1e-10)


def test_second_derivatives_of_a_cell_in_a_functional_call():
    cell, theirs = recnn.Recurrent(recnn.GRUCell(3, 4, 1)).double(), nn.GRU(3, 4, dtype=F64)
    names = dict(zip(dict(theirs.named_parameters()), dict(cell.named_parameters()), strict=True))
    torch.manual_seed(0)
    values = {name: torch.randn_like(p).requires_grad_() for name, p in theirs.named_parameters()}
    found = []
    for module, own in ((theirs, values), (cell, {names[name]: value for name, value in values.items()})):
        x = inputs()
        loss = torch.func.functional_call(module, own, (x,))[0].square().sum()
        (d_x,) = torch.autograd.grad(loss, x, create_graph=True)
        found.append(torch.autograd.grad(d_x.square().sum(), list(values.values())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_state_dicts_of_the_encoder_and_of_its_cells():
    lstm, encoder = recnn.LSTM(3, 4, 2, recurrent_dropout=0.5), recnn.Encoder(recnn.LSTMCell(3, 4, 1), 2)
    state = {name.replace("cell.", ""): value for name, value in lstm.encoder.state_dict().items()}
    assert list(state) == list(encoder.state_dict())
    encoder.load_state_dict(state)
    plain = recnn.LSTM(3, 4, 2)
    plain.encoder.load_state_dict(state)
    for name, parameter in lstm.named_parameters():
        assert torch.equal(getattr(plain, name), parameter)
    assert list(plain.state_dict()) == list(nn.LSTM(3, 4, 2).state_dict())
    cell = recnn.LSTMCell(3, 4, 1)
    plain.encoder.cells[0].load_state_dict(cell.state_dict(), assign=True)
    assert plain.weight_hh_l0.data_ptr() == cell.weight_hh.data_ptr()
    assert plain.encoder.cells[0].weight_hh is plain.weight_hh_l0
    del state["cells.1.weight_hh"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "cells.1.weight_hh"'):
        plain.encoder.load_state_dict(state)
    assert list(plain.state_dict()) == list(nn.LSTM(3, 4, 2).state_dict())
