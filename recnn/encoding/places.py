"""Where a record of a file begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from corpora.text import decoded_lines
from parsers.errors import InputError


class Mark(NamedTuple):
    """A place between two records of a corpus."""

    file: int = 0
    """Index of the file."""
    offset: int = 0
    """Number of bytes before it, decompressed; of a Parquet file, number of rows."""
    line: int = 1
    """Number of the line that begins there, from 1."""
    skip: int = 0
    """Number of records from there that are before it."""


class FoundRecord(NamedTuple):
    """A record of a file, from a line or row on; ``offset``, ``line - after`` and ``skip`` are those of its `Mark`."""

    offset: int
    line: int
    content: str | InputError
    skip: int = 0
    name: str | None = None
    after: int = 0


class NumberedLine(NamedTuple):
    """A line, or what is wrong with it."""

    offset: int
    number: int
    text: str | InputError


def numbered_lines(file: BinaryIO, mark: Mark) -> Iterator[NumberedLine]:
    """Read the lines from a place on, where ``file`` is."""
    offset = mark.offset
    for number, size, text in decoded_lines(file, mark.line):
        yield NumberedLine(offset, number, text)
        offset += size
