"""Trees and parses as pictures in notebooks: ``%load_ext recnn.draw``."""

from __future__ import annotations

from typing import Any

from nltk import Tree

from parsers.api import Parses
from recnn.draw.compose import picture, side_by_side

_READINGS = 4  # more are not shown


def load_ipython_extension(shell: Any) -> None:
    """Let a notebook show every nltk.Tree, and the first readings of `parsers.Parses`, as pictures.

    What recnn returns, such as `recnn.NodeStates`, is shown as a picture without this.
    """
    formatter = shell.display_formatter.formatters["image/svg+xml"]
    formatter.for_type(Tree, lambda tree: picture(tree).svg())
    formatter.for_type(Parses, readings)


def readings(parses: Parses) -> str | None:
    """Draw the first readings of a sentence side by side, as SVG, without taking them from the iterator."""
    trees = parses.ahead(_READINGS)
    if not trees:
        return None
    captions = [f"probability {tree.prob():.3g}" if hasattr(tree, "prob") else "" for tree in trees]
    return side_by_side([picture(tree) for tree in trees], captions if any(captions) else ()).svg()
