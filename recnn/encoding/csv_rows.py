"""Rows of CSV, of which some may be wrong."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from corpora.text import LINE_LIMIT
from parsers.errors import InputError


class CsvRow(NamedTuple):
    """A row, or what is wrong with it."""

    offset: int
    line: int
    """Number of its first line, from 1."""
    fields: list[str] | InputError


def csv_rows(file: BinaryIO, delimiter: str, offset: int = 0, line: int = 1) -> Iterator[CsvRow]:
    """Read rows of CSV, which may have several lines.

    If a row is wrong, its first line is an error, and the next row is looked for in the next line: a quote that is
    never closed costs one line, not all that follow.

    Args:
        file: the file, at the beginning of a row.
        delimiter: what is between two fields.
        offset: number of bytes before the row.
        line: number of the line.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LINE_LIMIT))  # of this process; it is 131,072 at first
    again: deque[bytes] = deque()  # lines that have been read, to be read again
    read: list[bytes] = []  # lines of this row

    def lines() -> Iterator[str]:
        while raw := again.popleft() if again else file.readline(LINE_LIMIT):
            read.append(raw)
            yield raw.decode("utf-8", "surrogateescape")

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)  # it takes a line when it needs one
    while True:
        try:
            fields: list[str] | InputError = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = InputError(f"not CSV: {error}")
            again.extendleft(reversed(read[1:]))
            del read[1:]
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
        yield CsvRow(offset, line, fields)
        offset, line = offset + sum(map(len, read)), line + len(read)
        read.clear()
