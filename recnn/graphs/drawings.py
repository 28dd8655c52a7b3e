"""Drawings of graphs: what `recnn.draw.picture` shows of them, and chains in characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recnn.draw.drawing import Drawing
from recnn.draw.text import chain_to_lines
from recnn.errors import GraphError
from recnn.graphs.convert import graph_to_sequence, unbatch
from recnn.graphs.structure import children_of, names_of

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


def graph_to_drawing(graph: DGLGraph) -> Drawing:
    """Convert the graph of one tree to a drawing, which `recnn.draw.picture` draws.

    Args:
        graph: the graph, with nodes numbered in any way.

    Raises:
        GraphError: not one tree (see `recnn.graphs.structure.children_of`), or an index without an entry in its table.
    """
    children, _ = children_of(graph)
    positions = graph.ndata["position"].tolist() if "position" in graph.ndata else None
    words, labels = names_of(graph, "word", None), names_of(graph, "label", None)
    return Drawing(children, labels, words, positions)


def chain_to_text(graph: DGLGraph) -> str:
    """Draw the chains of a graph unrolled in time: an input below each state, an arrow from each state to the next.

    The inputs are the words, or x1, x2, ... if the graph has no vocabulary.

    Raises:
        GraphError: a graph of the batch is not a chain, or a node has no word.
    """
    return "\n\n".join("\n".join(chain_to_lines(_inputs(chain))) for chain in unbatch(graph))


def _inputs(chain: DGLGraph) -> list[str]:
    for node, below in enumerate(children_of(chain)[0]):
        if len(below) > 1:
            raise GraphError(f"node {node} has {len(below)} children, so the graph is not a chain")
    if getattr(chain, "vocabulary", None):
        return graph_to_sequence(chain)
    return [f"x{t}" for t in range(1, chain.num_nodes() + 1)]
