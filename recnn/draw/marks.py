"""Marks in SVG: texts, coloured fields, legends; colours are named by classes, see `recnn.draw.colours.palette`."""

from __future__ import annotations

import unicodedata
from xml.etree.ElementTree import Element, SubElement

from parsers.printing import printable
from recnn.draw.colours import step_of
from recnn.draw.drawing import ColourScale

LABEL, WORD = 12, 14
"""Sizes of the letters of labels and words."""
LINE = 20.0
"""Height of a line."""
MARGIN = 16.0
PADDING = 10.0
"""Of a text in a coloured field, together."""
_LONGEST = 40  # letters
# Widths of letters in DejaVu Sans, the widest of the usual fonts without serifs, in parts of the size.
_WIDTHS = {
    letter: width
    for width, letters in (
        (0.34, " .,|'ijl"),
        (0.42, "-`/\\()[]frtIJ!:;"),
        (0.56, 'csz"*_?'),
        (0.64, "EFLPSTYZ"),
        (0.84, "<>=+~#^&w"),
        (1.0, "mMW@%—…"),
    )
    for letter in letters
}


def mark(parent: Element, tag: str, names: str = "", note: str = "", **attributes: float | str) -> Element:
    """Add an element.

    Args:
        parent: element around it.
        tag: its name in SVG.
        names: classes of its colours.
        note: text that is shown when the pointer is over it.
        attributes: attributes; "_" in a name is "-".
    """
    made = SubElement(parent, tag, {"class": names} if names else {})
    for name, value in attributes.items():
        made.set(name.replace("_", "-"), value if isinstance(value, str) else digits(value))
    if note:
        SubElement(made, "title").text = printable(note, keep="\n")
    return made


def write(
    parent: Element, text: str, x: float, y: float, names: str = "word", size: float = WORD, anchor: str = "middle"
) -> None:
    """Write a line of text, with its middle at the height y."""
    made = mark(parent, "text", names, x=x, y=y + 0.35 * size, font_size=size, text_anchor=anchor)
    made.text = text


def field(parent: Element, text: str, x: float, y: float, step: int, size: float = LABEL) -> None:
    """Write a text in the middle of a field in a colour of the scale."""
    width = field_width(text, size)
    mark(parent, "rect", f"step{step}", x=x - width / 2, y=y - LINE / 2, width=width, height=LINE, rx=LINE / 2)
    write(parent, text, x, y, f"on{step}", size)


def legend(parent: Element, scale: ColourScale, y: float) -> float:
    """Draw the colours of a scale with the texts at its ends; returns the width."""
    low, high = map(shown, scale.ends or (f"{scale.low:.3g}", f"{scale.high:.3g}"))
    name = f"{shown(scale.name)}:"
    write(parent, name, 0, y, "label", LABEL, "start")
    place = text_width(name, LABEL) + text_width(low, LABEL) + 12
    write(parent, low, place - 6, y, "label", LABEL, "end")
    for step in range(step_of(scale.low, scale.bound), step_of(scale.high, scale.bound) + 1):
        mark(parent, "rect", f"step{step}", x=place, y=y - 5, width=14.5, height=10)
        place += 14
    write(parent, high, place + 6, y, "label", LABEL, "start")
    return place + 6 + text_width(high, LABEL)


def field_width(text: str, size: float) -> float:
    """Width of the coloured field of a text."""
    return max(LINE, text_width(text, size) + PADDING)


def shown(text: object) -> str:
    """A label or word as it is drawn: without control characters, the middle left out if it is long."""
    text = printable("" if text is None else str(text))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[1 - _LONGEST // 2 :]}"


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text; in most fonts it is a little less."""
    width = 0.0
    for letter in text:
        if unicodedata.east_asian_width(letter) in "WF":
            width += 1.0
        elif not unicodedata.combining(letter):
            width += _WIDTHS.get(letter, 0.79 if letter.isupper() else 0.64)
    return size * width


def digits(value: float) -> str:
    """A length in pixels."""
    return f"{value:.1f}".removesuffix(".0")
