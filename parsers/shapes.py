"""Binary trees over sentences without a grammar: right-branching, left-branching or balanced."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from parsers.errors import TreeError

if TYPE_CHECKING:
    from nltk import Tree

Shape = Literal["right", "left", "balanced"]


def shaped(words: Sequence[str], shape: Shape = "balanced", label: str = "") -> "Tree":
    """Build a binary tree over ``words`` by their positions alone.

    Args:
        words: the words of the sentence.
        shape: "right" or "left" for a right- or left-branching tree; "balanced" for a tree of the least height.
        label: label of the root; all other labels are empty.

    >>> for shape in ("right", "left", "balanced"):
    ...     print(shaped("her duck can swim well".split(), shape, "S"))
    (S ( her) ( ( duck) ( ( can) ( ( swim) ( well)))))
    (S ( ( ( ( her) ( duck)) ( can)) ( swim)) ( well))
    (S ( ( ( her) ( duck)) ( ( can) ( swim))) ( well))

    Raises:
        TreeError: ``words`` is empty.
    """
    from nltk import Tree

    row = [Tree("", [word]) for word in words]
    if not row:
        raise TreeError("expected at least one word to make a tree of, got none")
    while len(row) > 1:
        if shape == "right":
            row[-2:] = [Tree("", row[-2:])]
        elif shape == "left":
            row[:2] = [Tree("", row[:2])]
        else:
            row = [Tree("", row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    row[0].set_label(label)
    return row[0]
