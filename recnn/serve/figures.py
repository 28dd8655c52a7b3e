"""Pictures for the page: SVG whose colours are classes of a style sheet, as the page has no styles in its elements."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from parsers.printing import printable
from recnn.draw.colours import palette
from recnn.draw.compose import picture
from recnn.draw.drawing import ColourScale, Drawing
from recnn.draw.layout import levels
from recnn.draw.marks import digits
from recnn.draw.pictures import Picture
from recnn.serve.predictions import TreePredictions
from recnn.serve.schemas import Colours, Figure

_NARROW = 700  # pixels
_GAP = 20
_LONGEST_ROW = 500  # pixels of a sequence, so that it can stand beside a tree


def values_and_scale(found: TreePredictions, colours: Colours, largest: float) -> tuple[list[float], ColourScale]:
    """Return what is shown as colours at the nodes of a tree.

    Args:
        found: the predictions.
        colours: what the colours show.
        largest: largest norm of the states of a model, so that all pictures of it have one scale.
    """
    if colours == "norm":
        return found.states.norm(dim=1).tolist(), ColourScale("norm of the state", 0.0, largest)
    return found.nodes.values(), found.nodes.scale


def room_for(count: int, width: int) -> int:
    """Width of the picture of a reading: several stand two in a row, except on narrow screens."""
    return width // 2 - _GAP if count > 1 and width >= _NARROW else width


def tree_figure(drawing: Drawing, reading: int, width: int) -> Figure:
    """Draw a reading; upright if it is not wider than ``width``."""
    steps = 1 + max(levels(drawing.children, aligned=True))
    return _figure(picture(drawing, width=width), steps, reading)


def chain_figure(drawing: Drawing, width: int) -> Figure:
    """Draw a sequence, in rows."""
    return _figure(picture(drawing, "chain", min(width, _LONGEST_ROW)), len(drawing.words), None)


def with_colours(drawing: Drawing, values: Sequence[float], scale: ColourScale) -> Drawing:
    """Return a drawing with values, in which a node without a label is a dot."""
    return replace(drawing, labels=[label or None for label in drawing.labels], values=values, scale=scale, notes=())


def _figure(drawn: Picture, steps: int, reading: int | None) -> Figure:
    width, height = digits(drawn.width), digits(drawn.height)
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", width=width, height=height)
    root.set("viewBox", f"0 0 {width} {height}")
    root.append(deepcopy(drawn.marks))
    svg = ElementTree.tostring(root, encoding="unicode")
    return Figure(reading=reading, text=printable(drawn.text), steps=steps, svg=svg)


def colours_css() -> str:
    """Return the style sheet with the colours of the pictures, light and dark."""
    light, dark = (
        "".join(
            f".figure .{name}{{{';'.join(f'{key}:{value}' for key, value in colours.items())}}}\n"
            for name, colours in palette(theme).items()
        )
        for theme in ("light", "dark")
    )
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
