"""Reference engine: DGL's message passing, with the functions of a cell as user-defined functions.

It is slow but runs any directed acyclic graph; the fast engines are tested against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recnn.cells.base import Cell, Children, Edges, Nodes
from recnn.engines.levels import projected
from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.plan import Direction

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class _Mailbox(Children):
    """Children of N nodes with equally many, in a DGL mailbox: messages are (N * degree, *), parent by parent."""

    def __init__(self, slot: Tensor, slots: int) -> None:
        self.slot = slot  # (N, degree)
        self.slots = slots

    def sum(self, messages: Tensor) -> Tensor:
        return messages.view(*self.slot.shape, *messages.shape[1:]).sum(dim=1)

    def stack(self, messages: Tensor) -> Tensor:
        nodes = torch.arange(len(self.slot)).unsqueeze(1).expand_as(self.slot)
        stacked = messages.new_zeros(len(self.slot), self.slots, *messages.shape[1:])
        return stacked.index_put((nodes, self.slot), messages.view(*self.slot.shape, *messages.shape[1:]))


def run(
    cell: Cell,
    graph: DGLGraph,
    direction: Direction,
    x: Tensor,
    absent: Tensor | None = None,
    initial: Any = None,
    row: Tensor | None = None,
) -> Any:
    """Compute the states of all nodes, on the device of the graph; the states are on the device of ``x``.

    Args:
        cell: the cell.
        graph: the graph.
        direction: "up" or "down".
        x: (N, D) inputs in the order of the nodes; with ``row`` (R, D) in any order.
        absent: (N,) True for nodes without an input; None if all have one.
        initial: initial states, one row per tree, which become extra nodes before the sources; None for none.
        row: (N,) row of ``x`` of each node.

    Raises:
        GraphError: the graph has a cycle.
    """
    here = graph.device
    if x.device == here:
        return _run(cell, graph, direction, x, absent, initial, row)
    tensors = {f"cell.{name}": part.to(here) for name, part in (*cell.named_parameters(), *cell.named_buffers())}
    before = None if initial is None else cell.State(*(part.to(here) for part in initial))
    found = functional_call(_Run(cell), tensors, (graph, direction, x.to(here), absent, before, row))
    return cell.State(*(part.to(x.device) for part in found))


class _Run(nn.Module):
    """`_run` as a module, whose parameters `functional_call` can replace."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, *arguments: Any) -> Any:
        return _run(self.cell, *arguments)


def _run(
    cell: Cell,
    graph: DGLGraph,
    direction: Direction,
    x: Tensor,
    absent: Tensor | None,
    initial: Any,
    row: Tensor | None,
) -> Any:
    cell = cell.prepared(graph.batch_size, x)
    label = graph.ndata.get("label")
    nodes = Nodes(
        projected(cell, x, torch.arange(len(x)) if row is None else row, absent),
        torch.full((graph.num_nodes(),), -1, device=x.device) if label is None else label,
        torch.repeat_interleave(torch.arange(graph.batch_size, device=x.device), graph.batch_num_nodes()),
    )
    graph = graph.local_var()  # local_scope would change the caller's graph, and not restore it after an error
    if "slot" not in graph.edata:
        graph.edata["slot"] = torch.zeros(graph.num_edges(), dtype=torch.int64)
    graph.ndata["inputs"], graph.ndata["label"], graph.ndata["tree"] = nodes
    flow = graph if direction == "up" else _dgl.reverse(graph, copy_ndata=True, copy_edata=True)
    n = flow.num_nodes()
    sources = (flow.in_degrees() == 0).nonzero().squeeze(1)
    if initial is not None:
        trees = len(initial[0])
        flow.add_nodes(trees, {"label": torch.full((trees,), -1)})
        flow.add_edges(n + nodes.tree[sources], sources)
    flow.ndata["leaf"] = (flow.in_degrees() == 0) & (initial is None)
    try:
        first, *rest = _dgl.topological_nodes_generator(flow)
    except Exception as error:
        raise GraphError("the graph has a cycle, expected a directed acyclic graph") from error
    if initial is None:
        flow.apply_nodes(lambda batch: _leaves(cell, batch), first)
    else:
        flow.apply_nodes(lambda batch: {k: v[batch.nodes() - n] for k, v in initial._asdict().items()}, first)
    if rest:
        flow.prop_nodes(rest, lambda edges: _message(cell, edges), lambda batch: _reduce(cell, batch))
    return cell.State(*(flow.ndata[field][:n] for field in cell.State._fields))


def _message(cell: Cell, edges: Any) -> dict[str, Tensor]:
    child = cell.State(*(edges.src[field] for field in cell.State._fields))
    parent = Nodes(edges.dst["inputs"], edges.dst["label"], edges.dst["tree"])
    sent = cell.message(child, Edges(edges.data["slot"], edges.src["label"], edges.src["leaf"], parent))
    return {"slot": edges.data["slot"], **{f"message{i}": part for i, part in enumerate(sent)}}


def _reduce(cell: Cell, batch: Any) -> dict[str, Tensor]:
    slot = batch.mailbox["slot"]
    sent = tuple(batch.mailbox[f"message{i}"].flatten(0, 1) for i in range(len(batch.mailbox) - 1))
    return _fields(cell.apply_node(_nodes(batch), cell.reduce(sent, _Mailbox(slot, cell.slots))))


def _leaves(cell: Cell, batch: Any) -> dict[str, Tensor]:
    """Compute the states of nodes without predecessors."""
    nodes = _nodes(batch)
    slot = torch.zeros(len(nodes.label), 0, dtype=torch.int64)
    none = Edges(slot.flatten(), slot.flatten(), slot.flatten() > 0, Nodes(*(part[:0] for part in nodes)))
    empty = cell.empty_state(nodes.inputs, 0)
    return _fields(cell.compose(nodes, empty, none, _Mailbox(slot, cell.slots), leaf=True))


def _nodes(batch: Any) -> Nodes:
    return Nodes(batch.data["inputs"], batch.data["label"], batch.data["tree"])


def _fields(state: Any) -> dict[str, Tensor]:
    return dict(state._asdict())
