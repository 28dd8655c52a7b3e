"""A picture: marks in SVG in the colours of a theme, shown by notebooks and saved to files."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from corpora.text import replacing
from parsers.errors import InputError
from parsers.printing import printable
from recnn.draw.colours import Theme, palette
from recnn.draw.marks import digits
from recnn.errors import missing_extra

NUMBERS = ("data-node", "data-edge")
"""Attributes of marks, for `recnn serve`: number of a node, and of the node below an edge. SVG files have none."""
_LARGEST = 32_000.0  # pixels of a side of a PNG, a limit of cairo
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Picture:
    """A picture, which a notebook shows when it is the value of a cell.

    Attributes:
        marks: SVG elements; colours are named by classes.
        width: width in pixels.
        height: height in pixels.
        text: what the picture shows, for readers who do not see it.
    """

    marks: Element
    width: float
    height: float
    text: str = ""

    def svg(self, theme: Theme = "auto") -> str:
        """Return the picture as SVG.

        Args:
            theme: colours: "light", "dark", or "auto" for those that the reader's system prefers.
        """
        if theme not in get_args(Theme):
            raise InputError(f"expected a theme of auto, light or dark, got {theme!r}")
        base, marks = palette("dark" if theme == "dark" else "light"), deepcopy(self.marks)
        used: set[str] = {"paper"}
        for mark in marks.iter():
            for name in NUMBERS:
                mark.attrib.pop(name, None)
            names = mark.get("class", "").split()
            used.update(names)
            for name in names:
                for attribute, colour in base[name].items():
                    mark.set(attribute, colour)
            if theme == "auto" and names:
                mark.set("class", " ".join(f"recnn-{name}" for name in names))
            elif names:
                del mark.attrib["class"]
        root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "width": digits(self.width),
                "height": digits(self.height),
                "viewBox": f"0 0 {digits(self.width)} {digits(self.height)}",
                "class": f"recnn-{theme}",
                "font-family": _FONT,
                "role": "img",
                "aria-label": printable(self.text),
            },
        )
        paper = SubElement(root, "rect", {"width": "100%", "height": "100%", **base["paper"]})
        if theme == "auto":
            paper.set("class", "recnn-paper")
            rules = [
                f".recnn-auto .recnn-{name}{{{';'.join(f'{key}:{value}' for key, value in colours.items())}}}"
                for name, colours in palette("dark").items()
                if name in used
            ]
            style = Element("style")
            style.text = f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"
            root.insert(0, style)
        root.append(marks)
        return ElementTree.tostring(root, encoding="unicode") + "\n"

    def _repr_svg_(self) -> str:
        return self.svg()

    def html(self, theme: Theme = "auto") -> str:
        """Return the picture as an HTML page that needs no other file."""
        light, dark = (palette(name)["paper"]["fill"] for name in ("light", "dark"))
        page = f"body{{margin:1em;background:{dark if theme == 'dark' else light}}}svg{{max-width:100%;height:auto}}"
        if theme == "auto":
            page += f"@media (prefers-color-scheme:dark){{body{{background:{dark}}}}}"
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(printable(self.text))}</title>\n<style>{page}</style>\n{self.svg(theme)}</html>\n"
        )

    def save(self, path: str | Path, theme: Theme = "auto") -> None:
        """Write the picture to a file: .svg, .html, .png or .pdf, as its name ends.

        Args:
            path: the file.
            theme: as in `svg`; "auto" is "light" in PNG and PDF.

        Raises:
            InputError: the name ends otherwise, or PNG or PDF is asked for and cairosvg is not installed.
            OSError: the file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".svg":
            content = self.svg(theme).encode()
        elif suffix == ".html":
            content = self.html(theme).encode()
        elif suffix in (".png", ".pdf"):
            content = _converted(self.svg("light" if theme == "auto" else theme), suffix, max(self.width, self.height))
        else:
            raise InputError(f"{path}: expected a file name that ends in .svg, .html, .png or .pdf")
        with replacing(path) as part:
            part.write_bytes(content)


def _converted(svg: str, suffix: str, longest: float) -> bytes:
    """Convert SVG to PNG or PDF.

    Args:
        svg: the picture.
        suffix: ".png" or ".pdf".
        longest: its longer side.
    """
    try:
        import cairosvg
    except ModuleNotFoundError as error:
        raise missing_extra(error, "draw") from None
    except OSError as error:
        raise InputError(f"{suffix} files need the library cairo, which is not installed: {error}") from None
    convert = cairosvg.svg2png if suffix == ".png" else cairosvg.svg2pdf
    found: bytes = convert(svg.encode(), scale=min(2.0, _LARGEST / longest) if suffix == ".png" else 1.0)
    return found
