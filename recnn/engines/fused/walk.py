"""The loop over levels, forward and backward by hand, for a cell that has a kernel.

States are in one buffer per field, in level order, so that the children of a complete level are a view of it; initial
states are further rows at its end. Gates are in two buffers: of the nodes without predecessors (the sources), which are
computed in one step, and of all other nodes, level by level. Backward, the gradient of each weight is one product for
the whole forest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recnn.cells.base import Cell
from recnn.engines.fused.kernel import Columns, Kernel
from recnn.engines.fused.parts import Layout, Part, layout, place
from recnn.engines.fused.projection import bias_gradients, bias_of, double, project, projection_gradients
from recnn.engines.fused.workspace import workspace
from recnn.graphs.plan import Direction, Rows, Step, take
from recnn.graphs.schedule import Schedule


@dataclass
class Run:
    """What to walk: all that is not a tensor with a gradient."""

    cell: Cell
    kernel: Kernel
    schedule: Schedule
    direction: Direction
    label: Tensor | None  # (N,) in level order
    absent: Tensor | None  # (N,) in level order, which nodes have no input; None if all have


class Weights(NamedTuple):
    """The weights of a cell, or their gradients."""

    ih: Tensor
    hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None


class Pass(NamedTuple):
    """A part of the walk with its buffers."""

    part: Part
    gates: Tensor
    """(n, G) or fewer columns: what the kernel makes of W x + U H_ + b."""
    extra: Tensor
    """(n, extra * H) further columns that the kernel keeps."""
    fed: bool
    """Whether ``gates`` begin as W x + b; else the nodes have no inputs, and b is added in the loop."""
    childless: bool
    """Whether the nodes have no predecessors."""
    forget: Tensor | None
    """(E, H) forget gates of the edges, where each child of a set has one; see `recnn.engines.fused.child_sum`."""


class Walk:
    """One walk over a forest, and back.

    Args:
        run: what to walk.
        x: inputs (N, D).
        weights: weights of the cell.
        initial: initial states (B, H), one tensor per field of the state, or none.
        keep: keep what the backward pass needs.
    """

    def __init__(self, run: Run, x: Tensor, weights: Weights, initial: tuple[Tensor, ...], keep: bool) -> None:
        self.run, self.kernel, self.keep = run, run.kernel, keep
        self.layout: Layout = layout(run.schedule, run.direction)
        self.x, self.weights, self.initial = x, self.kernel.arranged(weights), initial
        self.buffers: list[Tensor] = []  # from the workspace
        self.released = False
        # Without a backward pass all steps share memory, unless there is so little of it that cutting costs more.
        self.shared = not keep and self.layout.inner.whole.size > 512
        self.recurrent = self.kernel.recurrent_blocks * self.kernel.hidden_size  # columns that U feeds
        every = tuple(range(len(self.kernel.input_blocks)))
        absent = None if run.absent is None else run.absent.index_select(0, self.layout.rows)
        count = self.layout.sources.whole.size
        # Trees with words at their leaves only: nothing to project at the inner nodes, and fewer columns at the leaves.
        self.fed = absent is None or not bool(absent[count:].all())
        self.source_blocks = every if self.fed or initial else self.kernel.source_blocks
        self.absent = absent if absent is None or self.fed else absent[:count]
        if self.absent is not None:
            self.absent = self.absent.unsqueeze(1) if self.absent.any() else None

    def empty(self, rows: int, columns: int) -> Tensor:
        """A buffer that lasts until the end of the walk."""
        self.buffers.append(workspace.empty(self.x, rows, columns))
        return self.buffers[-1]

    def release(self) -> None:
        """Leave the memory to the next walk."""
        workspace.give_back(*self.buffers)
        self.__dict__.clear()
        self.released = True

    def forward(self) -> tuple[Tensor, ...]:
        """The states (N, H) in the order of the graph."""
        n, H = len(self.layout.rows), self.kernel.hidden_size
        rows = n + self.run.schedule.trees * bool(self.initial)
        direct = self.run.schedule.in_order and not self.keep  # what is handed out is never a pooled buffer
        self.states = [self.x.new_empty(rows, H) if direct else self.empty(rows, H) for _ in range(self.kernel.fields)]
        with torch.inference_mode():  # cutting views is cheaper in it; what it makes must not leave the walk
            for state, before in zip(self.states, self.initial, strict=False):
                state[n:] = before
            self._prepare()
            for one in self.passes:
                self._forward_part(one)
        if not self.run.schedule.in_order:
            return tuple(part.index_select(0, self.run.schedule.rank) for part in self.states)
        return tuple(part[:n] if direct else part[:n].clone() for part in self.states)

    def _prepare(self) -> None:
        """Double the weights of some gates, project the inputs, and allocate all buffers."""
        kernel, layout, H = self.kernel, self.layout, self.kernel.hidden_size
        U = self.weights.hh[: self.recurrent]
        self.U_t = (double(kernel, self.empty(*U.shape).copy_(U)) if kernel.doubled_blocks else U).t()
        bias = bias_of(kernel, self.weights.bias_ih, self.weights.bias_hh, self.x)
        self.doubled_bias = double(kernel, bias.clone())
        count = layout.sources.whole.size
        filled = self._projected(bias)
        if self.fed:
            gates = filled[count:]
        else:
            gates = self.empty(layout.widest if self.shared else layout.inner.whole.size, len(bias))
            gates[:, self.recurrent :] = self.doubled_bias[self.recurrent :]  # which stays: U does not feed it
        extra = self.empty(layout.widest if self.shared else len(layout.rows), kernel.extra * H)
        self.scratch = [self.x.new_empty(layout.widest, H) for _ in self.states]
        self.passes = (
            self._pass(layout.sources, filled[:count], extra[:count], True, not self.initial),
            self._pass(layout.inner, gates, extra if self.shared else extra[count:], self.fed, False),
        )

    def _pass(self, part: Part, gates: Tensor, extra: Tensor, fed: bool, childless: bool) -> Pass:
        return Pass(part, gates, extra, fed, childless, None)

    def _projected(self, bias: Tensor) -> Tensor:
        """W x + b of the sources, and, where the inner nodes have inputs, of them as well."""
        order, count = self.layout.order, self.layout.sources.whole.size
        used = self.x if self.fed else self.x[:count]  # as they are, if the nodes are numbered in this order
        self.rows = used if order is None and self.absent is None else self.empty(*used.shape)
        if order is not None:
            torch.index_select(self.x, 0, order[: len(used)], out=self.rows)
        if self.absent is not None:
            torch.where(self.absent, self.x.new_zeros(()), used if order is None else self.rows, out=self.rows)
        filled = self.empty(len(self.rows), len(self.source_blocks) * self.kernel.hidden_size)
        project(self.kernel, self.source_blocks, self.rows, self.weights.ih, bias, filled)
        return filled

    def _forward_part(self, one: Pass) -> None:
        """Compute the states of a part, step by step."""
        part, n = one.part, len(self.layout.rows)
        bias = self.doubled_bias[: self.recurrent]
        for step, where, beside, gates, kept, columns, nodes, predecessors in zip(
            part.steps,
            part.places(self.run.cell.arity),
            self._beside(one),
            part.split(one.gates[:, : self.recurrent]),
            part.split(one.extra),
            zip(*(part.split(columns) for columns in self.kernel.columns(one.gates)), strict=True),
            zip(*(part.nodes.of(state[:n]) for state in self.states), strict=True),
            zip(*(part.predecessors.of(state[:n]) for state in self.states), strict=True),
            strict=False,
        ):
            children = None
            if not one.childless:
                if predecessors[0] is None:
                    predecessors = [take(state, step.predecessors) for state in self.states]
                children = self._children(step, where, predecessors, beside)
                if one.fed:
                    gates.addmm_(children[0], self.U_t)
                else:
                    torch.addmm(bias, children[0], self.U_t, out=gates)
            self._forward_kernel(step, columns, kept, children, nodes)

    def _beside(self, one: Pass) -> Iterable[Any]:
        """What `_children` and `_pass_back` need of each step beside the states of its predecessors."""
        return repeat(None)

    def _children(self, step: Step, where: Tensor | None, rows: list[Tensor], beside: Any) -> list[Tensor]:
        """(n, K * H) for each field of the state: the ``rows`` of the predecessors by slot, 0 where there is none."""
        if where is None and self.kernel.slots == 1:
            return rows
        return [self._by_slot(part, step, where) for part in rows]

    def _by_slot(self, rows: Tensor, step: Step, where: Tensor | None) -> Tensor:
        if where is None:
            return rows.view(step.size, -1)
        stacked = rows.new_zeros(step.size * self.kernel.slots, rows.shape[1]).index_copy_(0, where, rows)
        return stacked.view(step.size, -1)

    def _forward_kernel(
        self, step: Step, columns: Columns, extra: Tensor, children: list[Tensor] | None, nodes: Any
    ) -> None:
        """Write the states of a step, into ``nodes`` if their rows are a slice."""
        if isinstance(step.nodes, slice):
            self.kernel.forward(columns, extra, children, nodes)
        else:
            made = [part[: step.size] for part in self.scratch]
            self.kernel.forward(columns, extra, children, made)
            for state, part in zip(self.states, made, strict=True):
                state.index_copy_(0, step.nodes, part)

    def backward(self, gradients: tuple[Tensor | None, ...], wants_x: bool) -> tuple[Tensor | None, ...]:
        """The gradients of x, of the weights, and of the initial states, from those of the states."""
        found = Weights(*(None if weight is None else torch.empty_like(weight) for weight in self.weights))  # type: ignore[arg-type]
        d_x = torch.zeros_like(self.x) if wants_x else None
        d_initial = [torch.empty_like(before) for before in self.initial]
        with torch.inference_mode():
            self._start_back(gradients)
            sources, inner = self.passes
            of_rows = self.empty(len(self.rows), sources.gates.shape[1])
            of_sources = of_rows[: sources.part.whole.size]
            of_inner = of_rows[len(of_sources) :] if self.fed else self.empty(*inner.gates.shape)
            products = self._backward_part(inner, of_inner) + self._backward_part(sources, of_sources)
            self._fill_gradients(found, products, of_inner, of_sources)
            for before, buffer in zip(d_initial, self.flowing, strict=False):
                before.copy_(buffer[len(self.layout.rows) :])
            self._fill_input_gradients(found.ih, d_x, of_rows)
        return d_x, *self.kernel.disarranged(found), *d_initial

    def _start_back(self, gradients: tuple[Tensor | None, ...]) -> None:
        """Bring the gradients of the states into level order, in buffers to which the loop adds."""
        n = len(self.layout.rows)
        self.flowing = [self.empty(*state.shape) for state in self.states]
        for buffer, gradient in zip(self.flowing, gradients, strict=True):
            if gradient is None:
                buffer.zero_()
            elif self.run.schedule.in_order:
                buffer[:n] = gradient
            else:
                torch.index_select(gradient, 0, self.run.schedule.order, out=buffer[:n])
            buffer[n:].zero_()

    def _fill_gradients(
        self, found: Weights, products: list[tuple[int, Tensor, Tensor]], of_inner: Tensor, of_sources: Tensor
    ) -> None:
        """Fill the gradients of U and of the biases."""
        for number, (begin, part, factor) in enumerate(products):
            rows = found.hh[begin : begin + part.shape[1]]
            begun = any(begin == earlier[0] for earlier in products[:number])
            torch.addmm(rows, part.t(), factor, beta=int(begun), out=rows)
        if not products:
            found.hh.zero_()
        of_biases = bias_gradients(self.kernel, of_inner, of_sources, self.source_blocks)
        for bias, gradient in zip(found[2:], of_biases, strict=True):
            if bias is not None:
                bias.copy_(gradient[: len(bias)])

    def _fill_input_gradients(self, d_W: Tensor, d_x: Tensor | None, of_rows: Tensor) -> None:
        """Fill the gradients of W and of x from those of W x."""
        order, d_rows = self.layout.order, d_x
        if d_x is not None:
            d_rows = d_x[: len(self.rows)] if order is None else self.empty(*self.rows.shape)
        projection_gradients(self.kernel, self.source_blocks, of_rows, self.rows, self.weights.ih, d_W, d_rows)
        if d_x is not None and d_rows is not None:
            if self.absent is not None:
                d_rows.masked_fill_(self.absent, 0)
            if order is not None:
                d_x.index_copy_(0, order[: len(d_rows)], d_rows)

    def _backward_part(self, one: Pass, made: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Fill ``made`` with the gradients of the gates of a part, last step first.

        Returns:
            For blocks of rows of U, their first row, the gradients of the products with them, and the other factor.
        """
        part, kernel, n = one.part, self.kernel, len(self.layout.rows)
        whole = part.whole
        if not whole.size:
            return []
        children = None if one.childless else self._whole_children(whole)
        more = kernel.factors(one.gates, one.extra, children, lambda: take(self.states[0], whole.nodes), made)
        views = made[:, : self.recurrent], *kernel.gradient_columns(one.gates, made, more, one.childless)
        pieces = zip(
            part.steps,
            part.places(self.run.cell.arity),
            self._beside(one),
            zip(*(part.split(view) for view in views), strict=True),
            zip(*(part.nodes.of(buffer[:n]) for buffer in self.flowing), strict=True),
            zip(*(part.predecessors.of(buffer[:n]) for buffer in self.flowing), strict=True),
            strict=False,
        )
        for step, where, beside, (recurrent, *columns), nodes, predecessors in reversed(list(pieces)):
            here = [take(buffer, step.nodes) for buffer in self.flowing] if nodes[0] is None else list(nodes)
            if one.childless:
                kernel.backward(tuple(columns), here, None)
            else:
                self._pass_back(step, where, recurrent, tuple(columns), here, predecessors, beside)
        return [] if children is None else [(0, made[:, : self.recurrent], children[0])]

    def _whole_children(self, whole: Step) -> list[Tensor]:
        """`_children` of all steps at once."""
        rows = [take(state, whole.predecessors) for state in self.states]
        return self._children(whole, place(whole, self.run.cell.arity), rows, None)

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
        """Add to the gradients of the predecessors those from the states ``here``; the inverse of `_children`."""
        K, H = self.kernel.slots, self.kernel.hidden_size
        view = where is None and predecessors[0] is not None
        if view:
            below = [part.view(step.size, K, H) for part in predecessors]
        else:
            below = [buffer.new_zeros(step.size, K, H) for buffer in self.flowing]
        self.kernel.backward(columns, here, below)
        below[0].view(step.size, K * H).addmm_(recurrent, self.weights.hh)
        if not view:
            for buffer, part in zip(self.flowing, below, strict=True):
                edges = part.view(-1, H)
                add(buffer, step.predecessors, edges if where is None else edges.index_select(0, where))


def add(buffer: Tensor, rows: Rows, values: Tensor) -> None:
    """Add ``values`` to rows of ``buffer``, to some perhaps repeatedly."""
    if isinstance(rows, slice):
        buffer[rows].add_(values)
    else:
        buffer.index_add_(0, rows, values)
