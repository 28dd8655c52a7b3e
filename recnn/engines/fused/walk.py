"""The loop over levels, forward and backward by hand, for a cell that has a kernel.

States are in one buffer per field, in level order, so that the children of a complete level are a view of it; initial
states are further rows at its end. Gates are in two buffers: one for the nodes without predecessors (the sources),
which are computed in one step, and one for all other nodes, level by level. In the backward pass, the gradient of each
weight is one product for the whole forest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recnn.cells.base import Cell
from recnn.engines.fused.inputs import GatheredInputs, Inputs, SharedInputs
from recnn.engines.fused.kernel import Columns, Kernel
from recnn.engines.fused.memory import buffer
from recnn.engines.fused.parts import Layout, Part, layout, place
from recnn.engines.fused.projection import bias_gradients, bias_of, double
from recnn.graphs.devices import to_device_of
from recnn.graphs.plan import Direction, Rows, Step, take
from recnn.graphs.schedule import Schedule


@dataclass
class Run:
    """Arguments of a walk that need no gradient."""

    cell: Cell
    kernel: Kernel
    schedule: Schedule
    direction: Direction
    label: Tensor | None  # (N,) in level order, in host memory
    absent: Tensor | None  # (N,) in level order, True for nodes without an input; None if all have one. In host memory
    row: Tensor | None  # (N,) in level order, row of x of each node, -1 for none. None if x has one row per node

    @cached_property
    def missing(self) -> tuple[bool, Tensor | None]:
        """Whether inner nodes have inputs; and, sources before inner nodes, which rows have none, None if all have.

        The rows are those of all nodes if inner nodes have inputs, else those of the sources.
        """
        if self.absent is None:
            return True, None
        found = layout(self.schedule, self.direction)
        absent, count = self.absent.index_select(0, found.rows), found.sources.whole.size
        fed = not bool(absent[count:].all())
        absent = absent if fed else absent[:count]
        return fed, absent if absent.any() else None

    @cached_property
    def rows_of_x(self) -> Tensor | None:
        """``row`` of the nodes whose inputs are projected, in the order of `missing`."""
        if self.row is None:
            return None
        found = layout(self.schedule, self.direction)
        return self.row.index_select(0, found.rows if self.missing[0] else found.rows[: found.sources.whole.size])


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
    """(n, G) or fewer columns: W x + U H_ + b, and after the forward pass the gates."""
    extra: Tensor
    """(n, extra * H) further columns for the backward pass; see `Kernel`."""
    fed: bool
    """True if ``gates`` start as W x + b; False if the nodes have no inputs, so that b is added in the loop."""
    childless: bool
    """True if the nodes have no predecessors."""
    forget: Tensor | None
    """(E, H) forget gates of the edges, for child-sum with a gate per child; see `recnn.engines.fused.child_sum`."""


class Walk:
    """One forward and backward pass over a forest.

    Args:
        run: cell, kernel, schedule and direction.
        x: inputs (N, D), one row per node; or (R, D) with ``run.row``.
        weights: weights of the cell, in the order of the kernel.
        initial: initial states (B, H), one tensor per field of the state, or none.
        keep: keep all values that the backward pass needs, in ``buffers``.
        saved: in the backward pass, the ``buffers`` of the forward pass.
    """

    def __init__(
        self,
        run: Run,
        x: Tensor,
        weights: Weights,
        initial: tuple[Tensor, ...],
        keep: bool,
        saved: Sequence[Tensor] | None = None,
    ) -> None:
        self.run, self.kernel, self.keep = run, run.kernel, keep
        self.layout: Layout = layout(run.schedule, run.direction, x)
        self.places = run.schedule.on(x)
        self.x, self.weights, self.initial = x, weights, initial
        # Without a backward pass all steps share memory, unless the forest is so small that cutting costs more.
        self.shared = not keep and self.layout.inner.whole.size > 512
        self.recurrent = self.kernel.recurrent_blocks * self.kernel.hidden_size  # columns to which U H_ is added
        every = tuple(range(len(self.kernel.input_blocks)))
        # If only leaves have words, there is nothing to project at inner nodes, and leaves need fewer columns.
        self.fed, _ = run.missing
        self.source_blocks = every if self.fed or initial else self.kernel.source_blocks
        self.buffers: list[Tensor] = []
        self._saved = None if saved is None else iter(saved)
        self._allocate()

    def forward(self) -> tuple[Tensor, ...]:
        """Compute the states (N, H), in the order of the graph."""
        n = len(self.layout.rows)
        with torch.inference_mode():  # views are cheaper to cut in this mode
            for state, before in zip(self.states, self.initial, strict=False):
                state[n:] = before
            bias = bias_of(self.kernel, self.weights.bias_ih, self.weights.bias_hh, self.x)
            self.doubled_bias = double(self.kernel, bias.clone())
            self._fill(bias)
            states = [state[:n] for state in self.states]
            for one in self.passes:
                self._forward_part(one, states)
        if not self.run.schedule.in_order:
            return tuple(part.index_select(0, self.places.rank) for part in self.states)
        return tuple(part[:n].clone() if self.keep else part[:n] for part in self.states)

    def _buffer(self, rows: int, columns: int) -> Tensor:
        """Allocate a buffer that the backward pass needs too, or in the backward pass take the saved one."""
        self.buffers.append(buffer(self.x, rows, columns) if self._saved is None else next(self._saved))
        return self.buffers[-1]

    def _allocate(self) -> None:
        """Allocate all buffers, or, in the backward pass, take those of the forward pass."""
        kernel, layout, H = self.kernel, self.layout, self.kernel.hidden_size
        n, count = len(layout.rows), layout.sources.whole.size
        rows = n + self.run.schedule.trees * bool(self.initial)
        self.states = [self._buffer(rows, H) for _ in range(kernel.fields)]
        self.inputs = self._inputs(n if self.fed else count)
        filled = self._buffer(n if self.fed else count, len(self.source_blocks) * H)
        if self.fed:
            gates = filled[count:]
        else:
            size = layout.widest if self.shared else layout.inner.whole.size
            gates = self._buffer(size, len(kernel.input_blocks) * H)
        extra = self._buffer(layout.widest if self.shared else n, kernel.extra * H)
        self.filled = filled
        self.passes = (
            self._pass(layout.sources, filled[:count], extra[:count], True, not self.initial),
            self._pass(layout.inner, gates, extra if self.shared else extra[count:], self.fed, False),
        )

    def _inputs(self, n: int) -> Inputs:
        """Prepare the inputs of the first n nodes, sources before inner nodes."""
        x, kernel, blocks, row = self.x, self.kernel, self.source_blocks, self.run.rows_of_x
        if row is not None and len(x) < n:
            return SharedInputs(x, kernel, blocks, to_device_of(row.masked_fill(row < 0, len(x)), x))
        order = self.layout.order if row is None else to_device_of(row.clamp(min=0), x)
        absent = self.run.missing[1]
        absent = None if absent is None else to_device_of(absent, x).unsqueeze(1)
        return GatheredInputs(x, kernel, blocks, order, absent, n, self._buffer)

    def _pass(self, part: Part, gates: Tensor, extra: Tensor, fed: bool, childless: bool) -> Pass:
        return Pass(part, gates, extra, fed, childless, None)

    def _fill(self, bias: Tensor) -> None:
        """Fill the gates with W x + b, doubled for tanh (see `recnn.engines.fused.kernel`)."""
        kernel, layout = self.kernel, self.layout
        U = self.weights.hh[: self.recurrent]
        self.U_t = (double(kernel, U.clone()) if kernel.doubled_blocks else U).t()
        self.scratch = [self.x.new_empty(layout.widest, kernel.hidden_size) for _ in self.states]
        self.inputs.project(self.weights.ih, bias, self.filled)
        if not self.fed:
            gates = self.passes[1].gates
            gates[:, self.recurrent :] = self.doubled_bias[self.recurrent :]  # the loop adds U H_ to the others only

    def _forward_part(self, one: Pass, states: list[Tensor]) -> None:
        """Compute the states of a part, step by step; ``states`` are the buffers without the initial states."""
        part = one.part
        bias = self.doubled_bias[: self.recurrent]
        for step, where, beside, gates, kept, columns, nodes, predecessors in zip(
            part.steps,
            part.places(self.run.cell.arity),
            self._beside(one),
            part.split(one.gates[:, : self.recurrent]),
            part.split(one.extra),
            zip(*(part.split(columns) for columns in self.kernel.columns(one.gates)), strict=True),
            zip(*(part.nodes.of(state) for state in states), strict=True),
            zip(*(part.predecessors.of(state) for state in states), strict=True),
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
        """Return further arguments of `_children` and `_pass_back` for each step."""
        return repeat(None)

    def _children(self, step: Step, where: Tensor | None, rows: list[Tensor], beside: Any) -> list[Tensor]:
        """Arrange the ``rows`` of the predecessors by slot, (n, K * H) for each field; 0 in empty slots."""
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
        """Compute the states of a step, directly into the views ``nodes`` if their rows are a slice."""
        if isinstance(step.nodes, slice):
            self.kernel.forward(columns, extra, children, nodes)
        else:
            made = [part[: step.size] for part in self.scratch]
            self.kernel.forward(columns, extra, children, made)
            for state, part in zip(self.states, made, strict=True):
                state.index_copy_(0, step.nodes, part)

    def backward(
        self, gradients: tuple[Tensor | None, ...], wants_x: bool
    ) -> tuple[Tensor | None, Weights, list[Tensor]]:
        """Compute the gradients of x, of the weights and of the initial states from those of the states."""
        found = Weights(*(None if weight is None else torch.empty_like(weight) for weight in self.weights))  # type: ignore[arg-type]
        d_x = torch.zeros_like(self.x) if wants_x else None
        d_initial = [torch.empty_like(before) for before in self.initial]
        with torch.inference_mode():
            self._start_back(gradients)
            sources, inner = self.passes
            of_rows = buffer(self.x, len(self.filled), sources.gates.shape[1])
            of_sources = of_rows[: sources.part.whole.size]
            of_inner = of_rows[len(of_sources) :] if self.fed else buffer(self.x, *inner.gates.shape)
            flowing = [flow[: len(self.layout.rows)] for flow in self.flowing]
            products = self._backward_part(inner, of_inner, flowing)
            products += self._backward_part(sources, of_sources, flowing)
            self._fill_gradients(found, products, of_inner, of_sources)
            for before, flow in zip(d_initial, self.flowing, strict=False):
                before.copy_(flow[len(self.layout.rows) :])
            self.inputs.gradients(of_rows, self.weights.ih, found.ih, d_x)
        return d_x, found, d_initial

    def _start_back(self, gradients: tuple[Tensor | None, ...]) -> None:
        """Bring the gradients of the states into level order, in buffers to which the loop adds."""
        n = len(self.layout.rows)
        self.flowing = [buffer(self.x, *state.shape) for state in self.states]
        for flow, gradient in zip(self.flowing, gradients, strict=True):
            if gradient is None:
                flow.zero_()
            elif self.run.schedule.in_order:
                flow[:n] = gradient
            else:
                torch.index_select(gradient, 0, self.places.order, out=flow[:n])
            flow[n:].zero_()

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

    def _backward_part(self, one: Pass, made: Tensor, flowing: list[Tensor]) -> list[tuple[int, Tensor, Tensor]]:
        """Fill ``made`` with the gradients of the gates of a part, last step first.

        Args:
            one: the part.
            made: (n, G) or fewer columns, to be filled.
            flowing: the gradients of the states, without those of the initial states.

        Returns:
            For each block of rows of U: its first row, the gradients of the products, and the vectors it multiplied.
        """
        part, kernel = one.part, self.kernel
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
            zip(*(part.nodes.of(flow) for flow in flowing), strict=True),
            zip(*(part.predecessors.of(flow) for flow in flowing), strict=True),
            strict=False,
        )
        for step, where, beside, (recurrent, *columns), nodes, predecessors in reversed(list(pieces)):
            here = [take(flow, step.nodes) for flow in self.flowing] if nodes[0] is None else list(nodes)
            if one.childless:
                kernel.backward(tuple(columns), here, None)
            else:
                self._pass_back(step, where, recurrent, tuple(columns), here, predecessors, beside)
        return [] if children is None else [(0, made[:, : self.recurrent], children[0])]

    def _whole_children(self, whole: Step) -> list[Tensor]:
        """Return `_children` of all steps at once."""
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
        """Pass the gradients ``here`` of the states of a step on to the predecessors."""
        K, H = self.kernel.slots, self.kernel.hidden_size
        view = where is None and predecessors[0] is not None
        if view:
            below = [part.view(step.size, K, H) for part in predecessors]
        else:
            below = [flow.new_zeros(step.size, K, H) for flow in self.flowing]
        self.kernel.backward(columns, here, below)
        below[0].view(step.size, K * H).addmm_(recurrent, self.weights.hh)
        if not view:
            for flow, part in zip(self.flowing, below, strict=True):
                edges = part.view(-1, H)
                add(flow, step.predecessors, edges if where is None else edges.index_select(0, where))


def add(to: Tensor, rows: Rows, values: Tensor) -> None:
    """Add ``values`` to rows of a tensor, which may repeat."""
    if isinstance(rows, slice):
        to[rows].add_(values)
    else:
        to.index_add_(0, rows, values)
