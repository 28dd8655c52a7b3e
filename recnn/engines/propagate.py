"""The one way in: a cell over all nodes of a graph, bottom-up or top-down, on one of two engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from recnn.cells.base import Cell, Nodes
from recnn.engines import dgl, fused, levels
from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.plan import Direction
from recnn.graphs.schedule import Schedule, schedule

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

Engine = Literal["levels", "dgl"]


def propagate(
    cell: Cell,
    graph: DGLGraph,
    x: Tensor,
    direction: Direction = "up",
    initial: Any = None,
    engine: Engine = "levels",
    has_input: Tensor | None = None,
) -> Any:
    """The state of every node, from its input and the states of its children, or of its parent.

    Args:
        cell: what a node makes of its children.
        graph: a forest: one graph or a batch, trees and chains of any mix, nodes numbered in any way.
        x: (N, D) inputs in the order of the nodes; rows of nodes without input are not looked at.
        direction: "up", from the leaves to the roots; or "down", where a node's one "child" is its parent, in its
            own slot (so that left and right children can have weights of their own).
        initial: what comes before the leaves (or, going down, the roots), as if each had one child in slot 0: a
            state of B rows, one a tree, as a tensor or a tuple of tensors. By default there is nothing.
        engine: "levels", level by level; or "dgl", DGL's message passing, which also runs graphs with several parents.
        has_input: (N,) whether a node has an input; by default those with a word do (node data ``word``, where the
            graph has it, is not -1).

    Returns:
        The cell's state, a NamedTuple of tensors (N, *) in the order of the nodes.

    Raises:
        GraphError: no forest, or a child in a slot that the cell does not have; it names the nodes.
        ValueError: x or initial of another shape, x of another type than the weights, an unknown direction or engine.
        TypeError: no cell or no graph.
    """
    _check_options(direction, engine)
    if not isinstance(cell, Cell):
        raise TypeError(f"cell must be a recnn.Cell, got {type(cell).__name__}")
    if not isinstance(graph, _dgl.DGLGraph):
        raise TypeError(
            f"graph must be a DGLGraph, got {type(graph).__name__}; recnn.tree_to_graph makes one of a tree"
        )
    if x.shape != (graph.num_nodes(), cell.input_size):
        raise ValueError(
            f"x must be (N, D) = ({graph.num_nodes()}, {cell.input_size}), one row per node, got {tuple(x.shape)}"
        )
    weight = next(cell.parameters(), x)
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"x must have the type of the cell's weights, {weight.dtype}, got {x.dtype}")
    state = None if initial is None else _checked_state(cell, graph, initial)
    label = graph.ndata.get("label")
    if engine == "dgl":
        _check_slots(cell, graph)
        every = torch.arange(len(x))
        absent = _absent(graph, every, has_input)
        tree = torch.repeat_interleave(torch.arange(graph.batch_size), graph.batch_num_nodes())
        cell = cell.prepared(graph.batch_size, x)
        label = torch.full((len(x),), -1) if label is None else label
        return dgl.run(cell, graph, direction, Nodes(_inputs(cell, x, every, absent), label, tree), state)
    levels_of = schedule(graph)
    if levels_of.width is None or levels_of.width > cell.slots:
        _check_slots(cell, graph)
    absent = _absent(graph, levels_of.order, has_input)
    return walk(cell, levels_of, x, direction, state, absent, None if label is None else label[levels_of.order])


def walk(
    cell: Cell,
    schedule: Schedule,
    x: Tensor,
    direction: Direction = "up",
    initial: Any = None,
    absent: Tensor | None = None,
    label: Tensor | None = None,
) -> Any:
    """`propagate` over levels that are known, without checks.

    Args:
        cell: the cell.
        schedule: of a forest whose nodes it numbers.
        x: (N, D) in the order of the nodes.
        direction: "up" or "down".
        initial: a state of B rows, or None.
        absent: (N,) in level order, whether a node has no input; None if all have.
        label: (N,) in level order; None for none.
    """
    cell = cell.prepared(schedule.trees, x)
    kernel = fused.kernel_for(cell)
    if kernel is not None and not torch.is_autocast_enabled(x.device.type):
        return fused.run(fused.Run(cell, kernel, schedule, direction, label, absent), x, initial)
    label = torch.full_like(schedule.order, -1) if label is None else label
    nodes = Nodes(_inputs(cell, x, schedule.order, absent), label, schedule.tree)
    found = levels.run(cell, schedule, direction, nodes, initial)
    return cell.State(*(part.index_select(0, schedule.rank) for part in found))


def _absent(graph: DGLGraph, order: Tensor, has_input: Tensor | None) -> Tensor | None:
    """(N,) whether each of the nodes in ``order`` has no input; None if all have one."""
    if has_input is None:
        if "word" not in graph.ndata:
            return None
        has_input = graph.ndata["word"] >= 0
    absent = ~has_input[order]
    return absent if absent.any() else None


def _inputs(cell: Cell, x: Tensor, order: Tensor, absent: Tensor | None) -> Tensor:
    """(N, G) the projected inputs of the nodes in ``order``; only rows of nodes that have one are projected."""
    if absent is None:
        return cell.inputs(x.index_select(0, order))
    rows = (~absent).nonzero().squeeze(1)
    inputs = cell.inputs(x.index_select(0, order[rows]))
    return inputs.new_zeros(len(order), *inputs.shape[1:]).index_copy(0, rows, inputs)


def _check_options(direction: str, engine: str) -> None:
    for name, value, allowed in (("direction", direction, ("up", "down")), ("engine", engine, ("levels", "dgl"))):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _checked_state(cell: Cell, graph: DGLGraph, initial: Any) -> Any:
    parts = (initial,) if isinstance(initial, Tensor) else tuple(initial)
    trees = graph.batch_size
    if (roots := int((graph.out_degrees() == 0).sum())) != trees:
        raise GraphError(
            f"an initial state is one a tree, and the graph holds {trees} graphs with {roots} roots: batch its trees"
        )
    expected = [(trees, *shape) for shape in cell.state_shapes()]
    if [tuple(part.shape) for part in parts] != expected:
        raise ValueError(
            f"initial must be {', '.join(map(str, expected))} for {', '.join(cell.State._fields)} of {trees} trees, "
            f"got {', '.join(str(tuple(part.shape)) for part in parts)}"
        )
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
                "the edges have no 'slot': set graph.edata['slot'] to each child's place among its siblings, "
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
