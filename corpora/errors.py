"""Exceptions for malformed corpus files and failed downloads."""

from pathlib import Path

from parsers.errors import InputError
from parsers.printing import printable


class CorpusError(InputError):
    """A malformed file; the message is one line with the file, and the line and column, counted from 1."""


class DownloadError(InputError):
    """A failed download; the message is one line with the address or file, the reason and a remedy."""


def error_at(path: str | Path, line: int, column: int, problem: str) -> CorpusError:
    """Make a `CorpusError` whose message begins with the file, line and column of the problem."""
    return CorpusError(printable(f"{path}, line {line}, column {column}: {problem}"))


def quoted(text: str) -> str:
    """Quote ``text`` for an error message, shortened to 40 characters."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
