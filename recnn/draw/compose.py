"""The picture of a tree of any kind, and pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal, get_args
from xml.etree.ElementTree import Element

from nltk import Tree

from parsers.errors import InputError
from parsers.printing import printable
from recnn.draw.chains import unrolled
from recnn.draw.dependencies import outline, over_words
from recnn.draw.drawing import ColourScale, Drawing, tree_to_drawing
from recnn.draw.layered import sideways, upright
from recnn.draw.layout import wrapped
from recnn.draw.marks import LINE, WORD, digits, mark, text_width, write
from recnn.draw.pictures import Picture

LayoutName = Literal["auto", "upright", "sideways", "arcs", "outline", "chain"]


def picture(
    tree: Tree | Drawing,
    layout: LayoutName = "auto",
    width: float = 1400,
    values: Sequence[float | None] | None = None,
    notes: Sequence[str] | None = None,
    gates: Sequence[float | None] | None = None,
    scale: ColourScale | None = None,
) -> Picture:
    """Draw a tree of phrases, a dependency tree, a program, or a chain.

    A tree of phrases has its words on one line, and above it phrases on levels, from those over words only up to the
    root: the order in which a network composes their states.

    Args:
        tree: a tree, also a `parsers.DependencyTree`; or a `Drawing`, as `recnn.graph_to_drawing` makes of a graph.
        layout: "upright" with the root at the top, "sideways" with the root at the left and a leaf a line, "arcs" over
            the words of a dependency tree, "outline" of a dependency tree with a word a line, "chain" with a state for
            each word. By default a dependency tree is drawn as arcs, a sequence of several words as a chain, another
            tree upright; what would be wider than ``width``, as an outline or sideways.
        width: largest width in pixels of what is not to be turned, or of a row of a chain.
        values: number shown as the colour of each node, see `Drawing`; the nodes of an nltk.Tree are breadth first from
            the root, as in `recnn.tree_to_graph`. This and what follows is by default that of the drawing.
        notes: text of each node that is shown when the pointer is over it.
        gates: value from 0 to 1 shown as the width of the edge from each node to its parent.
        scale: range and meaning of ``values``.

    Raises:
        TreeError: as in `tree_to_drawing`; or not as many values, notes or gates as nodes.
        InputError: no such layout, or the tree is of another kind than the layout.

    >>> tree = Tree.fromstring("(S (NP (D the) (N duck)) (V swam))")
    >>> picture(tree).text
    'the duck swam'
    """
    drawing = tree if isinstance(tree, Drawing) else tree_to_drawing(tree)
    columns: dict[str, Any] = {"values": values, "notes": notes, "gates": gates, "scale": scale}
    drawing = replace(drawing, **{name: given for name, given in columns.items() if given is not None})
    if layout not in get_args(LayoutName):
        raise InputError(f"expected a layout of {', '.join(get_args(LayoutName))}, got {layout!r}")
    if layout in ("arcs", "outline") and drawing.positions is None:
        raise InputError(f"the layout {layout!r} is for dependency trees")
    if layout == "chain" and not drawing.is_chain:
        raise InputError("the layout 'chain' is for trees with a word at every node, and no node with two children")
    if layout == "auto":
        return _automatic(drawing, width)
    if layout == "chain":
        return unrolled(drawing, width)
    return {"upright": upright, "sideways": sideways, "arcs": over_words, "outline": outline}[layout](drawing)


_LETTER = 5.0  # a word is wider than this, so that trees of many words need not be drawn to find that they are too wide


def _automatic(drawing: Drawing, width: float) -> Picture:
    dependencies = drawing.positions is not None
    if not dependencies and len(drawing.words) > 1 and drawing.is_chain:
        return unrolled(drawing, width)
    first, other = (over_words, outline) if dependencies else (upright, sideways)
    leaves = sum(not below for below in drawing.children)
    if (len(drawing.words) if dependencies else leaves) * _LETTER > width:
        return other(drawing)
    found = first(drawing)
    return found if found.width <= width else other(drawing)


def side_by_side(pictures: Sequence[Picture], captions: Sequence[str] = (), width: float = 1400) -> Picture:
    """Put pictures beside each other, such as two readings of a sentence; what would be wider is put below.

    Args:
        pictures: the pictures.
        captions: a line above each; by default none.
        width: largest width in pixels of a row of pictures.

    Raises:
        InputError: there are no pictures, or captions in another number.
    """
    if not pictures:
        raise InputError("there are no pictures to put side by side")
    if captions and len(captions) != len(pictures):
        raise InputError(f"expected {len(pictures)} captions, got {len(captions)}")
    names = [printable(caption) for caption in captions] or [""] * len(pictures)
    above = LINE if captions else 0.0
    widths = [max(one.width, text_width(name, WORD) + 2 * LINE) for one, name in zip(pictures, names, strict=True)]
    places = wrapped(widths, 0.0, width)
    heights = [0.0] * (places[-1][0] + 1)
    for one, (row, _) in zip(pictures, places, strict=True):
        heights[row] = max(heights[row], one.height + above)
    tops = list(accumulate(heights, initial=0.0))
    marks = Element("g")
    for one, name, own, (row, middle) in zip(pictures, names, widths, places, strict=True):
        left, bottom = middle - own / 2, tops[row + 1]  # the words of readings in a row are on one line
        if name:
            write(marks, name, left + LINE, tops[row] + LINE, "word", WORD, "start")
        group = mark(marks, "g", transform=f"translate({digits(left)} {digits(bottom - one.height)})")
        group.append(deepcopy(one.marks))
    widest = max(middle + own / 2 for own, (_, middle) in zip(widths, places, strict=True))
    texts = [one.text if not captions else f"{captions[number]}: {one.text}" for number, one in enumerate(pictures)]
    return Picture(marks, widest, tops[-1], "; ".join(texts))
