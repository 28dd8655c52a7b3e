"""Where the fused engine must not run: dtypes, transforms, and tensors without data, for every cell with a kernel."""

import warnings
from random import Random

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jvp, vmap

import recnn
from recnn.engines import fused
from tests.recnn.cells.test_contract import (
    Walk,
    assert_same,
    each_direction,
    each_kernel,
    each_variant,
    function_of_all,
    generic,
    loss_of,
    made,
    random_forest,
    random_rows,
    with_gradients,
)


def is_relu(variant):
    """Test for relu, which is not defined on complex numbers."""
    return variant[1].get("nonlinearity") == "relu"


def case_of(cell, begun=True):
    graph = random_forest(Random(3), cell.arity, worded=True)
    x, initial = random_rows(graph, cell)
    return graph, x, initial if begun else None


def of_dtype(variant, dtype):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Complex modules")
        return made(variant, dtype)


@each_kernel
@pytest.mark.parametrize("dtype", [torch.complex128, torch.complex64, torch.bfloat16, torch.float16])
@each_direction
def test_other_dtypes_are_left_to_autograd(variant, dtype, direction):
    if dtype.is_complex and is_relu(variant):
        return
    cell = of_dtype(variant, dtype)
    graph, x, initial = case_of(cell)
    found = with_gradients(recnn.propagate, cell, graph, x, direction, initial)
    expected = with_gradients(generic, cell, graph, x, direction, initial)
    assert_same(found[0], expected[0], 0)
    assert_same(found[1], expected[1], 0)


@each_kernel
def test_gradients_of_complex_numbers_equal_differences(variant):
    if is_relu(variant):
        return
    function, inputs = function_of_all(of_dtype(variant, torch.complex128), "up", True)
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


@each_kernel
@each_direction
def test_the_same_walk_backwards_has_the_same_bits(variant, direction):
    cell = made(variant, torch.float32)
    graph, x, initial = case_of(cell)
    loss = loss_of(recnn.propagate(cell, graph, x, direction, initial))
    wanted = [x, *cell.parameters(), *initial]
    first, *others = (torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True) for _ in range(3))
    for other in others:
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own call, for forward mode
@each_kernel
def test_transforms_equal_autograd(variant):
    cell = made(variant)
    graph, x, _ = case_of(cell)
    weights = {f"cell.{name}": parameter.detach() for name, parameter in cell.named_parameters()}
    walk = Walk(cell, graph, "up")

    def loss(weights, x):
        return sum((part**2).sum() for part in functional_call(walk, weights, (x, None)))

    parameters, x = list(cell.parameters()), x.detach().requires_grad_()
    value = loss({f"cell.{name}": parameter for name, parameter in cell.named_parameters()}, x)
    *slopes, slope = torch.autograd.grad(value, [*parameters, x])

    found = grad(loss, argnums=(0, 1))(weights, x.detach())
    assert_same([*found[0].values(), found[1]], [*slopes, slope], 1e-10)
    along = torch.randn_like(x)
    assert_same(jvp(lambda x: loss(weights, x), (x.detach(),), (along,)), (value, (slope * along).sum()), 1e-10)
    assert_same([jacfwd(lambda x: loss(weights, x))(x.detach())], [slope], 1e-10)
    with forward_ad.dual_level():
        both = forward_ad.unpack_dual(loss(weights, forward_ad.make_dual(x.detach(), along)))
    assert_same(both, (value, (slope * along).sum()), 1e-10)
    several = torch.stack([x.detach(), along])
    assert_same([vmap(lambda x: loss(weights, x))(several)], [torch.stack([loss(weights, x) for x in several])], 1e-10)


@each_variant
@pytest.mark.parametrize(("direction", "begun"), [("up", True), ("down", False)])
def test_tensors_without_data(variant, direction, begun):
    """On the meta device and in FakeTensorMode, forward and backward, as in torch.nn."""
    cell = made(variant)
    graph, x, initial = case_of(cell, begun)
    expected = recnn.propagate(cell, graph, x, direction, initial)

    def shapes_of(cell, x, initial):
        found = recnn.propagate(cell, graph, x, direction, initial)
        loss_of_parts = sum(part.sum() for part in found)
        slopes = torch.autograd.grad(loss_of_parts, [x, *cell.parameters()], allow_unused=True)
        assert all(slope is None or slope.device == x.device for slope in slopes)
        assert [(part.shape, part.dtype) for part in found] == [(part.shape, part.dtype) for part in expected]
        return found

    there = [part.detach().to("meta").requires_grad_() for part in (x, *(initial or ()))]
    found = shapes_of(made(variant).to("meta"), there[0], there[1:] or None)
    assert {part.device.type for part in found} == {"meta"}
    if direction == "down":
        return  # the meta device was enough: FakeTensorMode is slow
    mode, other = FakeTensorMode(allow_non_fake_inputs=False), made(variant)
    for module in other.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(mode.from_tensor(parameter.detach())))
    there = [mode.from_tensor(part.detach()).requires_grad_() for part in (x, *(initial or ()))]
    with mode:
        shapes_of(other, there[0], there[1:] or None)


@each_variant
@each_direction
def test_autocast_takes_states_of_either_dtype(variant, direction):
    cell = made(variant, torch.float32)
    graph, x, initial = case_of(cell)
    expected = recnn.propagate(cell, graph, x, direction, initial)
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            begin = [part.detach().to(dtype).requires_grad_() for part in initial]
            found = recnn.propagate(cell, graph, x, direction, begin)
        torch.autograd.grad(sum(part.float().sum() for part in found), begin, allow_unused=True)
        for part, exact in zip(found, expected, strict=True):
            torch.testing.assert_close(part.float(), exact, rtol=0.05, atol=0.1)


def test_a_state_of_another_dtype_is_an_error():
    cell = recnn.LSTMCell(2, 3)
    graph, x, initial = case_of(cell)
    with pytest.raises(
        ValueError, match=r"initial must have the dtype of the cell's weights, torch.float32, got torch.float64"
    ):
        recnn.propagate(cell, graph, x, initial=[part.double() for part in initial])


def test_plain_tensors_run_fused():
    x = torch.zeros(1, 2)
    assert all(fused.can_run(part) for part in (x, x.double(), torch.nn.Parameter(x)))
