"""Pictures of trees, drawn by NLTK, and of chains."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nltk import Tree
from nltk.tree.prettyprinter import TreePrettyPrinter

from parsers.errors import InputError
from parsers.trees import constituents
from recnn.errors import GraphError

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_DEEPEST = 100
_COLUMN, _CHARACTER = 40, 7.5  # of NLTK's pictures: what lies between neighbours, and the width of a letter


def tree_to_svg(tree: Tree) -> str:
    """An SVG picture of ``tree``, with its words on one line.

    Raises:
        InputError: more than 100 levels, which no picture shows.
    """
    # A line break within a label would be lost, with nothing in its place.
    svg = re.sub(r">[^<]*</text>", lambda text: text[0].replace("\n", " "), _printer(tree).svg())
    longest = max(len(text) for text in re.findall(r">([^<]*)</text>", svg))
    return _widened(svg, max(1.0, (longest + 1) * _CHARACTER / _COLUMN))


def _widened(svg: str, factor: float) -> str:
    """All that lies side by side further apart, for NLTK's columns have one width whatever is written in them."""

    def times(match: re.Match[str]) -> str:
        return f"{match[1]}{float(match[2]) * factor:g}"

    svg = re.sub(r"(?<= points=)[^>]*", lambda points: re.sub(r'(["\s])([\d.]+)(?=,)', times, points[0]), svg)
    svg = re.sub(r'( x=")([\d.]+)', times, svg)
    return re.sub(r'( width="|viewBox="-?\d+ -?\d+ )([\d.]+)', times, svg, count=2)


def tree_to_text(tree: Tree) -> str:
    """``tree`` drawn in characters, with its words on one line.

    Raises:
        InputError: more than 100 levels, which no terminal shows.
    """
    lines = _printer(tree).text(unicodelines=True).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def chain_to_text(graph: DGLGraph) -> str:
    """The chains of a graph, unrolled in time: an input below each state, an arrow from each state to the next.

    Raises:
        GraphError: a graph of the batch is no chain.
    """
    from recnn.graphs.convert import unbatch

    return "\n\n".join(_unrolled(chain) for chain in unbatch(graph))


def _unrolled(chain: DGLGraph) -> str:
    from recnn.graphs.convert import children_of, graph_to_sequence

    for node, below in enumerate(children_of(chain)[0]):
        if len(below) > 1:
            raise GraphError(f"node {node} has {len(below)} children, so the graph is no chain")
    times = range(1, chain.num_nodes() + 1)
    inputs = graph_to_sequence(chain) if getattr(chain, "vocabulary", None) else [f"x{t}" for t in times]
    states = [f"h{t}" for t in times]
    widths = [max(map(len, pair)) for pair in zip(inputs, states, strict=True)]
    arrows = [f"{state} ".ljust(width + 2, "─") + "─→ " for state, width in zip(states, widths, strict=True)]
    rows = ["".join(arrows)[: -len(arrows[-1])] + states[-1]]
    for row in (["↑"] * len(times), inputs):
        rows.append("".join(cell.ljust(width + 5) for cell, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join(rows)


def _printer(tree: Tree) -> TreePrettyPrinter:
    depth: list[int] = []
    for constituent in constituents(tree):
        depth.append(depth[constituent.parent] + 1 if constituent.parent >= 0 else 1)
    if max(depth) > _DEEPEST:
        raise InputError(f"the tree has {max(depth)} levels, a picture shows at most {_DEEPEST}")
    # Left to itself, NLTK puts a bare word after the words of the phrases beside it.
    numbered = tree.copy(deep=True)
    for number, place in enumerate(tree.treepositions("leaves")):
        numbered[place] = number
    return TreePrettyPrinter(numbered, tree.leaves())
