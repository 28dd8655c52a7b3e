"""The fused loops as a function that autograd knows: a walk there, a walk back."""

from typing import Any

import torch
from torch import Tensor

from recnn.cells.base import Nodes
from recnn.engines import levels
from recnn.engines.fused.child_sum import SumWalk
from recnn.engines.fused.walk import Run, Walk, Weights


def run(run: Run, x: Tensor, initial: Any) -> Any:
    """The states of all nodes, in the order of the graph."""
    cell: Any = run.cell  # of a kind that has a kernel, so it has these weights
    weights = Weights(cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    before = tuple(initial or ())
    tensors = (x, *(weight for weight in weights if weight is not None), *before)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return cell.State(*_Fused.apply(run, x, *weights, *before))
    walk = walk_of(run, x, weights, before, keep=False)
    found = cell.State(*walk.forward())
    walk.release()
    return found


def walk_of(run: Run, x: Tensor, weights: Weights, initial: tuple[Tensor, ...], keep: bool) -> Walk:
    """The walk for the cell's children: by slot, or as a set."""
    kind = SumWalk if run.cell.arity == "sum" else Walk
    return kind(run, x, weights, initial, keep)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, *tensors: Any) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.walk = walk_of(run, x, Weights(*tensors[:4]), tensors[4:], keep=True)
        ctx.save_for_backward(x, *tensors)
        ctx.set_materialize_grads(False)
        return ctx.walk.forward()  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        saved = ctx.saved_tensors
        if torch.is_grad_enabled() or ctx.walk.released:
            # The derivative of a derivative (create_graph) is autograd's work, and so is a second pass (retain_graph).
            return None, *_differentiable(ctx.run, saved, gradients)
        found = ctx.walk.backward(gradients, ctx.needs_input_grad[1])
        ctx.walk.release()
        return None, *found


@torch.enable_grad()
def _differentiable(run: Run, wanted: tuple[Any, ...], gradients: Any) -> list[Tensor | None]:
    """The gradients of x, the weights and the initial states by the engine that autograd can follow."""
    x = wanted[0]
    rows = x.index_select(0, run.schedule.order)
    rows = rows if run.absent is None else rows.masked_fill(run.absent.unsqueeze(1), 0)
    initial = run.cell.State(*wanted[5:]) if wanted[5:] else None
    label = torch.full_like(run.schedule.order, -1) if run.label is None else run.label
    found = levels.run(
        run.cell, run.schedule, run.direction, Nodes(run.cell.inputs(rows), label, run.schedule.tree), initial
    )
    gradients, found = zip(*((g, part) for g, part in zip(gradients, found, strict=True) if g is not None), strict=True)
    outputs = [part.index_select(0, run.schedule.rank) for part in found]
    used = [tensor for tensor in wanted if tensor is not None and tensor.requires_grad]
    made = iter(torch.autograd.grad(outputs, used, gradients, create_graph=True, allow_unused=True))
    return [next(made) if tensor is not None and tensor.requires_grad else None for tensor in wanted]
