"""Trees and chains in characters; control characters in labels and words are escaped, see `printable`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nltk import Tree
from nltk.tree.prettyprinter import TreePrettyPrinter
from rich.text import Text

from parsers.errors import InputError
from parsers.printing import printable
from parsers.trees import constituents
from recnn.draw.layout import preorder

_DEEPEST = 100  # levels; with more, the guides of a deep tree would be quadratic in its size, as those of rich.tree are


def tree_to_text(tree: Tree) -> str:
    """Draw ``tree`` in characters, with its words on one line.

    Raises:
        TreeError: a phrase without words, or a label or word that is not a string.
        InputError: more than 100 levels.
    """
    lines = _printer(tree).text(unicodelines=True).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def chain_to_lines(inputs: Sequence[str]) -> list[str]:
    """Draw a chain unrolled in time: an input below each state, an arrow from each state to the next."""
    states = [f"h{time}" for time in range(1, len(inputs) + 1)]
    inputs = list(map(printable, inputs))
    widths = [max(map(len, pair)) for pair in zip(inputs, states, strict=True)]
    arrows = [f"{state} ".ljust(width + 2, "─") + "─→ " for state, width in zip(states, widths, strict=True)]
    rows = ["".join(arrows)[: -len(arrows[-1])] + states[-1]]
    for row in (["↑"] * len(inputs), inputs):
        rows.append("".join(cell.ljust(width + 5) for cell, width in zip(row, widths, strict=True)).rstrip())
    return rows


def tree_to_lines(children: Sequence[Sequence[int]], texts: Sequence[Text]) -> Iterator[Text]:
    """Draw a tree with one indented line per node, for a `rich.console.Console`.

    Nodes below 100 levels are not indented further, and have the number of their level instead.

    Args:
        children: children of each node.
        texts: what is printed of each node.
    """
    guides = {preorder(children)[0]: (0, "", "")}  # level, guides before the node and before the nodes below it
    for node in preorder(children):
        level, guide, rest = guides.pop(node)
        deep = f"level {level}: " if level > _DEEPEST else ""
        yield Text.assemble((guide, "dim"), deep, texts[node])
        for child in children[node]:
            own, more = ("├── ", "│   ") if child != children[node][-1] else ("└── ", "    ")
            if level >= _DEEPEST:
                own = more = ""
            guides[child] = level + 1, rest + own, rest + more


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
