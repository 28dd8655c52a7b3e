"""Conversion of networkx trees to DGLGraph, and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any

from corpora.vocabulary import Vocabulary
from recnn.errors import GraphError
from recnn.graphs.structure import build, names_of, slots_of

if TYPE_CHECKING:
    import networkx as nx

    from recnn.graphs._dgl import DGLGraph


def networkx_to_graph(
    tree: nx.DiGraph, vocabulary: Vocabulary | None = None, labels: Vocabulary | None = None
) -> DGLGraph:
    """Convert a networkx tree, with edges from parent to child as in networkx's arborescences, to a graph.

    The node attributes ``word`` and ``label`` are optional. The edge attribute ``slot`` is the slot of the child, kept
    as it is, so that a lone right child stays one; where no edge to the children of a node has it, the children are in
    the order in which their edges were added. The names of the nodes are lost.

    Args:
        tree: the tree, a DiGraph or a MultiDiGraph without parallel edges.
        vocabulary: as in `recnn.tree_to_graph`.
        labels: as in `recnn.tree_to_graph`.

    Raises:
        GraphError: undirected edges, no nodes, several roots, a node with several parents, parallel edges, or a cycle;
            a slot that is not an integer from 0, two children in one slot, or only some children with a slot; a word
            or label that is not a string. The message names the nodes.
        InputError: as in `recnn.tree_to_graph`.
    """
    root = _root(tree)
    preorder: list[tuple[Hashable, int, int]] = []  # node, place of the parent, slot
    agenda: list[tuple[Hashable, int, int]] = [(root, -1, 0)]
    while agenda:
        node, parent, slot = agenda.pop()
        agenda.extend((child, len(preorder), own) for own, child in reversed(_children(tree, node)))
        preorder.append((node, parent, slot))
    if len(preorder) < len(tree):
        import networkx as nx

        cycle = [edge[0] for edge in nx.find_cycle(tree.subgraph(set(tree) - {node for node, _, _ in preorder}))]
        raise GraphError(f"nodes {', '.join(map(repr, cycle))} form a cycle")
    nodes, parents, slots = zip(*preorder, strict=True)
    words, names = ([_text(tree, node, key) for node in nodes] for key in ("word", "label"))
    return build(parents, words, names, vocabulary, labels, slots)


def graph_to_networkx(
    graph: DGLGraph, vocabulary: Sequence[str] | None = None, labels: Sequence[str] | None = None
) -> nx.DiGraph:
    """Convert the graph of one tree to a networkx tree, the inverse of `networkx_to_graph`.

    The nodes have the attributes ``word`` and ``label``, and the edges, from parent to child, the attribute ``slot``.

    Raises:
        GraphError: not one tree (see `recnn.graphs.structure.slots_of`), or an index without an entry in its table.
    """
    import networkx as nx

    children, _ = slots_of(graph)
    words, names = names_of(graph, "word", vocabulary), names_of(graph, "label", labels)
    tree: nx.DiGraph = nx.DiGraph()
    for node in range(graph.num_nodes()):
        attributes = {"word": words[node], "label": names[node]}
        tree.add_node(node, **{key: value for key, value in attributes.items() if value is not None})
    for parent, below in enumerate(children):
        tree.add_edges_from((parent, child, {"slot": slot}) for slot, child in below)
    return tree


def _root(tree: nx.DiGraph) -> Hashable:
    """Check that every node but one has one parent, and return that node."""
    if not tree.is_directed():
        raise GraphError("the networkx graph is undirected: use a DiGraph with edges from parent to child")
    if not len(tree):
        raise GraphError("the networkx graph has no nodes")
    for node, degree in tree.in_degree():
        if degree > 1:
            parents = sorted(tree.predecessors(node), key=str)
            if len(parents) == 1:
                raise GraphError(f"there are {degree} edges from node {parents[0]!r} to node {node!r}, expected one")
            raise GraphError(f"node {node!r} has several parents: {parents}")
    roots: list[Hashable] = [node for node, degree in tree.in_degree() if degree == 0]
    if len(roots) > 1:
        raise GraphError(f"the tree has {len(roots)} roots: {', '.join(map(repr, roots[:8]))}")
    if not roots:
        import networkx as nx

        raise GraphError(f"nodes {', '.join(repr(edge[0]) for edge in nx.find_cycle(tree))} form a cycle")
    return roots[0]


def _children(tree: nx.DiGraph, node: Hashable) -> list[tuple[int, Any]]:
    """Return (slot, child) of the children of a node, ascending."""
    edges = [(child, data.get("slot")) for _, child, data in tree.out_edges(node, data=True)]
    if all(slot is None for _, slot in edges):
        return [(place, child) for place, (child, _) in enumerate(edges)]
    found: dict[int, Any] = {}
    for child, slot in edges:
        if slot is None:
            raise GraphError(
                f"the edge from node {node!r} to node {child!r} has no slot, others from that node have one"
            )
        try:
            place = -1 if isinstance(slot, bool) else index(slot)
        except TypeError:
            place = -1
        if place < 0:
            raise GraphError(f"the slot of node {child!r} below node {node!r} must be an integer from 0, got {slot!r}")
        if place in found:
            raise GraphError(f"nodes {found[place]!r} and {child!r} are both in slot {place} of node {node!r}")
        found[place] = child
    return sorted(found.items(), key=lambda item: item[0])


def _text(tree: nx.DiGraph, node: Hashable, key: str) -> str | None:
    value = tree.nodes[node].get(key)
    if value is None or isinstance(value, str):
        return value
    raise GraphError(f"the {key} of node {node!r} must be a string, got {value!r}")
