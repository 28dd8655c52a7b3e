"""Conversion of trees, sequences, production rules and networkx trees to DGLGraph, and back.

A tree is a DGLGraph with an edge from each child to its parent. Node data, int64 throughout:

    word   (N,)    index in the vocabulary, -1 where a node has no word
    label  (N,)    index in the table of labels, -1 where a node has no label
    span   (N, 2)  1-based positions of the first and last leaf below the node

and edge data ``slot`` (E,), the position of the child among its siblings, from 0. A word and the part of speech above
it are one leaf node. Nodes are numbered breadth first from the root. A sequence is a chain with the edges t -> t+1,
numbered in the order of the tokens, so that node t stands for the prefix of t+1 tokens. The vocabulary and the labels
of the indices are plain attributes of the graph, ``graph.vocabulary`` and ``graph.labels``; `batch` and `unbatch` keep
them, `dgl.batch` does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import networkx as nx
import torch
from nltk import Tree

from corpora.vocabulary import Vocabulary as Vocabulary
from parsers.rules import Rule, productions, tree_from_productions
from parsers.trees import constituents
from recnn.errors import GraphError
from recnn.graphs import _dgl

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


def tree_to_graph(tree: Tree, vocabulary: Vocabulary | None = None, labels: Vocabulary | None = None) -> DGLGraph:
    """Convert an nltk.Tree of any arity and depth to a graph.

    Args:
        tree: the tree; a phrase over one word, such as ``(Noun boy)``, becomes one node.
        vocabulary: indices of the words; by default a vocabulary of the words of the tree, in breadth-first order.
        labels: indices of the labels; by default a vocabulary of the labels of the tree, in breadth-first order.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
        InputError: a word or label is not in a closed vocabulary.
    """
    found = constituents(tree)
    only_child = [isinstance(c.node, str) and c.parent >= 0 and len(found[c.parent].node) == 1 for c in found]
    index = list(accumulate((not only for only in only_child), initial=-1))[1:]  # in preorder, without those words
    kept = [c for c, only in zip(found, only_child, strict=True) if not only]
    words = [
        c.node if isinstance(c.node, str) else c.node[0] if len(c.node) == 1 and isinstance(c.node[0], str) else None
        for c in kept
    ]
    return _graph(
        [index[c.parent] if c.parent >= 0 else -1 for c in kept],
        words,
        [c.node.label() if isinstance(c.node, Tree) else None for c in kept],
        vocabulary,
        labels,
    )


def productions_to_graph(
    words: Sequence[str],
    rules: Iterable[Rule | tuple[int, ...]],
    vocabulary: Vocabulary | None = None,
    labels: Vocabulary | None = None,
) -> DGLGraph:
    """Convert the production rules of a tree over ``words`` to a graph.

    Args:
        words: the words of the sentence.
        rules: the rules, labelled or unlabelled, in any order; see `parsers.tree_from_productions`.
        vocabulary: as in `tree_to_graph`.
        labels: as in `tree_to_graph`.

    Raises:
        ProductionError: the rules do not describe one tree over the words.
        InputError: as in `tree_to_graph`.
    """
    return tree_to_graph(tree_from_productions(words, rules), vocabulary, labels)


def networkx_to_graph(
    tree: nx.DiGraph, vocabulary: Vocabulary | None = None, labels: Vocabulary | None = None
) -> DGLGraph:
    """Convert a networkx tree, with edges from parent to child as in networkx's arborescences, to a graph.

    The node attributes ``word`` and ``label`` are optional. Children are sorted by the edge attribute ``slot``, 0 by
    default; those with equal slots are in the order in which their edges were added. The names of the nodes are lost.

    Args:
        tree: the tree.
        vocabulary: as in `tree_to_graph`.
        labels: as in `tree_to_graph`.

    Raises:
        GraphError: undirected edges, no nodes, several roots, a node with several parents, or a cycle; the message
            names the nodes.
        InputError: as in `tree_to_graph`.
    """
    if not tree.is_directed():
        raise GraphError("the networkx graph is undirected: use a DiGraph with edges from parent to child")
    if not len(tree):
        raise GraphError("the networkx graph has no nodes")
    crowded = [node for node, degree in tree.in_degree() if degree > 1]
    if crowded:
        raise GraphError(f"node {crowded[0]!r} has several parents: {sorted(tree.predecessors(crowded[0]), key=str)}")
    roots = [node for node, degree in tree.in_degree() if degree == 0]
    if len(roots) > 1:
        raise GraphError(f"the tree has {len(roots)} roots: {', '.join(map(repr, roots[:8]))}")
    preorder: list[tuple[object, int]] = []
    agenda: list[tuple[object, int]] = [(root, -1) for root in roots]
    while agenda:
        node, parent = agenda.pop()
        below = sorted(tree[node], key=lambda child: tree[node][child].get("slot", 0))
        agenda.extend((child, len(preorder)) for child in reversed(below))
        preorder.append((node, parent))
    if len(preorder) < len(tree):
        cycle = [edge[0] for edge in nx.find_cycle(tree.subgraph(set(tree) - {node for node, _ in preorder}))]
        raise GraphError(f"nodes {', '.join(map(repr, cycle))} form a cycle")
    return _graph(
        [parent for _, parent in preorder],
        [tree.nodes[node].get("word") for node, _ in preorder],
        [tree.nodes[node].get("label") for node, _ in preorder],
        vocabulary,
        labels,
    )


def sequence_to_graph(tokens: Sequence[str], vocabulary: Vocabulary | None = None) -> DGLGraph:
    """Convert a sequence to a chain: node t has token t, and its only child is node t-1.

    Args:
        tokens: the tokens, at least one.
        vocabulary: indices of the tokens; by default a vocabulary of these tokens, in order of appearance.

    Raises:
        GraphError: no tokens, or a plain string in place of a list (split it with `parsers.tokenize`).
        InputError: a token is not in a closed vocabulary.
    """
    if isinstance(tokens, str):
        raise GraphError(f"expected a list of tokens, got the string {tokens[:60]!r}: split it with parsers.tokenize")
    if not tokens:
        raise GraphError("the sequence has no tokens")
    time = torch.arange(len(tokens))
    graph = _dgl.graph((time[:-1], time[1:]), num_nodes=len(tokens))
    graph.edata["slot"] = torch.zeros(len(tokens) - 1, dtype=torch.int64)
    graph.ndata["span"] = torch.stack([torch.ones_like(time), time + 1], dim=1)
    _name_nodes(graph, list(tokens), [None] * len(tokens), vocabulary, None)
    return graph


def graph_to_tree(
    graph: DGLGraph, vocabulary: Sequence[str] | None = None, labels: Sequence[str] | None = None
) -> Tree:
    """Convert the graph of one tree to an nltk.Tree, the inverse of `tree_to_graph`.

    Args:
        graph: the graph, with nodes numbered in any way; phrases without a label get an empty one.
        vocabulary: words of the indices; by default ``graph.vocabulary``.
        labels: labels of the indices; by default ``graph.labels``.

    Raises:
        GraphError: not one tree (see `children_of`), a leaf without a word, an inner node with a word, or an index
            without an entry in its table.
    """
    children, root = children_of(graph)
    words, names = _names(graph, "word", vocabulary), _names(graph, "label", labels)
    made: list[Tree | str] = []
    agenda: list[tuple[int, list[Tree | str]]] = [(root, made)]
    while agenda:
        node, siblings = agenda.pop()
        word, label = words[node], names[node]
        if not children[node] and word is None:
            raise GraphError(f"node {node} is a leaf without a word, which an nltk.Tree cannot have")
        if children[node] and word is not None:
            raise GraphError(f"node {node} has both children and the word {word!r}, which an nltk.Tree cannot have")
        if word is not None and label is None and node != root:
            siblings.append(word)
            continue
        siblings.append(tree := Tree(label or "", [] if word is None else [word]))
        agenda.extend((child, tree) for child in reversed(children[node]))
    return made[0]


def graph_to_productions(
    graph: DGLGraph, vocabulary: Sequence[str] | None = None, labels: Sequence[str] | None = None
) -> tuple[list[str], list[Rule]]:
    """Convert the graph of one tree to its words and labelled rules, the inverse of `productions_to_graph`.

    Raises:
        GraphError: as in `graph_to_tree`.
    """
    tree = graph_to_tree(graph, vocabulary, labels)
    return [c.node for c in constituents(tree) if isinstance(c.node, str)], productions(tree)


def graph_to_sequence(graph: DGLGraph, vocabulary: Sequence[str] | None = None) -> list[str]:
    """Convert a chain to its tokens, the inverse of `sequence_to_graph`.

    Raises:
        GraphError: the graph is not one chain, a node has no word, or an index has no entry in the vocabulary.
    """
    children, node = children_of(graph)
    words = _names(graph, "word", vocabulary)
    tokens: list[str] = []
    while True:
        word = words[node]
        if word is None or len(children[node]) > 1:
            raise GraphError(f"node {node} has {'no word' if word is None else 'several children'}: not a sequence")
        tokens.append(word)
        if not children[node]:
            return tokens[::-1]
        (node,) = children[node]


def graph_to_networkx(
    graph: DGLGraph, vocabulary: Sequence[str] | None = None, labels: Sequence[str] | None = None
) -> nx.DiGraph:
    """Convert the graph of one tree to a networkx tree, the inverse of `networkx_to_graph`.

    The nodes have the attributes ``word`` and ``label``, and the edges, from parent to child, the attribute ``slot``.

    Raises:
        GraphError: not one tree (see `children_of`), or an index without an entry in its table.
    """
    children, _ = children_of(graph)
    words, names = _names(graph, "word", vocabulary), _names(graph, "label", labels)
    tree: nx.DiGraph = nx.DiGraph()
    for node in range(graph.num_nodes()):
        attributes = {"word": words[node], "label": names[node]}
        tree.add_node(node, **{key: value for key, value in attributes.items() if value is not None})
    for parent, below in enumerate(children):
        tree.add_edges_from((parent, child, {"slot": slot}) for slot, child in enumerate(below))
    return tree


def batch(graphs: Sequence[DGLGraph]) -> DGLGraph:
    """Batch graphs into one, as `dgl.batch` does, with a common vocabulary and common labels.

    Where the vocabularies (or labels) of the graphs differ, they are merged, and the indices are changed accordingly.

    Raises:
        GraphError: no graphs, or some with and some without a vocabulary or labels.
    """
    if not graphs:
        raise GraphError("there are no graphs to batch")
    forest = _dgl.batch(list(graphs))
    for key, name in (("word", "vocabulary"), ("label", "labels")):
        tables: list[Vocabulary | None] = [getattr(graph, name, None) for graph in graphs]
        first = tables[0]
        if any(table is not first and table != first for table in tables):
            lacking = next((i for i, table in enumerate(tables) if table is None), None)
            if lacking is not None:
                raise GraphError(f"graph {lacking} has no {name}, others have one: set it on all graphs or on none")
            unknowns = {table.unknown for table in tables if table is not None}
            common = Vocabulary(
                (entry for table in tables if table is not None for entry in table),
                unknown=unknowns.pop() if len(unknowns) == 1 else None,
            )
            forest.ndata[key] = torch.cat(
                [_translated(graph.ndata[key], table, common) for graph, table in zip(graphs, tables, strict=True)]
            )
            first = common
        setattr(forest, name, first)
    return forest


def unbatch(forest: DGLGraph) -> list[DGLGraph]:
    """Split a batch into its graphs, each with the vocabulary and labels of the batch."""
    graphs: list[DGLGraph] = _dgl.unbatch(forest)
    for graph in graphs:
        for name in ("vocabulary", "labels"):
            setattr(graph, name, getattr(forest, name, None))
    return graphs


def children_of(graph: DGLGraph) -> tuple[list[list[int]], int]:
    """Return the children of each node in the order of their slots, and the root, of the graph of one tree.

    Raises:
        GraphError: a batch, no nodes, several roots, a node with two parents, a cycle, two children in one slot, or no
            slots; the message names the nodes.
    """
    if graph.batch_size != 1:
        raise GraphError(f"the graph is a batch of {graph.batch_size}: take its trees one by one with recnn.unbatch")
    if graph.num_nodes() == 0:
        raise GraphError("the graph has no nodes")
    if graph.num_edges() and "slot" not in graph.edata:
        raise GraphError(
            "the edges have no 'slot': set graph.edata['slot'] to the position of each child among its siblings"
        )
    sources, targets = (ends.tolist() for ends in graph.edges())
    slots = graph.edata["slot"].tolist() if graph.num_edges() else []
    parent = [-1] * graph.num_nodes()
    children: list[list[tuple[int, int]]] = [[] for _ in parent]
    for source, target, slot in zip(sources, targets, slots, strict=True):
        if parent[source] >= 0:
            raise GraphError(f"node {source} has two parents: {parent[source]} and {target}")
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
    return [[child for _, child in below] for below in children], roots[0]


def _cycle(parent: list[int], reached: set[int]) -> str:
    node = next(node for node in range(len(parent)) if node not in reached)
    seen: list[int] = []
    while node not in seen:
        seen.append(node)
        node = parent[node]
    return " -> ".join(map(str, [*seen[seen.index(node) :], node]))


def _graph(
    parents: list[int],
    words: list[str | None],
    names: list[str | None],
    vocabulary: Vocabulary | None,
    labels: Vocabulary | None,
) -> DGLGraph:
    """Make the graph of a tree from the parents of its nodes in preorder, -1 for the root."""
    depth = [0] * len(parents)
    slot = [0] * len(parents)
    degree = [0] * len(parents)
    for node, parent in enumerate(parents[1:], 1):
        depth[node] = depth[parent] + 1
        slot[node] = degree[parent]
        degree[parent] += 1
    last = list(accumulate((below == 0 for below in degree), initial=0))[1:]  # number of leaves up to each node
    first = [leaves + (degree[node] > 0) for node, leaves in enumerate(last)]
    for node in reversed(range(1, len(parents))):
        last[parents[node]] = max(last[parents[node]], last[node])

    # In preorder, nodes of one depth are in order from left to right, so a stable sort by depth is breadth first.
    order = sorted(range(len(parents)), key=depth.__getitem__)
    number = [0] * len(parents)
    for position, node in enumerate(order):
        number[node] = position
    graph = _dgl.graph(
        (
            torch.arange(1, len(parents)),
            torch.tensor([number[parents[node]] for node in order[1:]], dtype=torch.int64),
        ),
        num_nodes=len(parents),
    )
    graph.edata["slot"] = torch.tensor([slot[node] for node in order[1:]], dtype=torch.int64)
    graph.ndata["span"] = torch.tensor([(first[node], last[node]) for node in order], dtype=torch.int64)
    _name_nodes(graph, [words[node] for node in order], [names[node] for node in order], vocabulary, labels)
    return graph


def _name_nodes(
    graph: DGLGraph,
    words: list[str | None],
    names: list[str | None],
    vocabulary: Vocabulary | None,
    labels: Vocabulary | None,
) -> None:
    for key, attribute, texts, table in (("word", "vocabulary", words, vocabulary), ("label", "labels", names, labels)):
        if table is None:
            table = Vocabulary((text for text in texts if text is not None), unknown=None)
        graph.ndata[key] = torch.tensor([-1 if text is None else table.index(text) for text in texts])
        setattr(graph, attribute, table)


def _names(graph: DGLGraph, key: str, table: Sequence[str] | None) -> list[str | None]:
    """Return the word or label of each node as text, None where a node has none."""
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


def _translated(indices: torch.Tensor, old: Vocabulary | None, new: Vocabulary) -> torch.Tensor:
    """Translate indices of the vocabulary ``old`` to those of ``new``; -1 stays."""
    table = torch.tensor([*(new.index(entry) for entry in old or ()), -1])
    return table[indices]
