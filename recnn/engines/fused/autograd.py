"""The fused loops as a `torch.autograd.Function`."""

from typing import Any

import torch
from torch import Tensor

from recnn.engines import levels
from recnn.engines.fused.child_sum import SumWalk
from recnn.engines.fused.walk import Run, Walk, Weights
from recnn.graphs.compiler import uncompiled

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def run(run: Run, x: Tensor, initial: Any) -> Any:
    """Compute the states of all nodes, in the order of the graph."""
    cell: Any = run.cell  # every cell with a kernel has these weights
    weights = Weights(cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    before = tuple(initial or ())
    tensors = (x, *(weight for weight in weights if weight is not None), *before)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return cell.State(*_Fused.apply(run, x, *weights, *before))
    return cell.State(*_walk(run, x, run.kernel.arranged(weights), before, keep=False).forward())


def _walk(run: Run, *arguments: Any, **options: Any) -> Walk:
    """Make the walk for children by slot, or for child-sum."""
    return (SumWalk if run.cell.arity == "sum" else Walk)(run, *arguments, **options)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, *tensors: Any) -> tuple[Tensor, ...]:
        ctx.run, ctx.count = run, 1 + len(tensors)
        weights = run.kernel.arranged(Weights(*tensors[:4]))
        walk = _walk(run, x, weights, tensors[4:], keep=True)
        found = walk.forward()
        # Saved by autograd, the buffers are freed after the last backward pass.
        ctx.save_for_backward(x, *tensors, *weights, *walk.buffers)
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    @uncompiled  # a compiled training step runs its backward pass under the compiler too
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        run, saved = ctx.run, ctx.saved_tensors
        x, *tensors = given = saved[: ctx.count]
        if torch.is_grad_enabled():  # second derivatives (create_graph) are left to autograd
            return None, *_differentiable(run, given, gradients)
        weights, buffers = Weights(*saved[ctx.count : ctx.count + 4]), saved[ctx.count + 4 :]
        walk = _walk(run, x, weights, tuple(tensors[4:]), keep=True, saved=buffers)
        d_x, d_weights, d_initial = walk.backward(gradients, ctx.needs_input_grad[1])
        return None, d_x, *run.kernel.disarranged(d_weights), *d_initial


@torch.enable_grad()
def _differentiable(run: Run, wanted: tuple[Any, ...], gradients: Any) -> list[Tensor | None]:
    """Compute the gradients of x, the weights and the initial states by `levels.run`, differentiably."""
    x, initial = wanted[0], run.cell.State(*wanted[5:]) if wanted[5:] else None
    cell = run.cell.with_weights(dict(zip(_NAMES, wanted[1:5], strict=True)))  # those of the forward pass
    found = levels.run(cell, run.schedule, run.direction, x, run.absent, run.label, initial)
    gradients, found = zip(*((g, part) for g, part in zip(gradients, found, strict=True) if g is not None), strict=True)
    used = [tensor for tensor in wanted if tensor is not None and tensor.requires_grad]
    made = iter(torch.autograd.grad(found, used, gradients, create_graph=True, allow_unused=True))
    return [next(made) if tensor is not None and tensor.requires_grad else None for tensor in wanted]
