"""Standard output and standard error that take any text: on a terminal, and in any encoding."""

import codecs
import io
import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from parsers.printing import code, printable, printable_json

_ASCII = dict(zip("─━│┌┐└┘├┤┬┴┼╭╮╰╯→↑…", "--|+++++++++++++>^.", strict=True))


def _legible(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(c) or code(c) for c in error.object[error.start : error.end]), error.end


codecs.register_error("recnn.legible", _legible)


def take_any_text() -> None:
    r"""Let standard output and standard error take characters that their encoding lacks.

    Lines of drawings become ``-``, ``|`` and ``+``, other characters ``\xhh``, ``\uhhhh`` or ``\Uhhhhhhhh``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="recnn.legible")


class PlainConsole(Console):
    """Console without markup and line breaks of its own, which escapes control characters in what it prints."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; line feeds and tabs of strings are kept."""
        safe = (printable(found, keep="\n\t") if isinstance(found, str) else found for found in objects)
        super().print(*safe, **options)


def cell(text: str, style: str = "") -> Text:
    """A piece of text for tables and drawings, on one line and without control characters."""
    return Text(printable(text), style)


def json_line(record: Any) -> str:
    """Return a JSON value as one line that is safe to print."""
    return printable_json(json.dumps(record, ensure_ascii=False))


def print_json(record: Any) -> None:
    """Print a JSON value on one line; characters that standard output cannot show are escaped."""
    text = json_line(record)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(record)
    print(text)
