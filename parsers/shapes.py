"""Trees over sentences that have none: by position alone, without a grammar."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from parsers.errors import TreeError

if TYPE_CHECKING:
    from nltk import Tree

Shape = Literal["right", "left", "balanced"]


def shaped(words: Sequence[str], shape: Shape = "balanced", label: str = "") -> "Tree":
    """A binary tree over a sentence that has none; only its root has a label.

    >>> for shape in ("right", "left", "balanced"):
    ...     print(shaped("her duck can swim well".split(), shape, "S"))
    (S ( her) ( ( duck) ( ( can) ( ( swim) ( well)))))
    (S ( ( ( ( her) ( duck)) ( can)) ( swim)) ( well))
    (S ( ( ( her) ( duck)) ( ( can) ( swim))) ( well))

    Raises:
        TreeError: there are no words.
    """
    from nltk import Tree

    row = [Tree("", [word]) for word in words]
    if not row:
        raise TreeError("there are no words to make a tree of")
    while len(row) > 1:
        if shape == "right":
            row[-2:] = [Tree("", row[-2:])]
        elif shape == "left":
            row[:2] = [Tree("", row[:2])]
        else:
            row = [Tree("", row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    row[0].set_label(label)
    return row[0]
