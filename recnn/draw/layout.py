"""Geometry of pictures: places of nodes, words, arcs and labels. Numbers only, and no recursion on depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

FOOT = 7.0
"""Distance of the ends of two arcs at one word."""


def preorder(children: Sequence[Sequence[int]]) -> list[int]:
    """Return the nodes of a tree from the root, each before its children, which are in their order.

    Args:
        children: children of each node.
    """
    (root,) = set(range(len(children))).difference(*children)
    order: list[int] = []
    agenda = [root]
    while agenda:
        node = agenda.pop()
        order.append(node)
        agenda.extend(reversed(children[node]))
    return order


def levels(children: Sequence[Sequence[int]], aligned: bool) -> list[int]:
    """Return the level of each node, 0 for the root.

    Args:
        children: children of each node.
        aligned: all leaves are on the last level and each other node just above its highest child, so that levels from
            the last one up are the order in which states are composed; else each child is just below its parent.
    """
    order = preorder(children)
    found = [0] * len(children)
    if aligned:
        for node in reversed(order):
            found[node] = 1 + max((found[child] for child in children[node]), default=-1)
        top = max(found)
        return [top - height for height in found]
    for node in order:
        for child in children[node]:
            found[child] = found[node] + 1
    return found


def spread(children: Sequence[Sequence[int]], sizes: Sequence[float], gap: float) -> list[float]:
    """Place the nodes of a tree along its breadth: each parent in the middle between its first and last child.

    Siblings are in their order, and subtrees side by side: what is above or below a node is in its subtree or above it.

    Args:
        children: children of each node.
        sizes: size of each node.
        gap: smallest distance of two subtrees.

    Returns:
        The centre of each node; the tree begins at 0.
    """
    order = preorder(children)
    left, right = ([size / 2 for size in sizes] for _ in range(2))  # how far a subtree reaches from its top
    offset = [0.0] * len(children)
    for node in reversed(order):
        if not children[node]:
            continue
        first, last = children[node][0], children[node][-1]
        for before, child in pairwise(children[node]):
            offset[child] = offset[before] + right[before] + gap + left[child]
        middle = offset[last] / 2
        for child in children[node]:
            offset[child] -= middle
        left[node] = max(left[node], middle + left[first])
        right[node] = max(right[node], middle + right[last])
    centre = [0.0] * len(children)
    centre[order[0]] = left[order[0]]
    for node in order:
        for child in children[node]:
            centre[child] = centre[node] + offset[child]
    return centre


class Arc(NamedTuple):
    """An arc over the words from a head to its dependent; the root of the sentence has an arc from itself."""

    start: float
    end: float
    level: int
    """Level above the words, from 1; two arcs of one level are side by side."""


def arcs(
    widths: Sequence[float], heads: Sequence[int], labels: Sequence[float], gap: float
) -> tuple[list[float], list[Arc]]:
    """Place the words of a sentence on a line, and the arc to each word from its head.

    Arcs that do not cross in the sentence do not cross in the picture, and each is wider than its label.

    Args:
        widths: width of each word.
        heads: index of the head of each word, from 0; -1 for the root.
        labels: width of the label of the arc to each word.
        gap: smallest distance of two words, and of the ends of a label and its arc together.

    Returns:
        The centres of the words; the line begins at 0. And the arc to each word.
    """
    feet = _feet(heads)
    half = [max(width, FOOT * len(ends)) / 2 for width, ends in zip(widths, feet, strict=True)]
    offset = {  # of the end of an arc, named by its word and its dependent, from the centre of the word
        (word, arc): FOOT * (place - (len(ends) - 1) / 2)
        for word, ends in enumerate(feet)
        for place, arc in enumerate(ends)
    }
    ending: list[list[tuple[int, int]]] = [[] for _ in heads]  # at each word, the arcs from words before it
    for word, head in enumerate(heads):
        if head >= 0:
            ending[max(word, head)].append((min(word, head), word))
    centres: list[float] = []
    for word, reach in enumerate(half):
        place = reach if not word else centres[-1] + half[word - 1] + gap + reach
        for before, arc in ending[word]:
            place = max(place, centres[before] + offset[before, arc] + labels[arc] + gap - offset[word, arc])
        centres.append(place)
    above = _arc_levels(heads)
    found = []
    for word, head in enumerate(heads):
        start = word if head < 0 else head
        found.append(Arc(centres[start] + offset[start, word], centres[word] + offset[word, word], above[word]))
    return centres, found


def _feet(heads: Sequence[int]) -> list[list[int]]:
    """Return the ends of arcs at each word from left to right, each arc named by its dependent.

    Of two arcs in one direction, the longer one, which is above, ends nearer to the middle, so that they do not cross.
    """
    feet: list[list[tuple[int, int, int]]] = [[] for _ in heads]
    for word, head in enumerate(heads):
        if head < 0:
            feet[word].append((1, 0, word))
        else:
            first, last = sorted((word, head))
            feet[first].append((2, first - last, word))
            feet[last].append((0, last - first, word))
    return [[arc for _, _, arc in sorted(ends)] for ends in feet]


def _arc_levels(heads: Sequence[int]) -> list[int]:
    """Return the level of the arc to each word: above those of all shorter arcs that share a part of the line."""
    spans = {word: (min(word, head), max(word, head)) for word, head in enumerate(heads) if head >= 0}
    level = [0] * len(heads)
    over = [0] * len(heads)  # highest level so far between each word and the next
    for word, (first, last) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        level[word] = 1 + max(over[first:last])
        over[first:last] = [level[word]] * (last - first)
    for word, head in enumerate(heads):
        if head < 0:
            level[word] = 1 + max(level)
    return level


def wrapped(widths: Sequence[float], gap: float, limit: float) -> list[tuple[int, float]]:
    """Place boxes in rows: row and centre of each box.

    Args:
        widths: width of each box.
        gap: distance of two boxes.
        limit: largest width of a row; a wider box has a row of its own.
    """
    found: list[tuple[int, float]] = []
    row, end = 0, -gap
    for width in widths:
        if end + gap + width > limit and end > 0:
            row, end = row + 1, -gap
        found.append((row, end + gap + width / 2))
        end += gap + width
    return found


def labels_beside(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], gap: float
) -> list[tuple[float, float] | None]:
    """Place a label beside each point, where it covers no point and no label; None where there is no such place.

    Places are tried in the order right, left, above, below, and labels in the order of the points.

    Args:
        points: the points.
        sizes: width and height of their labels.
        gap: distance of a label and its point.

    Returns:
        The centre of each label.
    """
    import numpy as np

    taken = np.array([(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in points]).reshape(-1, 4)
    taken = np.concatenate([taken, np.full_like(taken, np.inf)])  # left, top, right and bottom of points and labels
    found: list[tuple[float, float] | None] = [None] * len(points)
    for index, ((x, y), (width, height)) in enumerate(zip(points, sizes, strict=True)):
        half = np.array([width / 2, height / 2])
        aside, above = width / 2 + gap, height / 2 + gap
        for middle in ((x + aside, y), (x - aside, y), (x, y - above), (x, y + above)):
            low, high = middle - half, middle + half
            if ((taken[:, :2] >= high) | (taken[:, 2:] <= low)).any(1).all():
                taken[len(points) + index] = *low, *high
                found[index] = middle
                break
    return found
