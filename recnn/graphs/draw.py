"""Drawings of trees, by NLTK, and of chains; control characters in labels and words are escaped, see `printable`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nltk import Tree
from nltk.tree.prettyprinter import TreePrettyPrinter

from parsers.errors import InputError
from parsers.printing import printable
from parsers.trees import constituents
from recnn.errors import GraphError

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_DEEPEST = 100
_COLUMN, _CHARACTER = 40, 7.5  # in NLTK's pictures: distance of neighbouring columns, and width of a letter


def tree_to_svg(tree: Tree) -> str:
    """Draw ``tree`` as an SVG picture, with its words on one line.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
        InputError: more than 100 levels.
    """
    # SVG drops a line break within a label without putting a space there.
    svg = re.sub(r">[^<]*</text>", lambda text: text[0].replace("\n", " "), _printer(tree).svg())
    longest = max(len(text) for text in re.findall(r">([^<]*)</text>", svg))
    return _widened(svg, max(1.0, (longest + 1) * _CHARACTER / _COLUMN))


def _widened(svg: str, factor: float) -> str:
    """Stretch a picture horizontally, as the width of NLTK's columns does not depend on the text in them."""

    def times(match: re.Match[str]) -> str:
        return f"{match[1]}{float(match[2]) * factor:g}"

    svg = re.sub(r"(?<= points=)[^>]*", lambda points: re.sub(r'(["\s])([\d.]+)(?=,)', times, points[0]), svg)
    svg = re.sub(r'( x=")([\d.]+)', times, svg)
    return re.sub(r'( width="|viewBox="-?\d+ -?\d+ )([\d.]+)', times, svg, count=2)


def tree_to_text(tree: Tree) -> str:
    """Draw ``tree`` in characters, with its words on one line.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
        InputError: more than 100 levels.
    """
    lines = _printer(tree).text(unicodelines=True).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def chain_to_text(graph: DGLGraph) -> str:
    """Draw the chains of a graph unrolled in time: an input below each state, an arrow from each state to the next.

    The inputs are the words, or x1, x2, ... if the graph has no vocabulary.

    Raises:
        GraphError: a graph of the batch is not a chain, or a node has no word.
    """
    from recnn.graphs.convert import unbatch

    return "\n\n".join(_unrolled(chain) for chain in unbatch(graph))


def _unrolled(chain: DGLGraph) -> str:
    from recnn.graphs.convert import graph_to_sequence
    from recnn.graphs.structure import children_of

    for node, below in enumerate(children_of(chain)[0]):
        if len(below) > 1:
            raise GraphError(f"node {node} has {len(below)} children, so the graph is not a chain")
    times = range(1, chain.num_nodes() + 1)
    inputs = [f"x{t}" for t in times]
    if getattr(chain, "vocabulary", None):
        inputs = list(map(printable, graph_to_sequence(chain)))
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
    # Without these numbers, NLTK numbers the words phrase by phrase and draws bare words out of their order.
    numbered = tree.copy(deep=True)
    for number, place in enumerate(tree.treepositions("leaves")):
        numbered[place] = number
    for phrase in numbered.subtrees():
        phrase.set_label(printable(phrase.label(), keep="\n"))
    return TreePrettyPrinter(numbered, list(map(printable, tree.leaves())))
