"""The two parts of a walk, sources and inner nodes, and the places of their rows in its buffers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import torch
from torch import Tensor

from recnn.cells.base import Arity
from recnn.graphs.devices import to_device_of
from recnn.graphs.plan import Direction, Plan, Rows, Step, indices
from recnn.graphs.schedule import Schedule


class Cuts:
    """Slices to cut out of many tensors, in one call per tensor, because each slice costs as much as an addition."""

    def __init__(self, rows: Sequence[Rows], total: int) -> None:
        """Prepare to cut ``rows``, whose slices must not overlap, out of tensors with ``total`` rows."""
        self._sizes: list[int] = []
        self._picks: list[int | None] = [None] * len(rows)
        at = 0
        for begin, end, index in sorted((r.start, r.stop, k) for k, r in enumerate(rows) if isinstance(r, slice)):
            if begin > at:
                self._sizes.append(begin - at)
            self._picks[index] = len(self._sizes)
            self._sizes.append(end - begin)
            at = end
        self._sizes.append(total - at)
        self._any = any(pick is not None for pick in self._picks)
        self._whole = list(rows) == [slice(0, total)]

    def of(self, values: Tensor) -> list[Tensor | None]:
        """Cut the rows out of ``values``; None in place of rows that are not a slice."""
        if self._whole:
            return [values]
        parts = values.split_with_sizes(self._sizes) if self._any else ()
        return [None if pick is None else parts[pick] for pick in self._picks]


@dataclass(frozen=True)
class Part:
    """Nodes whose gates are in one buffer.

    Attributes:
        whole: all nodes as one step.
        steps: the steps of these nodes.
        nodes: rows of the nodes of each step in a tensor (N, *) in level order.
        predecessors: rows of the predecessors of each step in such a tensor.
        own: rows of each step in a tensor with one row per node of the part.
        edges: rows of each step in a tensor with one row per edge to a node of the part.
    """

    whole: Step
    steps: list[Step]
    nodes: Cuts
    predecessors: Cuts
    own: Cuts
    edges: Cuts
    _places: dict[Arity, list[Tensor | None]] = field(default_factory=dict)

    def split(self, values: Tensor) -> list[Tensor]:
        """Split ``values`` by step if they have one row per node; else the steps share them, and get the first rows."""
        if values.shape[0] == self.whole.size:
            return self.own.of(values)  # type: ignore[return-value]
        heads = {size: values[:size] for size in {step.size for step in self.steps}}
        return [heads[step.size] for step in self.steps]

    def places(self, arity: Arity) -> list[Tensor | None]:
        """Return `place` of each step."""
        if arity not in self._places:
            self._places[arity] = [place(step, arity) for step in self.steps]
        return self._places[arity]


@dataclass(frozen=True)
class Layout:
    """The parts of a walk.

    Attributes:
        sources: the nodes without predecessors.
        inner: all other nodes.
        rows: (N,) rows in level order of the sources and then of the inner nodes, their order in a buffer.
        order: (N,) the numbers of these nodes in the graph; None if they are 0, 1, ..., N - 1.
        widest: largest number of nodes in a step.
    """

    sources: Part
    inner: Part
    rows: Tensor
    order: Tensor | None
    widest: int


def layout(schedule: Schedule, direction: Direction, like: Tensor | None = None) -> Layout:
    """Return the layout of a walk, by default in host memory; it is computed once and kept with the plan.

    Args:
        schedule: the levels of the forest.
        direction: "up" or "down".
        like: the tensors of the layout are on the device of this tensor.
    """
    plan = schedule.plan(direction, like)
    if "layout" not in plan.cache:
        at_home = schedule.plan(direction)
        plan.cache["layout"] = _layout(schedule, plan) if plan is at_home else _moved(layout(schedule, direction), plan)
    return plan.cache["layout"]  # type: ignore[no-any-return]


def _layout(schedule: Schedule, plan: Plan) -> Layout:
    total, inner = len(schedule.order), plan.inner
    rows = torch.cat([indices(plan.sources.nodes, schedule.order), indices(inner.nodes, schedule.order)])
    order = schedule.order.index_select(0, rows)
    return Layout(
        _part(plan.sources, [plan.sources], total, False),
        _part(inner, plan.steps, total, plan.upward),
        rows,
        None if torch.equal(order, torch.arange(total)) else order,
        max(plan.sources.size, *(step.size for step in plan.steps), 0),
    )


def _moved(layout: Layout, plan: Plan) -> Layout:
    """Copy a layout to the device of a plan."""
    like = plan.sources.segment
    return replace(
        layout,
        sources=replace(layout.sources, whole=plan.sources, steps=[plan.sources], _places={}),
        inner=replace(layout.inner, whole=plan.inner, steps=plan.steps, _places={}),
        rows=to_device_of(layout.rows, like),
        order=None if layout.order is None else to_device_of(layout.order, like),
    )


def place(step: Step, arity: Arity) -> Tensor | None:
    """Return (E,) the index of each predecessor among the n * K children; None for 0, 1, ..., and for child-sum."""
    return None if arity == "sum" or arity == step.complete else step.segment * arity + step.slot


def _part(whole: Step, steps: list[Step], total: int, upward: bool) -> Part:
    return Part(
        whole,
        steps,
        Cuts([step.nodes for step in steps], total),
        Cuts([step.predecessors for step in steps], total),
        Cuts(_consecutive([step.size for step in steps], upward), whole.size),
        Cuts(_consecutive([step.edges for step in steps], upward), whole.edges),
    )


def _consecutive(sizes: Sequence[int], reverse: bool) -> list[Rows]:
    """Make adjacent slices of these sizes; if ``reverse``, the last size comes first."""
    turned: Iterable[int] = sizes[::-1] if reverse else sizes
    slices: list[Rows] = [slice(end - size, end) for end, size in zip(accumulate(turned), turned, strict=True)]
    return slices[::-1] if reverse else slices
