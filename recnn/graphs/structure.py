"""Construction of the graph of a tree from plain lists, and its structure as plain lists again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from corpora.vocabulary import Vocabulary
from recnn.errors import GraphError
from recnn.graphs import _dgl

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


def build(
    parents: Sequence[int],
    words: Sequence[str | None],
    names: Sequence[str | None],
    vocabulary: Vocabulary | None = None,
    labels: Vocabulary | None = None,
    slots: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
) -> DGLGraph:
    """Build the graph of a tree, with the node and edge data described in `recnn.graphs.convert`.

    Args:
        parents: the parent of each node, in preorder; -1 for the root.
        words: the word of each node, or None.
        names: the label of each node, or None.
        vocabulary: indices of the words; by default a vocabulary of these words, in breadth-first order.
        labels: indices of the labels; by default a vocabulary of these labels, in breadth-first order.
        slots: the slot of each node below its parent, ascending among siblings; by default 0, 1, ... .
        positions: the position of the word of each node, from 1, if inner nodes have words, too; by default the leaves
            are counted.
    """
    slot = [0] * len(parents)
    degree = [0] * len(parents)
    for node, parent in enumerate(parents[1:], 1):
        slot[node] = degree[parent] if slots is None else slots[node]
        degree[parent] += 1
    if positions is None:
        last = list(accumulate((below == 0 for below in degree), initial=0))[1:]  # number of leaves up to each node
        first = [leaves + (degree[node] > 0) for node, leaves in enumerate(last)]
    else:
        first, last = list(positions), list(positions)
    for node in reversed(range(1, len(parents))):
        first[parents[node]] = min(first[parents[node]], first[node])
        last[parents[node]] = max(last[parents[node]], last[node])

    order = breadth_first(parents)
    number = [0] * len(parents)
    for position, node in enumerate(order):
        number[node] = position
    above = torch.tensor([number[parents[node]] for node in order[1:]], dtype=torch.int64)
    graph = _dgl.graph((torch.arange(1, len(parents)), above), num_nodes=len(parents))
    graph.edata["slot"] = torch.tensor([slot[node] for node in order[1:]], dtype=torch.int64)
    graph.ndata["span"] = torch.tensor([(first[node], last[node]) for node in order], dtype=torch.int64)
    if positions is not None:
        graph.ndata["position"] = torch.tensor([positions[node] for node in order], dtype=torch.int64)
    name_nodes(graph, [words[node] for node in order], [names[node] for node in order], vocabulary, labels)
    return graph


def breadth_first(parents: Sequence[int]) -> list[int]:
    """Return the nodes of a tree in breadth-first order, from their parents in preorder; the order of its graph."""
    depth = [0] * len(parents)
    for node, parent in enumerate(parents[1:], 1):
        depth[node] = depth[parent] + 1
    # In preorder, nodes of one depth are in order from left to right, so a stable sort by depth is breadth first.
    return sorted(range(len(parents)), key=depth.__getitem__)


def word_positions(graph: DGLGraph) -> Tensor:
    """Return the position of the word of each node in its sentence, from 1, (N,); undefined where there is none."""
    found: Tensor = graph.ndata["position"] if "position" in graph.ndata else graph.ndata["span"][:, 1]
    return found


def name_nodes(
    graph: DGLGraph,
    words: Sequence[str | None],
    names: Sequence[str | None],
    vocabulary: Vocabulary | None,
    labels: Vocabulary | None,
) -> None:
    """Set the node data ``word`` and ``label``, and the attributes ``vocabulary`` and ``labels``."""
    for key, attribute, texts, table in (("word", "vocabulary", words, vocabulary), ("label", "labels", names, labels)):
        if table is None:
            table = Vocabulary((text for text in texts if text is not None), unknown=None)
        graph.ndata[key] = torch.tensor([-1 if text is None else table.index(text) for text in texts])
        setattr(graph, attribute, table)


def names_of(graph: DGLGraph, key: str, table: Sequence[str] | None) -> list[str | None]:
    """Return the word or label of each node as text, None where a node has none.

    Args:
        graph: the graph.
        key: "word" or "label".
        table: texts of the indices; by default ``graph.vocabulary`` or ``graph.labels``.

    Raises:
        GraphError: there is no table, or an index has no entry in it.
    """
    attribute = {"word": "vocabulary", "label": "labels"}[key]
    if key not in graph.ndata:
        return [None] * graph.num_nodes()
    if table is None:
        table = getattr(graph, attribute, None)
    indices: list[int] = graph.ndata[key].tolist()
    if table is None and any(index >= 0 for index in indices):
        raise GraphError(f"the graph has no attribute {attribute!r} for its {key} indices: pass {attribute}=")
    for node, index in enumerate(indices):
        if table is not None and index >= len(table):
            raise GraphError(f"node {node} has {key} {index}, but the {attribute} has {len(table)} entries")
    return [None if index < 0 or table is None else table[index] for index in indices]


def children_of(graph: DGLGraph) -> tuple[list[list[int]], int]:
    """Return the children of each node in the order of their slots, and the root, of the graph of one tree.

    Raises:
        GraphError: as in `slots_of`, or empty slots before a child: a list of children has no place for them.
    """
    children, root = slots_of(graph)
    for node, below in enumerate(children):
        for place, (slot, child) in enumerate(below):
            if slot != place:
                raise GraphError(
                    f"node {child} is in slot {slot} of node {node}, whose slot {place} is empty: "
                    "expected the slots 0, 1, ... without gaps"
                )
    return [[child for _, child in below] for below in children], root


def slots_of(graph: DGLGraph) -> tuple[list[list[tuple[int, int]]], int]:
    """Return (slot, child) of the children of each node, ascending, and the root, of the graph of one tree.

    Raises:
        GraphError: a batch, no nodes, several roots, a node with two parents, a cycle, two children in one slot, a
            negative slot, slots that are not integers, or no slots; the message names the nodes.
    """
    if graph.batch_size != 1:
        raise GraphError(f"the graph is a batch of {graph.batch_size}: take its trees one by one with recnn.unbatch")
    if graph.num_nodes() == 0:
        raise GraphError("the graph has no nodes")
    parent = [-1] * graph.num_nodes()
    children: list[list[tuple[int, int]]] = [[] for _ in parent]
    sources, targets = (ends.tolist() for ends in graph.edges())
    for source, target, slot in zip(sources, targets, _checked_slots(graph), strict=True):
        if parent[source] >= 0:
            raise GraphError(f"node {source} has two parents: {parent[source]} and {target}")
        if slot < 0:
            raise GraphError(f"node {source} is in slot {slot} of node {target}: expected slots from 0")
        parent[source] = target
        children[target].append((slot, source))
    roots = [node for node, above in enumerate(parent) if above < 0]
    if len(roots) > 1:
        raise GraphError(f"the graph has {len(roots)} roots: nodes {', '.join(map(str, roots[:8]))}")
    reached = list(roots)
    for node in reached:  # the list grows during the loop
        reached.extend(child for _, child in children[node])
    if len(reached) < len(parent):
        raise GraphError(f"nodes {_cycle(parent, set(reached))} form a cycle")
    for node, below in enumerate(children):
        below.sort()
        if len({slot for slot, _ in below}) < len(below):
            raise GraphError(f"two children of node {node} share a slot: (slot, child) {below}")
    return children, roots[0]


def _checked_slots(graph: DGLGraph) -> list[int]:
    if not graph.num_edges():
        return []
    if "slot" not in graph.edata:
        raise GraphError(
            "the edges have no 'slot': set graph.edata['slot'] to the position of each child among its siblings"
        )
    slot = graph.edata["slot"]
    if slot.is_floating_point() or slot.dtype == torch.bool:
        raise GraphError(f"graph.edata['slot'] must be integers, got {slot.dtype}")
    slots: list[int] = slot.tolist()
    return slots


def _cycle(parent: list[int], reached: set[int]) -> str:
    node = next(node for node in range(len(parent)) if node not in reached)
    seen: dict[int, None] = {}
    while node not in seen:
        seen[node] = None
        node = parent[node]
    path = list(seen)
    return " -> ".join(map(str, [*path[path.index(node) :], node]))
