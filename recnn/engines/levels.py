"""Engine for any cell: a loop over the levels of a schedule, differentiated by autograd."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from recnn.cells.base import Cell, Children, Edges, Nodes
from recnn.graphs.devices import to_device_of, with_data
from recnn.graphs.plan import Direction, Step, take
from recnn.graphs.schedule import Schedule


class _Gathered(Children):
    """Children of the nodes of a step, whose edges are sorted by node and slot."""

    def __init__(self, step: Step, slots: int) -> None:
        self.step, self.slots = step, slots

    def sum(self, messages: Tensor) -> Tensor:
        step = self.step
        if step.complete is not None:
            return messages if step.complete == 1 else self._by_node(messages, step.complete).sum(1)
        return messages.new_zeros(step.size, *messages.shape[1:]).index_add(0, step.segment, messages)

    def stack(self, messages: Tensor) -> Tensor:
        step, slots = self.step, self.slots
        if step.complete == slots:
            return self._by_node(messages, slots)
        stacked = messages.new_zeros(step.size * slots, *messages.shape[1:])
        return self._by_node(stacked.index_copy(0, step.segment * slots + step.slot, messages), slots)

    def _by_node(self, messages: Tensor, slots: int) -> Tensor:
        return messages.reshape(self.step.size, slots, *messages.shape[1:])


def run(
    cell: Cell,
    schedule: Schedule,
    direction: Direction,
    x: Tensor,
    absent: Tensor | None = None,
    label: Tensor | None = None,
    initial: Any = None,
    row: Tensor | None = None,
) -> Any:
    """Compute the states of all nodes, in the order of the graph; the arguments are those of `propagate.walk`."""
    plan, trees, places = schedule.plan(direction, x), schedule.trees, schedule.on(x)
    label = torch.full_like(places.order, -1) if label is None else to_device_of(label, x)
    nodes = Nodes(projected(cell, x, schedule.order if row is None else row, absent), label, places.tree)
    first = plan.sources
    if initial is None:
        first = first._replace(
            segment=first.segment[:0], slot=first.slot[:0], predecessors=slice(0, 0), complete=None, offset=0
        )
        initial, trees = cell.empty_state(nodes.inputs, 0), 0
    # The rows after the nodes are the initial states, which are not leaves and have no label.
    label = torch.cat([nodes.label, nodes.label.new_full((trees,), -1)])
    leaf = torch.zeros_like(label, dtype=torch.bool)
    leaf[first.nodes] = not trees

    def composed(step: Step, here: Nodes, level: Any) -> Any:
        """Compute the states of the nodes of a step from those of the ``level`` of their predecessors."""
        child = cell.State(*(take(part, step.predecessors, step.offset) for part in level))
        parent = here if step.complete == 1 else _select(here, lambda part: part.index_select(0, step.segment))
        edges = Edges(step.slot, take(label, step.predecessors), take(leaf, step.predecessors), parent)
        return cell.compose(here, child, edges, _Gathered(step, cell.slots), leaf=not step.edges)

    sources = composed(first, _select(nodes, lambda part: take(part, first.nodes)), initial)
    beside = _split(sources, plan.split_sources)
    levels = [beside[0]]
    inner = _split(_select(nodes, lambda part: take(part, plan.inner.nodes)), plan.split)
    for step, here, others in zip(plan.steps, inner, beside[1:], strict=True):
        levels.append(_merged(composed(step, here, levels[-1]), others, step))
    if plan.upward:
        levels.reverse()
    return cell.State(*(torch.cat(parts).index_select(0, places.rank) for parts in zip(*levels, strict=True)))


def projected(cell: Cell, x: Tensor, row: Tensor, absent: Tensor | None) -> Tensor:
    """Project the inputs of N nodes, rows ``row`` of x, to (N, G); nodes without an input get 0, and are not projected.

    ``row`` and ``absent`` are in host memory.
    """
    if absent is None:
        return cell.inputs(x.index_select(0, to_device_of(row, x)))
    with with_data(x):
        nodes = (~absent).nonzero().squeeze(1)
        row = row[nodes]
    inputs = cell.inputs(x.index_select(0, to_device_of(row, x)))
    return inputs.new_zeros(len(absent), *inputs.shape[1:]).index_copy(0, to_device_of(nodes, x), inputs)


def _merged(state: Any, sources: Any, step: Step) -> Any:
    """Merge the states of a step and of the sources on the same level, in level order."""
    if not step.sources:
        return state
    whole = (torch.cat(parts) for parts in zip(state, sources, strict=True))
    return type(state)(*(part if step.merge is None else part.index_select(0, step.merge) for part in whole))


def _select(rows: Nodes, select: Callable[[Tensor], Tensor]) -> Nodes:
    return Nodes(*map(select, rows))


def _split(rows: Any, split: Callable[[Tensor], Sequence[Tensor]]) -> list[Any]:
    """Cut each field of a NamedTuple of tensors into the same pieces."""
    return [type(rows)(*piece) for piece in zip(*map(split, rows), strict=True)]
