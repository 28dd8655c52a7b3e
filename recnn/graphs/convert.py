"""Conversion of trees, sequences and production rules to DGLGraph, and back.

A tree is a DGLGraph with an edge from each child to its parent. Node data, int64 throughout:

    word      (N,)    index in the vocabulary, -1 where a node has no word
    label     (N,)    index in the table of labels, -1 where a node has no label
    span      (N, 2)  1-based positions of the first and last leaf below the node, or word of a dependency tree
    position  (N,)    1-based position of the node's word, in dependency trees only, where all nodes have words

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

import torch
from nltk import Tree

from corpora.vocabulary import Vocabulary as Vocabulary
from parsers.dependency_trees import DependencyTree, tree_from_dependencies
from parsers.errors import TreeError
from parsers.rules import Rule, productions, tree_from_productions
from parsers.trees import Constituent, constituents
from recnn.errors import GraphError
from recnn.graphs import _dgl
from recnn.graphs.structure import build, children_of, name_nodes, names_of

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


def tree_to_graph(tree: Tree, vocabulary: Vocabulary | None = None, labels: Vocabulary | None = None) -> DGLGraph:
    """Convert an nltk.Tree of any arity and depth to a graph.

    Args:
        tree: the tree; a phrase over one word, such as ``(Noun boy)``, becomes one node. In a `parsers.DependencyTree`
            every phrase becomes one node together with its own word.
        vocabulary: indices of the words; by default a vocabulary of the words of the tree, in breadth-first order.
        labels: indices of the labels; by default a vocabulary of the labels of the tree, in breadth-first order.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string; in a dependency tree, a phrase with
            several words of its own or none.
        InputError: a word or label is not in a closed vocabulary.
    """
    found = constituents(tree)
    if isinstance(tree, DependencyTree):
        return _dependency_graph(found, vocabulary, labels)
    only_child = [isinstance(c.node, str) and c.parent >= 0 and len(found[c.parent].node) == 1 for c in found]
    index = list(accumulate((not only for only in only_child), initial=-1))[1:]  # in preorder, without those words
    kept = [c for c, only in zip(found, only_child, strict=True) if not only]
    words = [
        c.node if isinstance(c.node, str) else c.node[0] if len(c.node) == 1 and isinstance(c.node[0], str) else None
        for c in kept
    ]
    return build(
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


def dependencies_to_graph(
    words: Sequence[str],
    heads: Sequence[int],
    relations: Sequence[str] | None = None,
    vocabulary: Vocabulary | None = None,
    labels: Vocabulary | None = None,
) -> DGLGraph:
    """Convert a dependency tree to a graph with one node for each word, whose children are its dependents.

    Args:
        words: the n words.
        heads: position of the head of each word, 1 to n, or 0 for the root, as in CoNLL-U.
        relations: relation of each word to its head, the label of its node; by default empty labels.
        vocabulary: as in `tree_to_graph`.
        labels: as in `tree_to_graph`.

    Raises:
        TreeError: the heads do not form a tree, see `parsers.tree_from_dependencies`.
        InputError: as in `tree_to_graph`.
    """
    return tree_to_graph(tree_from_dependencies(words, heads, relations), vocabulary, labels)


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
    name_nodes(graph, list(tokens), [None] * len(tokens), vocabulary, None)
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
        GraphError: not one tree (see `children_of`), a leaf without a word, an inner node with a word, other than in a
            dependency tree, or an index without an entry in its table.
    """
    children, root = children_of(graph)
    words, names = names_of(graph, "word", vocabulary), names_of(graph, "label", labels)
    if "position" in graph.ndata:
        return _dependency_tree(graph, children, words, names)[root]
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
    words = names_of(graph, "word", vocabulary)
    tokens: list[str] = []
    while True:
        word = words[node]
        if word is None or len(children[node]) > 1:
            raise GraphError(f"node {node} has {'no word' if word is None else 'several children'}: not a sequence")
        tokens.append(word)
        if not children[node]:
            return tokens[::-1]
        (node,) = children[node]


def batch(graphs: Sequence[DGLGraph]) -> DGLGraph:
    """Batch graphs into one, as `dgl.batch` does, with a common vocabulary and common labels.

    Where the vocabularies (or labels) of the graphs differ, they are merged, and the indices are changed accordingly.

    Raises:
        GraphError: no graphs, or some with and some without a vocabulary, labels, or node or edge data.
    """
    if not graphs:
        raise GraphError("there are no graphs to batch")
    _check_same_data(graphs)
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


def _dependency_graph(
    found: Sequence[Constituent], vocabulary: Vocabulary | None, labels: Vocabulary | None
) -> DGLGraph:
    """Build the graph of a dependency tree from its constituents."""
    phrases = {index: place for place, index in enumerate(i for i, c in enumerate(found) if isinstance(c.node, Tree))}
    own: dict[int, tuple[str, int]] = {}  # of each phrase, its word and the position of this
    for node, start, _, parent in found:
        if isinstance(node, str):
            if parent in own:
                raise TreeError(f"a phrase of a dependency tree has two words: {own[parent][0]!r} and {node!r}")
            own[parent] = node, start
    for index in phrases:
        if index not in own:
            raise TreeError(f"a phrase of a dependency tree has no word of its own (at word {found[index].start})")
    kept = [found[index] for index in phrases]
    return build(
        [phrases.get(c.parent, -1) for c in kept],
        [own[index][0] for index in phrases],
        [c.node.label() for c in kept if isinstance(c.node, Tree)],
        vocabulary,
        labels,
        positions=[own[index][1] for index in phrases],
    )


def _dependency_tree(
    graph: DGLGraph, children: list[list[int]], words: list[str | None], names: list[str | None]
) -> list[DependencyTree]:
    """Make the subtree of each node of a dependency tree."""
    trees = [DependencyTree(name or "", []) for name in names]
    position, last = graph.ndata["position"].tolist(), graph.ndata["span"][:, 1].tolist()
    for node, (tree, word) in enumerate(zip(trees, words, strict=True)):
        if word is None:
            raise GraphError(f"node {node} of a dependency tree has no word")
        before = sum(last[child] < position[node] for child in children[node])
        below = [trees[child] for child in children[node]]
        tree.extend([*below[:before], word, *below[before:]])
    return trees


def _check_same_data(graphs: Sequence[DGLGraph]) -> None:
    """Refuse graphs of which some have node or edge data that others lack."""
    for what, count in (("ndata", "num_nodes"), ("edata", "num_edges")):
        keys = {number: set(getattr(graph, what)) for number, graph in enumerate(graphs) if getattr(graph, count)()}
        every = set().union(*keys.values())
        for number, own in keys.items():
            if own != every:
                raise GraphError(f"graph {number} has no {what} {min(every - own)!r}, others have it")


def _translated(indices: torch.Tensor, old: Vocabulary | None, new: Vocabulary) -> torch.Tensor:
    """Translate indices of the vocabulary ``old`` to those of ``new``; -1 stays."""
    table = torch.tensor([*(new.index(entry) for entry in old or ()), -1])
    return table[indices]
