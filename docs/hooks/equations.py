"""Equations in the notation of the docstrings, as MathML; browsers draw it themselves, without scripts or fonts.

A line has columns that are apart by three blanks or more; each is an equation, or a remark in words:

    c = i ⊙ g + Σ_k f_k ⊙ c_k        h_t = o_t ⊙ tanh(c_t)        t = 1..T
"""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

FUNCTIONS = {"tanh", "softmax", "log", "exp", "max", "diag", "Bernoulli", "relu", "layernorm"}
TOKEN = re.compile(
    r"(?P<blank>\s+)|(?P<dots>\.\.\.?)|(?P<number>\d+(?:\.\d+)?)|(?P<sum>Σ)|(?P<power>[²³])"
    r"|(?P<name>(?:[^\W\d_][\u0300-\u036f]*)+)|(?P<script>[_^])|(?P<mark>.)"
)
SCRIPT = re.compile(r"(?:[^\W²³]|\*)+(?:,\w+)*(?:[+-]\d+)?")
BRACKETS = {"(": ")", "[": "]"}
MARKS = {"-": "−", "~": "∼", "*": "∗"}


def fence(source: str, *_: Any, **__: Any) -> str:
    """Format a code block of the language ``equations``, for pymdownx.superfences."""
    rows = "".join(f"<mtr>{''.join(map(cell, columns(line)))}</mtr>" for line in source.splitlines() if line.strip())
    return f'<div class="equations"><math display="block"><mtable>{rows}</mtable></math></div>'


def inline(source: str, *_: Any) -> str:
    """Format a piece of a line, for pymdownx.inlinehilite."""
    return f"<math>{mathml(source)}</math>"


def columns(line: str) -> list[str]:
    """Split a line where it has three blanks or more; blanks before an equals sign align it with other lines."""
    aligned = re.sub(r"(\S) {2,}= ", r"\1 = ", line.strip())
    return re.split(r" {3,}", aligned)


def cell(column: str) -> str:
    """Format a column: an equation, or a remark in which names with an index are mathematics."""
    if not is_remark(column):
        return f"<mtd>{mathml(column)}</mtd>"
    words = (mathml(word) if re.fullmatch(r"\w+_\w{1,2}", word) else escape(word) for word in column.split(" "))
    pieces = (piece if piece.startswith("<") else f"<mtext>{piece}</mtext>" for piece in words)
    return f'<mtd class="remark">{"<mtext>&#160;</mtext>".join(pieces)}</mtd>'


def is_remark(column: str) -> bool:
    """Test if a column has words and no relation."""
    words = re.findall(r"(?<![\w^])[A-Za-z]{2,}", column)
    return not re.search(r" [=~] |^[+−-] ", column) and any(word not in FUNCTIONS for word in words)


def mathml(source: str) -> str:
    """Format an equation as MathML elements."""
    elements: list[str] = []
    apart = False
    for kind, text in parts(source):
        if kind == "blank":
            apart = bool(elements)
            continue
        if kind in ("sub", "super", "power"):
            elements[-1] = scripted(elements[-1], kind, text)
        else:
            if apart and kind in ("name", "number", "sum", "open") and not elements[-1].startswith("<mo>"):
                elements.append('<mspace width="0.2em"/>')  # a product
            elements.append(element(kind, text))
        apart = False
    return f"<mrow>{''.join(elements)}</mrow>"


def scripted(base: str, kind: str, text: str) -> str:
    """Put an index or an exponent at an element, below a sum and beside anything else."""
    script = f"<mn>{'2' if text == '²' else '3'}</mn>" if kind == "power" else mathml(text)
    if kind == "sub" and not text:
        return f'<munder>{base}<mo stretchy="true">_</mo></munder>'
    if "∑" in base:
        return f"<munder>{base}{script}</munder>"
    if kind != "sub" and base.startswith("<msub>"):
        return f"<msubsup>{base[6:-7]}{script}</msubsup>"
    return f"<msub>{base}{script}</msub>" if kind == "sub" else f"<msup>{base}{script}</msup>"


def element(kind: str, text: str) -> str:
    """Format a name, a number or a mark."""
    if kind == "name":
        return f"<mi>{escape(text)}</mi>"
    if kind == "number":
        return f"<mn>{text}</mn>"
    if kind == "sum":
        return "<mo>∑</mo>"
    if kind in ("open", "close"):
        return f'<mo form="{"prefix" if kind == "open" else "postfix"}" stretchy="false">{text}</mo>'
    return "<mo>…</mo>" if kind == "dots" else f"<mo>{escape(MARKS.get(text, text))}</mo>"


def parts(source: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each part of an equation; of an index or exponent, what it holds."""
    at = 0
    while at < len(source):
        found = TOKEN.match(source, at)
        assert found, "a mark is any character"
        at, kind, text = found.end(), str(found.lastgroup), found[0]
        if kind == "script":
            script = script_at(source, at)
            at += len(script)
            inner = script[1:-1] if text == "_" and script[:1] == "(" else script
            yield ("sub" if text == "_" else "super"), inner
        elif kind == "mark" and text in "([{|":
            yield "open", text
        elif kind == "mark" and text in ")]}":
            yield "close", text
        else:
            yield kind, text


def script_at(source: str, at: int) -> str:
    """Return the index or exponent that begins at a place: in brackets, or a word."""
    if source[at : at + 1] not in BRACKETS:
        found = SCRIPT.match(source, at)
        return found[0] if found else ""
    depth = 0
    for end in range(at, len(source)):
        depth += (source[end] in "([") - (source[end] in ")]")
        if depth == 0:
            return source[at : end + 1]
    return source[at:]
