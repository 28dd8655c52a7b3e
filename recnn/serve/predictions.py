"""States and predictions of the nodes of many trees, computed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from nltk import Tree
from torch import Tensor

from parsers.dependency_trees import DependencyTree
from recnn.data.datasets import batch_of
from recnn.data.parsing import fitting
from recnn.draw.drawing import Drawing, tree_to_drawing
from recnn.graphs.convert import tree_to_graph
from recnn.models.predictions import NodePredictions
from recnn.models.trees import TreeClassifier


class TreePredictions(NamedTuple):
    """What a model computes of one tree of N nodes, breadth first from the root."""

    drawing: Drawing
    """The tree as the model reads it, with its labels and words."""
    spans: list[tuple[int, int]]
    """Positions of the first and the last word of each node, from 1."""
    nodes: NodePredictions
    """The predicted classes."""
    states: Tensor
    """(N, H) states."""
    unknown: list[str]
    """Words that are not in the model's vocabulary."""

    @property
    def labels(self) -> list[str]:
        """The most probable class of each node."""
        return [self.nodes.labels[best] for best in self.nodes.probabilities.argmax(1).tolist()]


def predict_nodes(model: TreeClassifier, trees: Sequence[Tree]) -> list[TreePredictions]:
    """Compute the states and predictions of the nodes of trees together.

    Args:
        model: the classifier, in evaluation mode.
        trees: the trees; they are binarised if they have nodes with too many children for the model.

    Raises:
        InputError: a tree does not fit the model.
    """
    found: dict[int, TreePredictions] = {}
    for dependencies in (False, True):  # their graphs do not have the same data, so they are in two batches
        rows = [row for row, tree in enumerate(trees) if isinstance(tree, DependencyTree) is dependencies]
        if rows:
            found.update(zip(rows, _in_one_batch(model, [trees[row] for row in rows]), strict=True))
    return [found[row] for row in range(len(trees))]


def _in_one_batch(model: TreeClassifier, trees: Sequence[Tree]) -> list[TreePredictions]:
    fitted = [fitting(tree, model.config.max_children) for tree in trees]
    graphs = [model.graph(tree) for tree in fitted]
    sizes = [graph.num_nodes() for graph in graphs]
    with torch.no_grad():
        states = model.states(batch_of(graphs))
        probabilities = model.head.probabilities(model.head(states))
    found = []
    for tree, graph, h, p in zip(fitted, graphs, states.cpu().split(sizes), probabilities.split(sizes), strict=True):
        drawing = tree_to_drawing(tree)
        rows = zip(drawing.words, graph.ndata["word"].tolist(), strict=True)
        unknown = [str(word) for word, row in rows if word is not None and row == 0]
        spans = [(start, end) for start, end in graph.ndata["span"].tolist()]
        nodes = NodePredictions(tree_to_graph(tree), p, model.labels)
        found.append(TreePredictions(drawing, spans, nodes, h, unknown))
    return found
