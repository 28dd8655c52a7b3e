"""Computation of the states of all nodes of a graph, bottom-up or top-down, on one of two engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from recnn.cells.base import Cell
from recnn.engines import dgl, fused, levels
from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.compiler import uncompiled
from recnn.graphs.devices import is_autocast, with_data
from recnn.graphs.plan import Direction
from recnn.graphs.schedule import Schedule, schedule

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

Engine = Literal["levels", "dgl"]


@uncompiled
def propagate(
    cell: Cell,
    graph: DGLGraph,
    x: Tensor,
    direction: Direction = "up",
    initial: Any = None,
    engine: Engine = "levels",
    has_input: Tensor | None = None,
) -> Any:
    """Compute the state of every node of a graph from its input and the states of its children, or of its parent.

    Args:
        cell: cell that computes the state of a node.
        graph: forest of trees and chains, a single graph or a batch, with nodes numbered in any way.
        x: (N, D) inputs in the order of the nodes; rows of nodes without an input are ignored.
        direction: "up", from the leaves to the roots; or "down", from the roots to the leaves, where the only "child"
            of a node is its parent, in the slot of the node itself (so that left and right children can have separate
            weights).
        initial: states before the leaves (or, top-down, the roots), as if each had one child in slot 0: a tensor of B
            rows, one per tree, or a tuple of tensors if the state has several fields. By default there are none.
        engine: "levels", level by level; or "dgl", DGL's message passing, which also runs graphs whose nodes have
            several parents.
        has_input: (N,) bool, True for nodes with an input; by default nodes with a word (node data ``word`` is not -1),
            and all nodes of a graph without words, such as a tree of labels only.

    Returns:
        The state of the cell, a NamedTuple of tensors (N, *) in the order of the nodes.

    Raises:
        GraphError: the graph is not a forest (with "dgl": has a cycle), a child is in a slot that the cell does not
            have, or two are in the same slot (the message names the nodes); several children without slots.
        ValueError: x, initial or has_input has another shape, x or initial another dtype than the weights, or direction
            or engine is unknown.
        TypeError: cell is not a cell, graph not a graph, or has_input not bool.
    """
    _check_options(direction, engine)
    if not isinstance(cell, Cell):
        raise TypeError(f"cell must be a recnn.Cell, got {type(cell).__name__}")
    if not isinstance(graph, _dgl.DGLGraph):
        raise TypeError(
            f"graph must be a DGLGraph, got {type(graph).__name__}; convert a tree with recnn.tree_to_graph"
        )
    if x.shape != (graph.num_nodes(), cell.input_size):
        raise ValueError(
            f"x must be (N, D) = ({graph.num_nodes()}, {cell.input_size}), one row per node, got {tuple(x.shape)}"
        )
    weight = next(cell.parameters(), x)
    if x.dtype != weight.dtype and not is_autocast(x):
        raise ValueError(f"x must have the dtype of the cell's weights, {weight.dtype}, got {x.dtype}")
    with with_data(x):
        if initial is not None:
            initial = _checked_state(cell, graph, initial)
        if engine == "dgl":
            if torch.compiler.is_exporting():
                raise RuntimeError("a model is exported with engine='levels', got engine='dgl'")
            _check_slots(cell, graph)
            return dgl.run(cell, graph, direction, x, _absent(graph, None, has_input), initial)
        levels_of, label = schedule(graph), graph.ndata.get("label")
        if levels_of.width is None or levels_of.width > cell.slots:
            _check_slots(cell, graph)
        absent = _absent(graph, levels_of.order, has_input)
        label = None if label is None else label.cpu()[levels_of.order]
    return walk(cell, levels_of, x, direction, initial, absent, label)


@uncompiled
def walk(
    cell: Cell,
    schedule: Schedule,
    x: Tensor,
    direction: Direction = "up",
    initial: Any = None,
    absent: Tensor | None = None,
    label: Tensor | None = None,
) -> Any:
    """Compute the states as `propagate` does, from a schedule in place of a graph, and without checks.

    Args:
        cell: the cell.
        schedule: the levels of the forest.
        x: (N, D) inputs in the order of the nodes.
        direction: "up" or "down".
        initial: initial states, B rows, one per tree; None for none.
        absent: (N,) in level order, True for nodes without an input; None if all nodes have one. In host memory.
        label: (N,) label indices in level order; None for none. In host memory.
    """
    cell = cell.prepared(schedule.trees, x)
    if fused.can_run(x) and (kernel := fused.kernel_for(cell)) is not None:
        return fused.run(fused.Run(cell, kernel, schedule, direction, label, absent), x, initial)
    if initial is not None and is_autocast(x):  # as torch.nn does, whatever their dtype
        weight = next(cell.parameters(), x)
        initial = cell.State(*(part.to(weight.dtype) for part in initial))
    return levels.run(cell, schedule, direction, x, absent, label, initial)


def nodes_with_input(graph: DGLGraph, has_input: Tensor | None = None) -> Tensor | None:
    """Return (N,) bool, True for nodes with an input, by the rule of `propagate`; None if all nodes have one.

    In a batch, the rule holds for each graph, so that a batch has the states of its graphs.

    Raises:
        ValueError: has_input has another shape.
        TypeError: has_input is not bool.
    """
    if has_input is not None:
        if not isinstance(has_input, Tensor) or has_input.dtype != torch.bool:
            kind = has_input.dtype if isinstance(has_input, Tensor) else type(has_input).__name__
            raise TypeError(f"has_input must be a bool tensor, got {kind}")
        if has_input.shape != (graph.num_nodes(),):
            raise ValueError(f"has_input must be (N,) = ({graph.num_nodes()},), got {tuple(has_input.shape)}")
        return has_input
    if "word" not in graph.ndata:
        return None
    found: Tensor = graph.ndata["word"] >= 0
    if graph.batch_size == 1:
        return found if found.any() else None
    tree = torch.repeat_interleave(torch.arange(graph.batch_size), graph.batch_num_nodes())
    words = torch.zeros(graph.batch_size, dtype=torch.int64).index_add(0, tree, found.long())
    return found if words.all() else found | (words == 0)[tree]


def _absent(graph: DGLGraph, order: Tensor | None, has_input: Tensor | None) -> Tensor | None:
    """Return (N,), True for those of the nodes in ``order`` that have no input; None if all have one."""
    found = nodes_with_input(graph, has_input)
    if found is None:
        return None
    absent = ~found.cpu() if order is None else ~found.cpu()[order]
    return absent if absent.any() else None


def _check_options(direction: str, engine: str) -> None:
    for name, value, allowed in (("direction", direction, ("up", "down")), ("engine", engine, ("levels", "dgl"))):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _checked_state(cell: Cell, graph: DGLGraph, initial: Any) -> Any:
    parts = (initial,) if isinstance(initial, Tensor) else tuple(initial)
    trees = graph.batch_size
    if (roots := int((graph.out_degrees() == 0).sum())) != trees:
        raise GraphError(
            f"initial has one row per tree: expected one root per graph, got {trees} graphs with {roots} roots; "
            "batch the trees with recnn.batch"
        )
    expected = [(trees, *shape) for shape in cell.state_shapes()]
    if [tuple(part.shape) for part in parts] != expected:
        raise ValueError(
            f"initial must be {', '.join(map(str, expected))} for {', '.join(cell.State._fields)} of {trees} trees, "
            f"got {', '.join(str(tuple(part.shape)) for part in parts)}"
        )
    weight = next(cell.parameters(), parts[0])
    for part in parts:
        if part.dtype != weight.dtype and not is_autocast(part):
            raise ValueError(f"initial must have the dtype of the cell's weights, {weight.dtype}, got {part.dtype}")
    return cell.State(*parts)


def _check_slots(cell: Cell, graph: DGLGraph) -> None:
    slot = graph.edata.get("slot")
    if slot is not None and slot.is_floating_point():
        raise GraphError(f"graph.edata['slot'] must be integers, got {slot.dtype}")
    if cell.arity == "sum" or not graph.num_edges():
        return
    if slot is None:
        if int(graph.in_degrees().max()) > 1:
            raise GraphError(
                "the edges have no 'slot': set graph.edata['slot'] to the position of each child among its siblings, "
                "or take a cell with arity='sum'"
            )
        return
    child, parent = graph.edges()
    if int(slot.max()) >= cell.slots or int(slot.min()) < 0:
        edge = int(((slot < 0) | (slot >= cell.slots)).nonzero()[0])
        raise GraphError(
            f"node {int(child[edge])} is in slot {int(slot[edge])} of node {int(parent[edge])}, but the cell takes "
            f"{cell.arity} children, in slots 0..{cell.slots - 1}: take a cell of larger arity or arity='sum', or "
            "binarise the tree"
        )
    place = parent * cell.slots + slot
    order = place.argsort(stable=True)
    if (twice := (place[order].diff() == 0).nonzero()).numel():
        first, second = order[twice[0]], order[twice[0] + 1]
        raise GraphError(
            f"nodes {int(child[first])} and {int(child[second])} are both in slot {int(slot[first])} of node "
            f"{int(parent[first])}"
        )
