"""Group the nodes of a forest by depth, so that one loop processes all trees in parallel.

Nodes are ordered by their distance from the root, siblings together, in the order of their parents and slots; trees are
ordered by height, the highest first. In this *level order* the children of a level are the next level, in order, so
that no indices are needed to find them; in a batch of chains, the nodes with a child are a prefix of each level, as in
a packed sequence. The schedule is computed with index tensors, without a Python loop over nodes, in host memory;
its plans are copied to the device of the inputs, where nothing is decided that the host would have to wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.devices import all_to_device_of, is_fake, with_data
from recnn.graphs.plan import Direction, Plan, inner_steps, source_step

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

T = TypeVar("T")


class Places(NamedTuple):
    """Tensors that bring rows from the order of the graph into level order, and back; see `Schedule`."""

    order: Tensor
    rank: Tensor
    tree: Tensor

    def on(self, like: Tensor) -> Places:
        """Copy the tensors to the device of ``like``."""
        return Places(*all_to_device_of(self, like))


@dataclass(eq=False)
class Schedule:
    """The levels of a forest of N nodes in B trees.

    Attributes:
        order: (N,) the node at each row of the level order.
        rank: (N,) the row of each node; inverse of ``order``.
        tree: (N,) index of the tree of each row; trees are in the order of their roots' numbers.
        parent: (N,) the row of the parent of each row, -1 for a root; ascending.
        slot: (N,) the slot of each row at its parent, 0 for a root.
        offsets: the first row of each level, and N.

    All tensors are in host memory; `on` and `plan` return copies on other devices, which are made once and kept.
    """

    order: Tensor
    rank: Tensor
    tree: Tensor
    parent: Tensor
    slot: Tensor
    offsets: list[int]
    _copies: dict[Any, Any] = field(default_factory=dict, repr=False)

    def plan(self, direction: Direction, like: Tensor | None = None) -> Plan:
        """Return the steps from the leaves "up" to the roots, or from the roots "down".

        Args:
            direction: "up" or "down".
            like: the tensors of the plan are on the device of this tensor; by default in host memory.
        """
        return self._kept(direction, like, lambda: self._plan(direction), Plan.on)

    def on(self, like: Tensor) -> Places:
        """Return the tensors that bring rows into level order and back, on the device of ``like``."""
        return self._kept("places", like, lambda: Places(self.order, self.rank, self.tree), Places.on)

    def _kept(self, name: str, like: Tensor | None, make: Callable[[], T], move: Callable[[T, Tensor], T]) -> T:
        """Return what is kept by this name for the device of ``like``."""
        if like is not None and is_fake(like):  # a copy belongs to its mode, and is not kept
            with with_data(like):
                made = self._kept(name, None, make, move)
            return move(made, like)
        made = self._copies[name] if name in self._copies else self._copies.setdefault(name, make())
        if like is None or like.device == self.order.device:
            return made
        key = name, like.device
        moved: T = self._copies[key] if key in self._copies else self._copies.setdefault(key, move(made, like))
        return moved

    @torch.inference_mode(False)
    def _plan(self, direction: Direction) -> Plan:
        return self._up() if direction == "up" else self._down()

    @property
    def trees(self) -> int:
        """Number B of trees."""
        return self.offsets[1]

    @cached_property
    def width(self) -> int | None:
        """Number of slots; None if a slot is negative or siblings share one, as they do in a graph without slots."""
        shared = (self.parent[1:] == self.parent[:-1]) & (self.slot[1:] == self.slot[:-1]) & (self.parent[1:] >= 0)
        return None if bool(shared.any()) or int(self.slot.min()) < 0 else int(self.slot.max()) + 1

    @cached_property
    def in_order(self) -> bool:
        """True if the nodes are numbered in level order."""
        return torch.equal(self.order, torch.arange(len(self.order)))

    def _up(self) -> Plan:
        """Steps bottom-up: each is the inner nodes of a level, whose children are the next level."""
        below = torch.bincount(self.parent[self.trees :], minlength=len(self.parent))
        inner = below.nonzero().squeeze(1)
        bounds = torch.searchsorted(inner, inner.new_tensor(self.offsets[:-1])).tolist()
        children = torch.arange(self.trees, len(self.parent))
        segment = torch.searchsorted(inner, self.parent[self.trees :])
        edge_bounds = [offset - self.trees for offset in self.offsets[1:]]
        edges = children, segment, self.slot[self.trees :]
        whole, steps = inner_steps(inner, bounds, edges, edge_bounds, self.offsets[1:-1])
        begins = set(self.offsets)
        steps = [
            step._replace(
                sources=count,
                merge=None if isinstance(step.nodes, slice) and step.nodes.start in begins else merge,
            )
            for step, count, merge in zip(steps, *self._merges(below > 0), strict=False)
        ]
        sources = source_step((below == 0).nonzero().squeeze(1), self.tree)
        return Plan(sources, whole, steps[::-1], upward=True)

    def _merges(self, inner: Tensor) -> tuple[list[int], Sequence[Tensor]]:
        """Return the number of leaves on each level, and the place of each row if the leaves are moved to its end."""
        sizes = self.slot.new_tensor([b - a for a, b in pairwise(self.offsets)])
        starts = self.slot.new_tensor(self.offsets[:-1])
        begin = torch.repeat_interleave(starts, sizes)
        before = inner.cumsum(0) - inner.long()  # inner nodes in earlier rows
        ahead = before - before[begin]
        last = begin + torch.repeat_interleave(sizes, sizes) - 1
        own = (before[last] + inner[last].long()) - before[begin]  # number of inner nodes on the level
        rows = torch.arange(len(inner)) - begin
        place = torch.where(inner, ahead, own + rows - ahead)
        return (sizes - own[starts]).tolist(), place.split(sizes.tolist())

    def _down(self) -> Plan:
        """Steps top-down: each is a level after the first, and the only predecessor of a node is its parent."""
        rows = torch.arange(len(self.parent))
        bounds = [offset - self.trees for offset in self.offsets[1:]]
        edges = self.parent[self.trees :], rows[: len(rows) - self.trees], self.slot[self.trees :]
        whole, steps = inner_steps(rows[self.trees :], bounds, edges, bounds, self.offsets[:-2])
        return Plan(source_step(rows[: self.trees], self.tree), whole, steps, upward=False)


def schedule(graph: DGLGraph) -> Schedule:
    """Return the levels of a forest, a single graph or a batch.

    They are computed once and kept on the graph until its nodes, edges or slots change.

    Raises:
        GraphError: no nodes, a node with several parents, or a cycle (the message names the nodes); slots that are not
            integers.
    """
    structure, slot = _dgl.structure(graph), graph.edata.get("slot")
    kept = getattr(graph, "_recnn_schedule", None)
    if kept is not None and kept[0] is structure and _same(kept[1], slot):
        return kept[2]  # type: ignore[no-any-return]
    if slot is not None and slot.is_floating_point():
        raise GraphError(f"graph.edata['slot'] must be integers, got {slot.dtype}")
    child, parent = (ends.long().cpu() for ends in graph.edges())
    made = _levels(graph.num_nodes(), child, parent, None if slot is None else slot.long().cpu())
    graph._recnn_schedule = structure, None if slot is None else slot.clone(), made
    return made


@torch.inference_mode(False)  # a schedule that is kept may be used in training later
def chains(batch_sizes: tuple[int, ...]) -> Schedule:
    """Return the levels of chains that are numbered as in a packed sequence, with the first token as the root.

    Level t consists of the tokens t of all chains, and the numbering is the level order. Reading from the first token
    to the last is the direction "down".

    Args:
        batch_sizes: number of chains that have a token t, for each t, as in `torch.nn.utils.rnn.PackedSequence`;
            token t of chain b is node ``sum(batch_sizes[:t]) + b``.
    """
    sizes = torch.tensor(batch_sizes)
    begins = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    time = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    order = torch.arange(len(time))
    chain = order - begins[time]
    parent = torch.where(time > 0, begins[time - 1] + chain, -1)
    return Schedule(order, order, chain, parent, torch.zeros_like(order), begins.tolist())


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other or (one is not None and other is not None and torch.equal(one, other))


@torch.inference_mode(False)  # a schedule that is kept may be used in training later
def _levels(n: int, child: Tensor, above: Tensor, slot_of_edge: Tensor | None) -> Schedule:
    if n == 0:
        raise GraphError("the graph has no nodes")
    parent = child.new_full((n,), -1)
    parent[child] = above
    if len(child) and (degrees := torch.bincount(child, minlength=n)).max() > 1:
        node = int(degrees.argmax())
        raise GraphError(
            f"node {node} has several parents: {sorted(above[child == node].tolist())}; edges must go from child "
            "to parent, reverse them if they do not. (A graph that is not a forest needs engine='dgl'.)"
        )
    slot = torch.zeros_like(parent)
    if slot_of_edge is not None:
        slot[child] = slot_of_edge
    depth, root = _depths(parent)

    is_root = parent < 0
    tree = is_root.cumsum(0)[root] - 1
    count = int(is_root.sum())
    height = depth.new_zeros(count).scatter_reduce(0, tree, depth, "amax")
    place = torch.empty_like(height)
    place[height.argsort(descending=True, stable=True)] = torch.arange(count)
    order = (depth * count + place[tree]).argsort(stable=True)
    offsets = [0, *torch.bincount(depth).cumsum(0).tolist()]
    if not _siblings_in_order(parent, slot, order, count):
        order = _sorted_by_parent(parent, slot, order, offsets)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(n)
    by_row = parent[order]
    by_row = torch.where(by_row >= 0, rank[by_row], by_row)
    return Schedule(order, rank, tree[order], by_row, slot[order], offsets)


def _depths(parent: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each node from its root, and the root, by pointer doubling in log2(depth) rounds."""
    nodes = torch.arange(len(parent))
    depth = (parent >= 0).long()
    ancestor = torch.where(parent >= 0, parent, nodes)
    for _ in range(len(parent).bit_length() + 1):
        further = ancestor[ancestor]
        if torch.equal(further, ancestor):
            break
        depth = depth + depth[ancestor]
        ancestor = further
    lost = parent[ancestor] >= 0
    if lost.any():
        node = int(ancestor[lost][0])  # after so many steps up, the ancestor is a node of the cycle
        cycle = [node]
        while (node := int(parent[node])) != cycle[0]:
            cycle.append(node)
        raise GraphError(f"nodes {' -> '.join(map(str, [*cycle, cycle[0]]))} form a cycle")
    return depth, ancestor


def _siblings_in_order(parent: Tensor, slot: Tensor, order: Tensor, roots: int) -> bool:
    """Test if siblings are together on each level of ``order``, in the order of their parents and slots."""
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    above, place = rank[parent[order[roots:]]], slot[order[roots:]]
    later, same = above[1:] > above[:-1], above[1:] == above[:-1]
    return bool((later | (same & (place[1:] >= place[:-1]))).all())


def _sorted_by_parent(parent: Tensor, slot: Tensor, order: Tensor, offsets: list[int]) -> Tensor:
    """Sort each level of ``order``, in place, by the place of the parent and then by slot."""
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    wide = int(slot.max()) + 1
    for begin, end in pairwise(offsets[1:]):
        level = order[begin:end]
        level = level[(rank[parent[level]] * wide + slot[level]).argsort(stable=True)]
        order[begin:end] = level
        rank[level] = torch.arange(begin, end)
    return order
