"""States as points of the plane, and the nearest ones of a state."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

import lazy_loader

from parsers.errors import InputError
from recnn.draw.colours import step_of
from recnn.draw.drawing import ColourScale, fitted
from recnn.draw.layout import labels_beside
from recnn.draw.marks import LABEL, LINE, MARGIN, digits, legend, mark, shown, text_width, write
from recnn.draw.pictures import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy_loader.load("numpy")


_GAP = 8.0  # between a point and its label


class Neighbour(NamedTuple):
    """A state near another one."""

    label: str
    similarity: float
    """Cosine similarity, -1 to 1."""
    node: int


def project_states(states: Any) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Project states to the plane in which they differ most (principal component analysis).

    Args:
        states: (N, H) array or tensor.

    Returns:
        (N, 2) coordinates, whose signs are such that the largest one of each axis is positive; and the share of the
        variance along each axis.

    Raises:
        InputError: not a matrix, no states, or a state that is not finite.
    """
    table = _matrix(states)
    centred = table - table.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(table), 2))
    points[:, : min(2, len(s))] = (u * s)[:, :2]
    points *= np.where(points.max(0) < -points.min(0), -1.0, 1.0)
    total = float((s**2).sum()) or 1.0
    first, second = (*(s[:2] ** 2 / total), 0.0, 0.0)[:2]
    return points, (float(first), float(second))


def scatter(
    states: Any,
    labels: Sequence[str],
    values: Sequence[float | None] = (),
    scale: ColourScale | None = None,
    width: float = 800,
    height: float = 600,
) -> Picture:
    """Draw states as points of the plane, see `project_states`, with their labels as far as there is room for them.

    Args:
        states: (N, H) array or tensor, such as ``states.h`` of `recnn.NodeStates`.
        labels: label of each state, such as ``states.phrases``; where there is no room, it is shown when the pointer is
            over the point.
        values: number shown as the colour of each point; by default none.
        scale: range and meaning of the values; by default their range.
        width: width in pixels.
        height: height in pixels.

    Raises:
        InputError: as in `project_states`, or there are not as many labels or values as states.
    """
    points, shares = project_states(states)
    for name, column in (("labels", labels), ("values", values)):
        if len(column) != len(points) and (name == "labels" or len(column)):
            raise InputError(f"expected {name} of {len(points)} states, got {len(column)}")
    span = np.ptp(points, axis=0)
    unit = float(
        min(width / (span[0] or 1), height / (span[1] or 1))
    )  # of both axes, so that distances can be compared
    places = [(unit * float(x), -unit * float(y)) for x, y in points]
    texts = _once(list(map(shown, labels)), places)
    sizes = [(text_width(text, LABEL), LABEL + 2.0) if text else (0.0, 0.0) for text in texts]
    beside = labels_beside(places, sizes, _GAP)
    marks, fitting = Element("g"), fitted(values, scale)
    left = min(min(x, (at or (x, 0))[0] - size[0] / 2) for (x, _), at, size in zip(places, beside, sizes, strict=True))
    right = max(max(x, (at or (x, 0))[0] + size[0] / 2) for (x, _), at, size in zip(places, beside, sizes, strict=True))
    top, bottom = min(y for _, y in places) - LINE, max(y for _, y in places) + LINE
    inner = mark(marks, "g", transform=f"translate({digits(MARGIN - left)} {digits(MARGIN - top)})")
    for index, ((x, y), at) in enumerate(zip(places, beside, strict=True)):
        value = values[index] if len(values) else None
        step = f"step{step_of(value, fitting.bound)}" if fitting and value is not None and not isnan(value) else "arrow"
        group = mark(inner, "g", note=labels[index] + (f"\n{value:.3g}" if value is not None else ""))
        mark(group, "circle", f"{step} edge", cx=x, cy=y, r=4)
        if at is not None and texts[index]:
            side = (at[0] > x) - (at[0] < x)
            anchor = ("end", "middle", "start")[side + 1]
            write(group, texts[index], x + _GAP * side, at[1], "word", LABEL, anchor)
    below = bottom - top + MARGIN + LINE
    axes = f"→ {shares[0]:.0%} of the variance, ↑ {shares[1]:.0%}"
    write(marks, axes, MARGIN, below, "label", LABEL, "start")
    if fitting:
        below += LINE
        legend(mark(marks, "g", transform=f"translate({digits(MARGIN)} 0)"), fitting, below)
    width = max(right - left, text_width(axes, LABEL))
    return Picture(marks, width + 2 * MARGIN, below + LINE, f"{len(points)} states in the plane")


def _once(texts: Sequence[str], places: Sequence[tuple[float, float]]) -> list[str]:
    """Empty the texts that are at the same place before, such as those of a word that is repeated."""
    seen: set[tuple[str, int, int]] = set()
    found = []
    for text, (x, y) in zip(texts, places, strict=True):
        here = text, round(x), round(y)
        found.append("" if here in seen else text)
        seen.add(here)
    return found


def nearest(states: Any, labels: Sequence[str], query: str | int | Any, count: int = 10) -> list[Neighbour]:
    """Find the states with the largest cosine similarity to one of them, or to another vector.

    Args:
        states: (N, H) array or tensor.
        labels: label of each state.
        query: a label, whose first state is meant; the index of a state; or a vector (H,).
        count: largest number of neighbours; the state itself is none of them.

    Raises:
        InputError: as in `project_states`; there are not as many labels as states; or no such label, index, or size.

    >>> nearest([[1.0, 0.0], [0.0, 2.0], [3.0, 0.3]], ["her duck", "slept", "the duck"], "her duck", count=1)
    [Neighbour(label='the duck', similarity=0.995..., node=2)]
    """
    table = _matrix(states)
    if len(labels) != len(table):
        raise InputError(f"expected labels of {len(table)} states, got {len(labels)}")
    own = -1
    if isinstance(query, str):
        if query not in labels:
            raise InputError(f"no state has the label {query!r}")
        own = list(labels).index(query)
    elif isinstance(query, int):
        if not 0 <= query < len(table):
            raise InputError(f"expected the index of a state, 0 to {len(table) - 1}, got {query}")
        own = query
    vector = table[own] if own >= 0 else _array(query)
    if vector.shape != table.shape[1:]:
        raise InputError(f"expected a vector of {table.shape[1]} numbers, got the shape {vector.shape}")
    lengths = np.linalg.norm(table, axis=1) * np.linalg.norm(vector)
    similarity = (table @ vector) / np.where(lengths > 0, lengths, 1)
    ranked = [int(node) for node in np.argsort(-similarity, kind="stable") if node != own]
    return [Neighbour(labels[node], float(similarity[node]), node) for node in ranked[:count]]


def _array(numbers: Any) -> NDArray[np.float64]:
    if hasattr(numbers, "detach"):  # a tensor of torch
        numbers = numbers.detach().cpu()
    return np.asarray(numbers, dtype=np.float64)


def _matrix(states: Any) -> NDArray[np.float64]:
    table = _array(states)
    if table.ndim != 2 or not table.size:
        raise InputError(f"expected states as a matrix (N, H), got the shape {table.shape}")
    if not np.isfinite(table).all():
        raise InputError(f"state {int((~np.isfinite(table).all(1)).argmax())} is not finite")
    return table
