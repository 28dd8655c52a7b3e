"""The checks of torch's own tests of its modules, on the inputs of those tests, for our recurrent classes.

The inputs are those of ``torch.testing._internal.common_modules``, which torch ships, and the checks those of its
``test/test_modules.py``, which it does not ship, and which are written again here: one function for each. They are
skipped where a version of torch does not have the inputs.
"""

import copy
import io
import pickle
import sys
import types
import unittest
import warnings
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree

import recnn

F64 = torch.float64
OURS = {nn.RNNCell: recnn.RecursiveCell, nn.LSTMCell: recnn.LSTMCell, nn.GRUCell: recnn.GRUCell}
OURS |= {nn.RNN: recnn.RNN, nn.LSTM: recnn.LSTM, nn.GRU: recnn.GRU}
NETWORKS = [nn.RNN, nn.LSTM, nn.GRU]
each_class = pytest.mark.parametrize("theirs", OURS, ids=lambda one: one.__name__)
each_network = pytest.mark.parametrize("theirs", NETWORKS, ids=lambda one: one.__name__)
each_mode = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
# A warning of torch.nn.LSTM on the CPU.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread: on tensors this small more are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def infos():
    """The descriptions of torch's modules, by class; their file imports `expecttest`, which is not used here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends, "disable_global_flags", lambda: None)
        stub = types.ModuleType("expecttest")
        stub.TestCase = unittest.TestCase
        patch.setitem(sys.modules, "expecttest", sys.modules.get("expecttest", stub))
        common_modules = pytest.importorskip("torch.testing._internal.common_modules", exc_type=ImportError)
    return {info.module_cls: info for info in common_modules.module_db}


@pytest.fixture
def cases(infos):
    """Function that yields for samples of a class our module, torch's with the same weights, and the arguments.

    The samples vary options by powers of two, so that those of every odd distance have all their values.
    """

    def of(theirs, training=True, dtype=F64, every=1, **options):
        info = infos[theirs]
        samples = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        assert len(samples) >= 2
        if theirs in NETWORKS and theirs is not nn.LSTM:
            samples += info.module_inputs_func(
                info, device="cpu", dtype=dtype, requires_grad=True, training=training, with_packed_sequence=True
            )
        for sample in samples[:: every if theirs in NETWORKS else 1]:
            made, called = sample.constructor_input, sample.forward_input
            torch.manual_seed(0)
            expected = theirs(*made.args, **made.kwargs).to(dtype).train(training)
            found = constructed(theirs, made, **options).to(dtype).train(training)
            found.load_state_dict(expected.state_dict())
            yield found, expected, called.args, called.kwargs

    return of


def constructed(theirs, made, **options):
    """Our module; a cell of ours has an arity."""
    return OURS[theirs](*made.args, **made.kwargs, **options, **({} if theirs in NETWORKS else {"arity": 1}))


def tensors(value):
    """All tensors in an argument or a result."""
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, torch.Tensor) else [part for one in value for part in tensors(one)]


def with_tensors(value, change):
    """The value with its tensors changed."""
    if isinstance(value, PackedSequence):
        return value._replace(data=change(value.data))
    if isinstance(value, torch.Tensor):
        return change(value)
    return type(value)(with_tensors(one, change) for one in value)


def assert_same(found, expected, **options):
    assert type(found) is type(expected)
    for one, other in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(one, other, **{"rtol": 0, "atol": 1e-10, **options})


def gradients(output, roots):
    parts = tensors(output)
    pull = [torch.linspace(-1, 2, part.numel(), dtype=part.dtype).view_as(part) for part in parts]
    return torch.autograd.grad(parts, roots, pull, allow_unused=True)


@each_mode
@each_class
def test_forward(theirs, training, cases):
    for ours, other, args, kwargs in cases(theirs, training):
        found, expected = ours(*args, **kwargs), other(*args, **kwargs)
        assert_same(found, expected)
        for one, slope in zip(
            gradients(found, [*tensors(args), *ours.parameters()]),
            gradients(expected, [*tensors(args), *other.parameters()]),
            strict=True,
        ):
            torch.testing.assert_close(one, slope, rtol=0, atol=1e-10)


@each_network
def test_factory_kwargs(theirs, infos):
    """Parameters are made with the dtype and on the device of the arguments."""
    info = infos[theirs]
    for sample in info.module_inputs_func(info, device="cpu", dtype=F64, requires_grad=False, training=True):
        made = sample.constructor_input
        for device, dtype in product(("cpu", "meta"), (torch.float32, F64, torch.bfloat16)):
            module = OURS[theirs](*made.args, **made.kwargs, device=device, dtype=dtype)
            assert {(p.device.type, p.dtype) for p in module.parameters()} == {(device, dtype)}
        with torch.device("meta"):
            assert all(p.is_meta for p in constructed(theirs, made).parameters())


@each_class
def test_repr(theirs, cases):
    for ours, *_ in cases(theirs, every=5):
        assert repr(ours).startswith(OURS[theirs].__name__)
        assert str(ours) == repr(ours)


@each_class
def test_pickle_and_save_load(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=3):
        expected = ours(*args, **kwargs)
        file = io.BytesIO()
        torch.save(ours, file)
        file.seek(0)
        for other in (pickle.loads(pickle.dumps(ours)), torch.load(file, weights_only=False), copy.deepcopy(ours)):
            assert other.training == ours.training
            assert_same(other(*args, **kwargs), expected, atol=0)


@each_class
def test_inputs_are_not_changed(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=3):
        before = [(one.detach().clone(), one._version) for one in tensors(args)]
        output = ours(*args, **kwargs)
        gradients(output, [*tensors(args), *ours.parameters()])
        for one, (value, version) in zip(tensors(args), before, strict=True):
            assert one._version == version
            assert torch.equal(one, value)


def non_contiguous(tensor):
    made = torch.stack([tensor.detach(), torch.zeros_like(tensor)], dim=-1)[..., 0]
    assert not made.is_contiguous()
    return made.requires_grad_()


@each_class
def test_non_contiguous_tensors(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=3):
        expected = ours(*args, **kwargs)
        slopes = gradients(expected, [*tensors(args), *ours.parameters()])
        other = with_tensors(args, non_contiguous)
        found = ours(*other, **kwargs)
        assert_same(found, expected, atol=1e-14)
        for one, slope in zip(gradients(found, [*tensors(other), *ours.parameters()]), slopes, strict=True):
            torch.testing.assert_close(one, slope, rtol=0, atol=1e-12)
        pull = [non_contiguous(torch.ones_like(part)) for part in tensors(found)]
        one = torch.autograd.grad(tensors(ours(*args, **kwargs)), tensors(args), pull)
        two = torch.autograd.grad(tensors(ours(*args, **kwargs)), tensors(args), [part.contiguous() for part in pull])
        for slope, other_slope in zip(one, two, strict=True):
            torch.testing.assert_close(slope, other_slope, rtol=0, atol=1e-12)


def function_of_all(module, args, kwargs):
    """The module as a function of its inputs and parameters, and these."""
    flat, form = _pytree.tree_flatten(args)
    places = [place for place, one in enumerate(flat) if isinstance(one, torch.Tensor) and one.is_floating_point()]
    names = [name for name, _ in module.named_parameters()]

    def function(*values):
        given = list(flat)
        for place, value in zip(places, values, strict=False):
            given[place] = value
        weights = dict(zip(names, values[len(places) :], strict=True))
        called = torch.func.functional_call(module, weights, _pytree.tree_unflatten(given, form), kwargs)
        return tuple(tensors(called))

    return function, (*(flat[place] for place in places), *module.parameters())


@each_class
def test_grad(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=5):
        if not any(isinstance(one, PackedSequence) for one in args):
            assert torch.autograd.gradcheck(*function_of_all(ours, args, kwargs), fast_mode=True, nondet_tol=1e-12)


@each_class
def test_gradgrad(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=15):
        if not any(isinstance(one, PackedSequence) for one in args):
            function, values = function_of_all(ours, args, kwargs)
            assert torch.autograd.gradgradcheck(function, values, fast_mode=True, nondet_tol=1e-12)


@each_class
def test_to(theirs, cases):
    """Moved to another dtype and back, and to a device without data and back, a module is as it was."""
    for ours, other, args, kwargs in cases(theirs, every=5):
        expected = [p.detach().clone() for p in ours.parameters()]
        before = list(ours.parameters())
        for dtype in (torch.float32, torch.bfloat16, F64):
            ours.to(dtype)
            assert {p.dtype for p in ours.parameters()} == {dtype}
        assert all(one is two for one, two in zip(ours.parameters(), before, strict=True))
        assert all(p.is_meta for p in copy.deepcopy(ours).to("meta").parameters())
        empty = copy.deepcopy(ours).to("meta").to_empty(device="cpu")
        with torch.no_grad():
            for p, q, value in zip(ours.parameters(), empty.parameters(), expected, strict=True):
                p.copy_(value)
                q.copy_(value)
        for module in (ours, empty):
            assert_same(module(*args, **kwargs), other(*args, **kwargs))
            assert [n for n, _ in module.named_parameters()] == [n for n, _ in other.named_parameters()]


@each_class
def test_zero_grad(theirs, cases):
    for ours, _, args, kwargs in cases(theirs, every=5):
        sum(part.sum() for part in tensors(ours(*args, **kwargs))).backward()
        assert all(p.grad is not None for p in ours.parameters())
        ours.zero_grad()
        assert all(p.grad is None for p in ours.parameters())


@each_network
def test_training_and_evaluation_differ_by_dropout_alone(theirs, cases):
    for ours, other, args, kwargs in cases(theirs, every=5, dropout=0.5):
        torch.manual_seed(1)
        outputs = [tensors(ours(*args, **kwargs))[0] for _ in range(4)]
        assert any(not torch.equal(outputs[0], one) for one in outputs[1:])
        assert_same(ours.eval()(*args, **kwargs), other(*args, **kwargs))


def errors(infos, theirs):
    info = infos[theirs]
    if info.module_error_inputs_func is None:
        pytest.skip("this version of torch has no wrong inputs for this class")
    for sample in info.module_error_inputs_func(info, device="cpu", dtype=F64, requires_grad=False, training=True):
        made, called = sample.module_error_input.constructor_input, sample.module_error_input.forward_input

        def call(made=made, called=called):
            module = constructed(theirs, made)
            if called is not None:
                module.double()(*called.args, **called.kwargs)

        yield sample, call


@each_network
def test_errors(theirs, infos):
    """Wrong arguments and inputs raise the errors of torch, with its messages."""
    for sample, call in errors(infos, theirs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(sample.error_type, match=sample.error_regex):
                call()


@pytest.mark.parametrize("theirs", [nn.RNNCell, nn.LSTMCell, nn.GRUCell], ids=lambda one: one.__name__)
def test_errors_of_cells(theirs, infos):
    """Wrong inputs of single steps are errors as well; ours are all ValueError, and give both shapes."""
    for sample, call in errors(infos, theirs):
        made = sample.module_error_input.constructor_input
        if len(made.args) > 2:
            continue  # torch's sample gives a nonlinearity as the bias
        with pytest.raises(ValueError, match=r"expected .* got"):
            call()
