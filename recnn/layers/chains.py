"""The chains of a batch of sequences, and which of them are kept for the next batch of the same lengths."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recnn.cells.base import Cell
from recnn.engines import dgl
from recnn.engines.propagate import walk
from recnn.graphs import _dgl
from recnn.graphs.devices import to_device_of
from recnn.graphs.plan import Direction, indices
from recnn.graphs.schedule import Schedule, chains
from recnn.layers.encoder import Forest

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_AGAINST: dict[Direction, Direction] = {"up": "down", "down": "up"}

MAX_STEPS, MAX_NODES = 2**13, 2**19
"""Bounds of the steps and the nodes of all chains that are kept: about 4 KB for each step, 100 bytes for each node."""


class Chains(Forest):
    """Chains with their first token as the root, see `recnn.graphs.schedule.chains`.

    In the public interface the last token is the root, and "up" is from the first token to the last; so "up" and "down"
    are swapped here.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        sources = indices(schedule.plan("up").sources.nodes, schedule.order)
        self._last = sources[schedule.tree[sources].argsort()]  # (B,) last node of each chain

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        """Compute the states of all nodes; see `Forest.walk`."""
        return walk(cell, self.schedule, x, _AGAINST[direction], initial)

    def nodes_with_input(self) -> None:
        """None: every step has an input."""

    def trees(self) -> Tensor:
        """Return (N,) the sequence of each node."""
        return self.schedule.tree

    def ends(self, state: Any, direction: Direction) -> Any:
        """The final state of each chain: at its last step for "up", at its first for "down"."""
        if direction == "down":
            return type(state)(*(part[: self.schedule.trees] for part in state))
        last = to_device_of(self._last, state.hidden)
        return type(state)(*(part.index_select(0, last) for part in state))


class DGLChains(Chains):
    """Chains whose states are computed by DGL's message passing."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self._order = schedule.tree.argsort(stable=True)  # DGL numbers the nodes of a batch graph by graph
        self._graph = chain_graph(schedule.tree.bincount())

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        """Compute the states of all nodes; see `Forest.walk`."""
        state = dgl.run(cell, self._graph, direction, x, initial=initial, row=self._order)
        back = to_device_of(self._order.argsort(), x)
        return type(state)(*(part.index_select(0, back) for part in state))


def chain_graph(lengths: Tensor) -> DGLGraph:
    """Make a batch of chains with edges from each step to the next.

    Args:
        lengths: (B,) number of steps of each, positive.
    """
    ends = lengths.cumsum(0) - 1
    time = torch.arange(int(lengths.sum()))
    steps = time[~torch.isin(time, ends)]
    graph = _dgl.graph((steps, steps + 1), num_nodes=len(time))
    graph.edata["slot"] = torch.zeros_like(steps)
    graph.set_batch_num_nodes(lengths)
    graph.set_batch_num_edges(lengths - 1)
    return graph


_kept: OrderedDict[tuple[int, ...], Chains] = OrderedDict()  # the most recently used last
_lock = Lock()


@torch.inference_mode(False)  # tensors that are kept may be used in training later
def chains_of(batch_sizes: tuple[int, ...]) -> Chains:
    """Return the chains of a batch of sequences.

    Those of recent calls are kept, the most recently used, as long as they have together at most `MAX_STEPS` steps and
    `MAX_NODES` nodes; a batch beyond these bounds is kept alone, until the next.

    Args:
        batch_sizes: number of sequences that have a step t, for each t, as in a `PackedSequence`.
    """
    with _lock:
        if batch_sizes in _kept:
            _kept.move_to_end(batch_sizes)
            return _kept[batch_sizes]
    made = Chains(chains(batch_sizes))
    with _lock:
        _kept[batch_sizes] = made
        steps, nodes = sum(map(len, _kept)), sum(map(sum, _kept))
        while len(_kept) > 1 and (steps > MAX_STEPS or nodes > MAX_NODES):
            dropped, _ = _kept.popitem(last=False)
            steps, nodes = steps - len(dropped), nodes - sum(dropped)
    return made
