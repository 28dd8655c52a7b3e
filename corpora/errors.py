"""What can be wrong with the files of a corpus and with their download."""

from pathlib import Path

from parsers.errors import InputError


class CorpusError(InputError):
    """A malformed file; the message is one line with file, line and column, both counted from 1."""


class DownloadError(InputError):
    """A failed download; the message is one line with the address or file, the reason and what to do."""


def error_at(path: str | Path, line: int, column: int, problem: str) -> CorpusError:
    """A `CorpusError` that names the place of the problem."""
    return CorpusError(f"{path}, line {line}, column {column}: {problem}")


def quoted(text: str) -> str:
    """``text`` in quotes, shortened to fit a message."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
