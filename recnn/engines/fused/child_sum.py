"""Walk of child-sum cells: the sum of the children's states, and optionally a gate for each child."""

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Columns
from recnn.engines.fused.parts import Part
from recnn.engines.fused.walk import Pass, Walk, add
from recnn.graphs.plan import Step, take

_aten = torch.ops.aten


class SumWalk(Walk):
    """A `Walk` where ``children`` are the sums over the children, (n, H).

    If the kernel is ``gated``, the state has a memory cell c, the last block of gates is W_f x + b_f, the last rows of
    U are U_f, and the sum of the memory cells is Σ_k f_k ⊙ c_k with f_k = σ(W_f x + b_f + U_f h_k). The f_k of all
    edges are in a separate buffer, in level order.
    """

    def _pass(self, part: Part, gates: Tensor, extra: Tensor, fed: bool, childless: bool) -> Pass:
        one = super()._pass(part, gates, extra, fed, childless)
        if not self.kernel.gated or childless:
            return one
        self.U_f = self.weights.hh[self.recurrent :]
        self.edge_factors: list[Any] = []
        return one._replace(forget=self._buffer(part.whole.edges, self.kernel.hidden_size))

    def _beside(self, one: Pass) -> Iterable[Any]:
        if one.forget is None:
            return repeat(None)
        return zip(one.part.split(one.gates[:, self.recurrent :]), one.part.edges.of(one.forget), strict=True)

    def _children(self, step: Step, where: Tensor | None, rows: list[Tensor], beside: Any) -> list[Tensor]:
        hidden = summed(rows[0], step)
        if not self.kernel.gated:
            return [hidden]
        before, f = beside
        torch.index_select(before, 0, step.segment, out=f)
        f.addmm_(rows[0], self.U_f.t()).sigmoid_()
        return [hidden, summed(f * rows[1], step)]

    def _whole_children(self, whole: Step) -> list[Tensor]:
        return [summed(take(self.states[0], whole.predecessors), whole)]

    def _backward_part(self, one: Pass, made: Tensor, flowing: list[Tensor]) -> list[tuple[int, Tensor, Tensor]]:
        whole = one.part.whole
        if one.forget is None or not whole.size:
            return super()._backward_part(one, made, flowing)
        # df_k is dc times these; `_pass_back` multiplies them in place, last step first.
        factors = _aten.sigmoid_backward(take(self.states[1], whole.predecessors), one.forget)
        self.edge_factors = one.part.edges.of(factors)
        products = super()._backward_part(one, made, flowing)
        made[:, self.recurrent :] = summed(factors, whole)
        return [*products, (self.recurrent, factors, take(self.states[0], whole.predecessors))]

    def _pass_back(
        self,
        step: Step,
        where: Tensor | None,
        recurrent: Tensor,
        columns: Columns,
        here: list[Tensor],
        predecessors: Any,
        beside: Any,
    ) -> None:
        H = self.kernel.hidden_size
        below = self.x.new_zeros(step.size, 1, H)
        self.kernel.backward(columns, here, [below])
        d_sum = below.view(step.size, H).addmm_(recurrent, self.weights.hh[: self.recurrent])
        direct = predecessors[0] is not None
        to = predecessors if direct else [flow.new_zeros(step.edges, H) for flow in self.flowing]
        to[0].add_(d_sum.index_select(0, step.segment))
        if self.kernel.gated:
            factor, f = self.edge_factors.pop(), beside[1]
            d_c = here[1].index_select(0, step.segment)
            factor.mul_(d_c)
            to[0].addmm_(factor, self.U_f)
            to[1].addcmul_(f, d_c)
        if not direct:
            for flow, part in zip(self.flowing, to, strict=True):
                add(flow, step.predecessors, part)


def summed(rows: Tensor, step: Step) -> Tensor:
    """Sum (E, H) over the predecessors of each node of a step, to (n, H)."""
    if step.complete == 1:
        return rows
    if step.complete is not None:
        return rows.view(step.size, step.complete, -1).sum(1)
    return rows.new_zeros(step.size, rows.shape[1]).index_add_(0, step.segment, rows)
