"""Pictures of dependency trees: arcs over the words, or an outline with a word a line."""

from __future__ import annotations

from recnn.draw.drawing import Drawing
from recnn.draw.layout import arcs, levels
from recnn.draw.marks import LABEL, LINE, WORD, mark, write
from recnn.draw.pictures import Picture
from recnn.draw.sheet import Sheet

_GAP = 14.0  # between neighbouring words, and beside the labels of arcs together
_RISE = 24.0  # between the levels of arcs
_INDENT = 30.0


def in_sentence(drawing: Drawing) -> tuple[list[int], list[int]]:
    """Return the nodes of a dependency tree in the order of their words, and the head of each word; -1 for the root."""
    if drawing.positions is None:
        raise ValueError("expected a drawing with positions")
    order = sorted(range(len(drawing.positions)), key=drawing.positions.__getitem__)
    place = {node: index for index, node in enumerate(order)}
    heads = [-1] * len(order)
    for node, below in enumerate(drawing.children):
        for child in below:
            heads[place[child]] = place[node]
    return order, heads


def over_words(drawing: Drawing) -> Picture:
    """Draw a dependency tree as arcs over the words, each with an arrow at the dependent and the label of its node."""
    sheet = Sheet(drawing)
    order, heads = in_sentence(drawing)
    x, found = arcs(
        [sheet.word_widths[node] for node in order], heads, [sheet.label_widths[node] for node in order], _GAP
    )
    ground = _RISE * max(arc.level for arc in found) + LABEL
    for index, (node, arc) in enumerate(zip(order, found, strict=True)):
        top = ground - _RISE * arc.level
        note = f"{sheet.words[order[heads[index]]]} → {sheet.words[node]}" if heads[index] >= 0 else ""
        if heads[index] < 0:
            path = f"M{arc.end:.1f} {top:.1f}V{ground - 4:.1f}"
        else:
            turn = 8 if arc.end > arc.start else -8
            path = f"M{arc.start:.1f} {ground:.1f}V{top + 8:.1f}q0 -8 {turn} -8H{arc.end - turn:.1f}q{turn} 0 {turn} 8"
            path += f"V{ground - 4:.1f}"
        sheet.edge(node, path, note)
        mark(sheet.nodes, "path", "arrow", d=f"M{arc.end:.1f} {ground:.1f}l-3.5 -7h7z")
        if sheet.labels[node]:
            middle, width = (arc.start + arc.end) / 2, sheet.label_widths[node] - 4
            mark(sheet.nodes, "rect", "paper", x=middle - width / 2, y=top - LABEL / 2, width=width, height=LABEL)
            write(sheet.nodes, sheet.labels[node], middle, top, "label", LABEL)
        sheet.text(sheet.group(node), sheet.words[node], (x[index], ground + 2 + LINE / 2), WORD, node)
    width = max(place + sheet.word_widths[node] / 2 for place, node in zip(x, order, strict=True))
    return sheet.picture(width, ground + 2 + LINE)


def outline(drawing: Drawing) -> Picture:
    """Draw a dependency tree with a word a line, in the order of the sentence, to the right of its head."""
    sheet, depth = Sheet(drawing), levels(drawing.children, aligned=False)
    order, heads = in_sentence(drawing)
    row, width = LINE + 4, 0.0
    for index, node in enumerate(order):
        left, y = _INDENT * depth[node], row * index + LINE / 2
        if heads[index] >= 0:
            head, down = order[heads[index]], 1 if heads[index] < index else -1
            trunk, start = _INDENT * depth[head] + 10, row * heads[index] + LINE / 2 + 9 * down
            sheet.edge(node, f"M{trunk:.1f} {start:.1f}V{y - 6 * down:.1f}q0 {6 * down} 6 {6 * down}H{left:.1f}")
        sheet.text(sheet.group(node), sheet.words[node], (left, y), WORD, node, "start")
        sheet.text(sheet.nodes, sheet.labels[node], (left + sheet.word_widths[node], y), LABEL, anchor="start")
        width = max(width, left + sheet.word_widths[node] + sheet.label_widths[node])
    return sheet.picture(width, row * len(order))
