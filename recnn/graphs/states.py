"""States of the nodes of a graph (inside state vectors), selected by node, by span, or by label and span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from recnn.errors import GraphError
from recnn.graphs.compiler import uncompiled
from recnn.graphs.devices import to_device_of, with_data

if TYPE_CHECKING:
    from recnn.draw.drawing import Drawing
    from recnn.graphs._dgl import DGLGraph

_SHOWN = 4  # trees of a batch in a notebook


class NodeStates:
    """The states of all nodes of a graph, which a notebook shows as a picture with their norms.

    Attributes:
        graph: the graph, a tree or a batch of trees.
        state: state of the cell, a NamedTuple of tensors (N, *).
        h: (N, H) hidden states in the order of the nodes.
        c: (N, H) memory cells; None if the state has none.
    """

    def __init__(self, graph: DGLGraph, state: Any) -> None:
        self.graph = graph
        self.state = state
        self.h: Tensor = state.hidden
        self.c: Tensor | None = getattr(state, "cell", None)

    @property
    @uncompiled
    def roots(self) -> Tensor:
        """(B, H) hidden states of the roots, in the order of the trees."""
        with with_data(self.h):
            rows = (self.graph.out_degrees() == 0).nonzero().squeeze(1)
        return self.h.index_select(0, to_device_of(rows, self.h))

    @uncompiled
    def node(self, index: int, tree: int = 0) -> Tensor:
        """Return the hidden state (H,) of a node.

        Args:
            index: number of the node within its tree.
            tree: index of the tree in the batch.

        Raises:
            GraphError: no such node or tree.
        """
        nodes = self._nodes(tree)
        if not 0 <= index < len(nodes):
            raise GraphError(f"tree {tree} has nodes 0..{len(nodes) - 1}, got node {index}")
        return self.h[nodes[index]]

    @uncompiled
    def span(self, i: int, j: int, label: str | None = None, tree: int = 0) -> Tensor:
        """Return the hidden state (H,) of the phrase with label A over the words i..j: s^A_{i:j}.

        Args:
            i: position of the first word, from 1.
            j: position of the last word, included.
            label: label A; by default the topmost phrase over these words is taken.
            tree: index of the tree in the batch.

        Raises:
            GraphError: the graph has no node data ``span``, there is no such tree or span, or no phrase over it has
                that label; the message then lists the labels there.
        """
        if "span" not in self.graph.ndata:
            raise GraphError(
                "the graph has no node data 'span', (N, 2) positions of the first and last word of each node"
            )
        spans = self.graph.ndata["span"].tolist()
        here = [node for node in self._nodes(tree) if spans[node] == [i, j]]
        if not here:
            raise GraphError(f"no phrase spans ({i}, {j}) in tree {tree}")
        parents = dict(zip(*(ends.tolist() for ends in self.graph.edges()), strict=True))
        if label is None:
            return self.h[next(node for node in here if parents.get(node) not in here)]
        table: Sequence[str] = getattr(self.graph, "labels", None) or ()
        names = [table[index] if 0 <= index < len(table) else "" for index in self.graph.ndata["label"][here].tolist()]
        if label not in names:
            raise GraphError(f"span ({i}, {j}) has no label {label!r}; labels there: {', '.join(names)}")
        return self.h[here[names.index(label)]]

    @property
    def phrases(self) -> list[str]:
        """Words of the phrase of each node, of many the first 100; the label of a node without words."""
        from recnn.graphs.convert import unbatch
        from recnn.graphs.drawings import graph_to_drawing

        return [phrase for graph in unbatch(self.graph) for phrase in graph_to_drawing(graph).phrases()]

    def drawing(self, tree: int = 0) -> Drawing:
        """Return a tree for `recnn.draw.picture`, with the norms of its states as colours, on one scale for all trees.

        Args:
            tree: index of the tree in the batch.

        Raises:
            GraphError: there is no such tree.
        """
        from recnn.draw.drawing import ColourScale
        from recnn.graphs.convert import unbatch
        from recnn.graphs.drawings import graph_to_drawing

        nodes = self._nodes(tree)
        every = self.h.detach().flatten(1).norm(dim=1).tolist()
        norms = every[nodes.start : nodes.stop]
        plain = graph_to_drawing(unbatch(self.graph)[tree])
        notes = [f"{phrase}\nnorm {norm:.3f}" for phrase, norm in zip(plain.phrases(), norms, strict=True)]
        return replace(plain, values=norms, notes=notes, scale=ColourScale("norm of the state", 0.0, max(every)))

    def _repr_svg_(self) -> str:
        from recnn.draw.compose import picture, side_by_side

        shown = range(min(self.graph.batch_size, _SHOWN))
        return side_by_side([picture(self.drawing(tree)) for tree in shown]).svg()

    def _nodes(self, tree: int) -> range:
        sizes = self.graph.batch_num_nodes().tolist()
        if not 0 <= tree < len(sizes):
            raise GraphError(f"there is no tree {tree} in a batch of {len(sizes)}")
        start = sum(sizes[:tree])
        return range(start, start + sizes[tree])
