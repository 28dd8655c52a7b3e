"""Clipping by norm, for all that torch.nn.utils.clip_grad_norm_ takes."""

import math

import pytest
import torch
from torch import nn

import recnn
from recnn.gradients.norms import check_gradients, clip_gradients, spectral_radius


def parameter(*gradient, dtype=torch.float32):
    made = nn.Parameter(torch.zeros(len(gradient), dtype=dtype))
    made.grad = torch.tensor(gradient, dtype=dtype)
    return made


GIVEN = {
    "parameter": lambda p, q: p,
    "list": lambda p, q: [p, q],
    "tuple": lambda p, q: (p, q),
    "generator": lambda p, q: (one for one in (p, q)),
    "dict values": lambda p, q: {"p": p, "q": q}.values(),
    "parameters without gradients": lambda p, q: [nn.Parameter(torch.ones(2)), p, nn.Parameter(torch.ones(1))],
    "module.parameters()": lambda p, q: nn.ParameterList([p, q]).parameters(),
}


@pytest.mark.parametrize("how", GIVEN)
@pytest.mark.parametrize("max_norm", [1.0, 2, torch.tensor(0.5), 100.0, math.inf])
def test_what_is_given_is_clipped_as_by_torch(how, max_norm):
    found, expected = [], []
    for clip, results in ((clip_gradients, found), (nn.utils.clip_grad_norm_, expected)):
        p, q = parameter(3.0, 4.0), parameter(12.0, 0.0)
        results += [clip(GIVEN[how](p, q), max_norm), p.grad, q.grad]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    if max_norm == 1.0:
        assert not torch.equal(found[1], torch.tensor([3.0, 4.0]))


def test_a_weight_of_rows_is_one_parameter():
    """A matrix is iterable: its rows have no gradients."""
    weight = nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.full((2, 2), 3.0)
    assert clip_gradients(weight, 1.0) == 6
    torch.testing.assert_close(weight.grad, torch.full((2, 2), 0.5))
    scalar = nn.Parameter(torch.tensor(1.0))
    scalar.grad = torch.tensor(-5.0)
    assert clip_gradients(scalar, 1.0) == 5
    assert scalar.grad == -1


def test_a_parameter_that_is_given_twice_counts_once():
    p = parameter(3.0, 4.0)
    assert clip_gradients([p, p], 1.0) == 5
    torch.testing.assert_close(p.grad, torch.tensor([0.6, 0.8]))


def test_clipping_nothing():
    assert clip_gradients([], 1.0) == 0
    assert clip_gradients(nn.Parameter(torch.ones(2)), 1.0) == 0
    assert clip_gradients(iter(()), 1.0) == 0


def test_clipping_to_zero():
    p = parameter(3.0, 4.0)
    assert clip_gradients(p, 0) == 5
    assert not p.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_gradients_of_other_dtypes(dtype):
    """The squares of 300 and 400 are too large for float16, and their norm is not."""
    p = parameter(300.0, 400.0, dtype=dtype)
    assert clip_gradients(p, 5.0) == 500
    torch.testing.assert_close(p.grad, torch.tensor([3.0, 4.0], dtype=dtype), rtol=1e-2, atol=0)


@pytest.mark.parametrize("max_norm", [-1.0, math.nan, -math.inf, "1", torch.tensor(-1.0)], ids=str)
def test_wrong_norms(max_norm):
    p = parameter(3.0, 4.0)
    with pytest.raises(ValueError, match="max_norm must be a number of at least 0"):
        clip_gradients(p, max_norm)
    with pytest.raises(ValueError, match="max_norm must be a number of at least 0"):
        check_gradients(nn.Linear(1, 1), max_norm)
    assert p.grad.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.Linear(1, 1), "must be a tensor or an iterable of tensors, got a Linear"),
        (None, "must be a tensor or an iterable of tensors, got a NoneType"),
        (nn.Linear(1, 1).named_parameters(), "must be tensors, got a tuple"),
        ({"weight": nn.Parameter(torch.ones(1))}, "must be tensors, got a str"),
    ],
    ids=["module", "nothing", "named parameters", "dict"],
)
def test_what_are_no_parameters(given, message):
    with pytest.raises(TypeError, match=message):
        clip_gradients(given, 1.0)


def test_spectral_radii_have_the_names_of_the_parameters():
    network = nn.ModuleDict({"net": recnn.LSTM(2, 3, 2, coupled=True, recurrent_dropout=0.5)})
    expected = [f"net.weight_hh_l{layer}[{gate}]" for layer in (0, 1) for gate in "igo"]
    assert list(spectral_radius(network)) == expected
    block = network["net"].weight_hh_l1[3:6]
    assert spectral_radius(network)["net.weight_hh_l1[g]"] == spectral_radius(block)
    nn.utils.parametrizations.weight_norm(network["net"], "weight_hh_l1")
    assert list(spectral_radius(network).values())[4] == pytest.approx(spectral_radius(block), abs=1e-5)
