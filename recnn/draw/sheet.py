"""The marks of one drawing: its edges, nodes and legend, in the colours of its values."""

from __future__ import annotations

from math import isnan
from xml.etree.ElementTree import Element

from recnn.draw.colours import step_of
from recnn.draw.drawing import Drawing, fitted
from recnn.draw.marks import (
    LABEL,
    MARGIN,
    PADDING,
    WORD,
    digits,
    field,
    field_width,
    legend,
    mark,
    shown,
    text_width,
    write,
)
from recnn.draw.pictures import Picture


class Sheet:
    """A sheet on which the nodes and edges of a drawing are put, edges below nodes.

    Attributes:
        labels: labels of the nodes as they are drawn.
        words: words of the nodes as they are drawn.
        label_widths: width of each label with its field, 0 without a label.
        word_widths: width of each word, 0 without a word.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.labels = [shown(label and label.replace("\n", " ")) for label in drawing.labels]
        self.words = [shown(word) for word in drawing.words]
        self.label_widths = [self._width(text, LABEL) for text in self.labels]
        self.word_widths = [self._width(text, WORD) for text in self.words]
        self.scale = fitted(drawing.values, drawing.scale)
        self._marks = Element("g", {"transform": f"translate({digits(MARGIN)} {digits(MARGIN)})"})
        self.edges, self.nodes = mark(self._marks, "g", "edge", fill="none"), mark(self._marks, "g")

    def _width(self, text: str, size: float) -> float:
        width = field_width(text, size) if self.drawing.values else text_width(text, size) + PADDING / 2
        return width if text else 0.0

    def edge(self, child: int, path: str, note: str = "", names: str = "") -> None:
        """Draw the edge from a node to its parent, as wide as its gate is open."""
        gate = self.drawing.gates[child] if self.drawing.gates else None
        width = 1.2 if gate is None else 0.6 + 4.4 * max(0.0, min(1.0, gate))
        notes = [note, "" if gate is None else f"gate {gate:.3f}"]
        mark(
            self.edges, "path", names, "\n".join(filter(None, notes)), d=path, stroke_width=width, data_edge=str(child)
        )

    def group(self, node: int) -> Element:
        """Return a group for the marks of a node, which shows its note, and its label and word where they are cut."""
        texts = [str(text) for text in (self.drawing.labels[node], self.drawing.words[node]) if text is not None]
        short = any("…" in text for text in (self.labels[node], self.words[node]))
        notes = ["\n".join(texts)] * short + list(self.drawing.notes[node : node + 1])
        return mark(self.nodes, "g", note="\n".join(notes), data_node=str(node))

    def node(
        self, node: int, label_at: tuple[float, float], word_at: tuple[float, float], anchor: str = "middle"
    ) -> None:
        """Write a node: its label, or without one its word, has the colour of its value; without both it is a dot."""
        group, label, word = self.group(node), self.labels[node], self.words[node]
        self.text(group, label, label_at, LABEL, node, anchor)
        self.text(group, word, word_at, WORD, None if label else node, anchor)
        if not (label or word):
            step = self.step(node)
            mark(group, "circle", "arrow" if step is None else f"step{step}", cx=label_at[0], cy=label_at[1], r=4)

    def text(
        self,
        group: Element,
        text: str,
        at: tuple[float, float],
        size: float,
        node: int | None = None,
        anchor: str = "middle",
    ) -> None:
        """Write a label or word, in the colour of the value of a node if one is given.

        Args:
            group: element around it.
            text: the text.
            at: its place: the middle, or, with the anchor "start", the middle of the left side.
            size: size of the letters.
            node: the node.
            anchor: "middle" or "start".
        """
        if not text:
            return
        x, y = at
        step = None if node is None else self.step(node)
        if step is not None:
            field(group, text, x + field_width(text, size) / 2 * (anchor == "start"), y, step, size)
        else:
            inset = PADDING / 4 * (anchor == "start")
            write(group, text, x + inset, y, "label" if size == LABEL else "word", size, anchor)

    def step(self, node: int) -> int | None:
        """Colour of a node, if it has a value."""
        value = self.drawing.values[node] if self.drawing.values else None
        return None if value is None or isnan(value) or not self.scale else step_of(value, self.scale.bound)

    def picture(self, width: float, height: float) -> Picture:
        """Finish the picture of this width and height: margins around it, and the legend below."""
        if self.scale is not None:
            width = max(width, legend(self._marks, self.scale, height + 20))
            height += 28
        words = " ".join(str(self.drawing.words[node]) for node in self.drawing.in_order())
        return Picture(self._marks, width + 2 * MARGIN, height + 2 * MARGIN, words)
