"""Steps of a loop over a forest in one direction: the nodes that are computed together, and their predecessors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from recnn.graphs.devices import all_to_device_of

Direction = Literal["up", "down"]
Rows = slice | Tensor
"""Rows of a tensor: a slice if they are contiguous, else their indices."""


class Step(NamedTuple):
    """Nodes that are computed together, after all their predecessors.

    A predecessor is a child where states flow bottom-up, the parent where they flow top-down.
    """

    nodes: Rows
    """Rows of the n nodes in level order."""
    predecessors: Rows
    """Rows of the predecessors at the E edges."""
    segment: Tensor
    """(E,) index, 0..n-1, of the node that each edge leads to, ascending."""
    slot: Tensor
    """(E,) slot of each edge, ascending at each node."""
    size: int
    """Number n of nodes."""
    complete: int | None
    """K if each node has exactly the slots 0..K-1, else None."""
    offset: int
    """First row of the level of the predecessors."""
    sources: int = 0
    """Number of sources on the level of the nodes; see `Plan`."""
    merge: Tensor | None = None
    """Permutation that brings the nodes, followed by those sources, into level order; None for the identity."""

    @property
    def edges(self) -> int:
        """Number E of edges."""
        return len(self.segment)


@dataclass(frozen=True)
class Plan:
    """All steps in one direction over N nodes in B trees, of which S nodes are sources.

    Attributes:
        sources: the nodes without predecessors, leaves bottom-up and roots top-down. With initial states, their
            predecessors are the rows N..N+B-1, one per tree.
        inner: all other nodes as one step.
        steps: the inner nodes, step by step, in the order of the loop.
        upward: True if the direction is bottom-up.
        cache: results that an engine derives from the plan, for reuse.
    """

    sources: Step
    inner: Step
    steps: list[Step]
    upward: bool
    cache: dict[Any, Any] = field(default_factory=dict)

    def on(self, like: Tensor) -> Plan:
        """Copy the plan to the device of ``like``."""
        steps = [self.sources, self.inner, *self.steps]
        copies = iter(all_to_device_of([part for step in steps for part in step if isinstance(part, Tensor)], like))
        sources, inner, *rest = (
            Step._make(next(copies) if isinstance(part, Tensor) else part for part in step) for step in steps
        )
        return Plan(sources, inner, rest, self.upward)

    def split(self, values: Tensor) -> list[Tensor]:
        """Split ``values`` of the inner nodes (N - S, *) by step."""
        return self._in_turn(values.split([step.size for step in self._by_level()])) if self.steps else []

    def split_sources(self, values: Tensor) -> list[Tensor]:
        """Split ``values`` of the sources (S, *) by level, in the order of the loop from the level before all steps."""
        on_steps = [step.sources for step in self._by_level()]
        first = self.sources.size - sum(on_steps)
        return self._in_turn(values.split([*on_steps, first] if self.upward else [first, *on_steps]))

    def _by_level(self) -> list[Step]:
        return self.steps[::-1] if self.upward else self.steps

    def _in_turn(self, parts: Sequence[Tensor]) -> list[Tensor]:
        return list(parts[::-1] if self.upward else parts)


def take(values: Tensor, rows: Rows, offset: int = 0) -> Tensor:
    """Select rows of ``values``, whose first row counts as row ``offset``."""
    if isinstance(rows, slice):
        begin, end = rows.start - offset, rows.stop - offset
        return values if (begin, end) == (0, len(values)) else values[begin:end]
    return values.index_select(0, rows - offset if offset else rows)


def indices(rows: Rows, like: Tensor) -> Tensor:
    """Return ``rows`` as a tensor of indices, on the device of ``like``."""
    return torch.arange(rows.start, rows.stop, device=like.device) if isinstance(rows, slice) else rows


def source_step(rows: Tensor, tree: Tensor) -> Step:
    """Make the `Step` of the sources at ``rows``; ``tree`` (N,) is the index of the tree of each row."""
    segment = torch.arange(len(rows))
    n = len(tree)
    return Step(_contiguous(rows), n + tree.index_select(0, rows), segment, segment * 0, len(rows), 1, n)


def inner_steps(
    nodes: Tensor, bounds: list[int], edges: tuple[Tensor, Tensor, Tensor], edge_bounds: list[int], offsets: list[int]
) -> tuple[Step, list[Step]]:
    """Make one `Step` of all inner nodes, and the list of their steps.

    Args:
        nodes: rows of the inner nodes, ascending.
        bounds: first index in ``nodes`` of each step, and their number.
        edges: row of the predecessor, index of the inner node, and slot of each edge.
        edge_bounds: first edge of each step, and the number of edges.
        offsets: `Step.offset` of each step.
    """
    predecessors, segment, slot = edges
    if len(bounds) < 2:
        return Step(nodes, predecessors, segment, slot, len(nodes), None, 0), []
    sizes = nodes.new_tensor([b - a for a, b in pairwise(edge_bounds)])
    step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    begins = nodes.new_tensor(bounds[:-1])
    local = segment - begins[step]
    # A step is complete with K slots if its slots run 0..K-1, 0..K-1, ... and there are K edges per node.
    widest = slot.new_zeros(len(sizes)).scatter_reduce(0, step, slot, "amax") + 1
    within = torch.arange(len(slot)) - nodes.new_tensor(edge_bounds[:-1])[step]
    regular = torch.ones_like(widest).scatter_reduce(0, step, (slot == within % widest[step]).long(), "amin")
    regular *= sizes == widest * (nodes.new_tensor(bounds[1:]) - begins)
    complete = [arity if full else None for arity, full in zip(widest.tolist(), regular.tolist(), strict=True)]
    pieces = (
        _runs(nodes, bounds),
        _runs(predecessors, edge_bounds),
        local.split(sizes.tolist()),
        slot.split(sizes.tolist()),
        [end - begin for begin, end in pairwise(bounds)],
        complete,
        offsets,
    )
    same = complete[0] if len(set(complete)) == 1 else None
    whole = Step(_contiguous(nodes), _contiguous(predecessors), segment, slot, len(nodes), same, 0)
    return whole, [Step(*piece) for piece in zip(*pieces, strict=True)]


def _contiguous(rows: Tensor) -> Rows:
    return _runs(rows, [0, len(rows)])[0] if len(rows) else rows


def _runs(rows: Tensor, bounds: list[int]) -> list[Rows]:
    """Cut ``rows`` at ``bounds``; a piece of consecutive rows becomes a slice."""
    jumps = torch.cat([rows.new_zeros(1), (rows.diff() != 1).long().cumsum(0)])
    ends = rows.new_tensor(bounds[1:]) - 1
    begins = rows.new_tensor(bounds[:-1])
    run = (jumps[ends] == jumps[begins]).tolist()
    pieces = rows.split([b - a for a, b in pairwise(bounds)])
    return [
        slice(first, first + len(piece)) if whole else piece
        for first, piece, whole in zip(rows[begins].tolist(), pieces, run, strict=True)
    ]
