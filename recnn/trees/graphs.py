"""Graphs of trees of typed nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recnn.graphs.structure import breadth_first, build
from recnn.trees.typed_tree import TypedTree

if TYPE_CHECKING:
    from corpora.vocabulary import Vocabulary
    from recnn.graphs._dgl import DGLGraph


def typed_tree_to_graph(
    tree: TypedTree, vocabulary: Vocabulary | None = None, labels: Vocabulary | None = None
) -> DGLGraph:
    """Convert a tree to a graph, see `recnn.graphs.convert`; inner nodes may have words, too.

    Args:
        tree: the tree.
        vocabulary: indices of the words; by default a vocabulary of the words of the tree.
        labels: indices of the labels; by default a vocabulary of the labels of the tree.

    Returns:
        A graph with the node data ``word``, ``label``, ``span``, and ``row`` (N,), the index of each node in the
        columns of the tree; if the tree has numbers, also ``number`` (N, F), NaN where a node has none.

    Raises:
        InputError: a word or label is not in a closed vocabulary.
    """
    graph = build(tree.parents, tree.words, tree.labels, vocabulary, labels, tree.slots or None)
    row = torch.tensor(breadth_first(tree.parents))
    graph.ndata["row"] = row
    if tree.numbers:
        missing = (float("nan"),) * tree.width
        graph.ndata["number"] = torch.tensor([own or missing for own in tree.numbers])[row]
    return graph
