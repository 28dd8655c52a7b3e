"""Pictures of chains, unrolled in time."""

from __future__ import annotations

from recnn.draw.drawing import Drawing
from recnn.draw.layout import wrapped
from recnn.draw.marks import LABEL, LINE, mark, text_width, write
from recnn.draw.pictures import Picture
from recnn.draw.sheet import Sheet

_GAP = 34.0  # between the states of two steps
_BOX = 28.0
_ROW = 3.1 * LINE + _BOX


def unrolled(drawing: Drawing, width: float) -> Picture:
    """Draw a sequence unrolled in time: each input below its state, an arrow from each state to the next.

    Args:
        drawing: a tree with a word at every node and no node with two children; the deepest is the first step.
        width: largest width of a row of steps.
    """
    sheet = Sheet(drawing)
    order = drawing.in_order()
    states = [sheet.labels[node] or f"h{_subscript(time)}" for time, node in enumerate(order, 1)]
    boxes = [max(text_width(state, LABEL) + 20, 44.0) for state in states]
    widths = [max(box, sheet.word_widths[node]) for box, node in zip(boxes, order, strict=True)]
    places = wrapped(widths, _GAP, width)
    if places[-1][0]:  # room for the way from the end of a row to the next
        places = [(row, x + _GAP / 2) for row, x in places]
    for time, (node, (row, x), box) in enumerate(zip(order, places, boxes, strict=True)):
        top = row * _ROW
        y = top + _BOX / 2
        if time + 1 < len(order):
            below, after = places[time + 1]
            next_left = after - boxes[time + 1] / 2
            if below == row:
                _arrow(sheet, node, f"M{x + box / 2:.1f} {y:.1f}H{next_left - 4:.1f}", (next_left, y))
            else:  # from the end of the row to the beginning of the next one
                turn, y_next = top + _ROW - 10, below * _ROW + _BOX / 2
                path = f"M{x + box / 2:.1f} {y:.1f}h10q6 0 6 6V{turn - 6:.1f}q0 6 -6 6"
                path += f"H6q-6 0 -6 6V{y_next - 6:.1f}q0 6 6 6H{next_left - 4:.1f}"
                _arrow(sheet, node, path, (next_left, y_next))
        mark(sheet.edges, "path", d=f"M{x:.1f} {top + _BOX + LINE:.1f}V{top + _BOX + 4:.1f}", stroke_width=1.2)
        mark(sheet.nodes, "path", "arrow", d=f"M{x:.1f} {top + _BOX + 1:.1f}l-3.5 7h7z")
        group = sheet.group(node)
        step = sheet.step(node)
        frame = "box" if step is None else f"step{step}"
        mark(group, "rect", frame, x=x - box / 2, y=top, width=box, height=_BOX, rx=6)
        write(group, states[time], x, y, "word" if step is None else f"on{step}", LABEL)
        write(sheet.nodes, sheet.words[node], x, top + _BOX + 1.5 * LINE)
    right = max(x + max(box, wide) / 2 for (_, x), box, wide in zip(places, boxes, widths, strict=True))
    rows = places[-1][0]
    return sheet.picture(right + (_GAP / 2 if rows else 0), rows * _ROW + _BOX + 2 * LINE)


def _arrow(sheet: Sheet, node: int, path: str, tip: tuple[float, float]) -> None:
    sheet.edge(node, path)
    mark(sheet.nodes, "path", "arrow", d=f"M{tip[0]:.1f} {tip[1]:.1f}l-8 -4.5v9z", data_edge=str(node))


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
