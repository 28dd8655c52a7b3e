"""Pictures of trees in layers: words on one line and phrases above them, or sideways with a leaf a line."""

from __future__ import annotations

from itertools import accumulate

from recnn.draw.drawing import Drawing
from recnn.draw.layout import levels, preorder, spread
from recnn.draw.marks import LINE
from recnn.draw.pictures import Picture
from recnn.draw.sheet import Sheet

_GAP = 10.0  # between neighbouring subtrees
_BEND = 26.0  # between levels, where the edges are curved


def upright(drawing: Drawing) -> Picture:
    """Draw a tree with the root at the top; if only the leaves have words, these are on one line."""
    sheet, aligned = Sheet(drawing), drawing.words_are_leaves
    level = levels(drawing.children, aligned)
    widths = [max(pair) for pair in zip(sheet.label_widths, sheet.word_widths, strict=True)]
    x = spread(drawing.children, widths, _GAP)
    label_line, word_line = ([0.0] * (max(level) + 1) for _ in range(2))  # heights of the two lines of each row
    for node, row in enumerate(level):
        label_line[row] = LINE if sheet.labels[node] else label_line[row]
        word_line[row] = LINE if sheet.words[node] else word_line[row]
    heights = [sum(lines) for lines in zip(label_line, word_line, strict=True)]
    tops = list(accumulate((height + _BEND for height in heights), initial=0.0))
    for node in preorder(drawing.children):
        row = level[node]
        bottom = tops[row] + label_line[row] + (LINE if sheet.words[node] else 0)
        bend = tops[row + 1]
        middle = (bottom + bend) / 2
        for child in drawing.children[node]:
            top = tops[level[child]] + (0 if sheet.labels[child] else label_line[level[child]])
            curve = f"M{x[node]:.1f} {bottom:.1f}C{x[node]:.1f} {middle:.1f} {x[child]:.1f} {middle:.1f}"
            sheet.edge(child, f"{curve} {x[child]:.1f} {bend:.1f}" + (f"V{top:.1f}" if top > bend else ""))
        beneath = tops[row] + label_line[row] + LINE / 2
        sheet.node(node, (x[node], tops[row] + label_line[row] / 2), (x[node], beneath))
    width = max(place + width / 2 for place, width in zip(x, widths, strict=True))
    return sheet.picture(width, tops[-1] - _BEND)


def sideways(drawing: Drawing) -> Picture:
    """Draw a tree with the root at the left and a leaf a line; if only the leaves have words, these are in a column."""
    sheet, aligned = Sheet(drawing), drawing.words_are_leaves
    level = levels(drawing.children, aligned)
    y = spread(drawing.children, [LINE] * len(level), LINE / 5)
    labels, columns = ([0.0] * (max(level) + 1) for _ in range(2))  # widths of the labels, and with the words
    for node, column in enumerate(level):
        labels[column] = max(labels[column], sheet.label_widths[node])
    before = [labels[column] if aligned else sheet.label_widths[node] for node, column in enumerate(level)]
    for node, column in enumerate(level):
        if drawing.children[node] or aligned:  # else nothing is to the right of the node
            columns[column] = max(columns[column], before[node] + sheet.word_widths[node])
    lefts = list(accumulate((width + _BEND for width in columns), initial=0.0))
    right = 0.0
    for node in preorder(drawing.children):
        column = level[node]
        left = lefts[column]
        right = max(right, left + before[node] + sheet.word_widths[node])
        start, bend = left + columns[column], lefts[column + 1]
        middle = (start + bend) / 2
        for child in drawing.children[node]:
            own = left + sheet.label_widths[node] + sheet.word_widths[node]
            to = lefts[level[child]] + (labels[level[child]] if aligned and not sheet.labels[child] else 0)
            curve = f"M{own:.1f} {y[node]:.1f}H{start:.1f}C{middle:.1f} {y[node]:.1f} {middle:.1f}"
            sheet.edge(child, f"{curve} {y[child]:.1f} {bend:.1f} {y[child]:.1f}" + (f"H{to:.1f}" if to > bend else ""))
        sheet.node(node, (left, y[node]), (left + before[node], y[node]), "start")
    return sheet.picture(right, max(y) + LINE / 2)
