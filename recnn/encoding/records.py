"""The records of a corpus: sentences or trees, one after the other, and where each shard of them begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from parsers.errors import InputError
from recnn.encoding.formats import RecordColumns, parquet_rows, records_of
from recnn.encoding.inputs import CorpusFile, FileFormat
from recnn.encoding.places import Mark

Notation: TypeAlias = Literal["text", "trees", "conllu"]
"""What a record holds: a sentence, a tree in brackets, or a dependency tree in CoNLL-U."""


class Record(NamedTuple):
    """A record of a corpus."""

    id: int | str | None
    """Its number in the corpus from 0; or its name, if there is a column of names, in which it may have none."""
    notation: Notation
    content: str | InputError
    """A sentence, or lines with a tree; or what is wrong."""
    path: str = ""
    line: int = 1
    """Number of its first line, or row, from 1."""
    unit: Literal["line", "row"] = "line"

    @property
    def place(self) -> str:
        """Beginning of its error messages."""
        where = f"{self.unit} {self.line}: "
        return f"{self.path}, {where}" if self.path else where


def read_records(
    files: Sequence[CorpusFile], columns: RecordColumns, start: Mark | None = None, number: int = 0
) -> Iterator[Record]:
    """Read the records of a corpus, one by one.

    A record that is wrong has an error in place of its content, and the next one follows.

    Args:
        files: the files.
        columns: columns of formats that have several.
        start: where to begin; by default, at the first record.
        number: number of the record there.

    Raises:
        InputError: a file is broken, or has no such column.
        OSError: a file cannot be read.
    """
    start = Mark() if start is None else start
    for index in range(start.file, len(files)):
        file = files[index]
        mark = start if index == start.file else Mark(index)
        unit: Literal["line", "row"] = "row" if file.format == "parquet" else "line"
        notation = _notation(file.format, columns)
        for found in islice(records_of(file, columns, mark), mark.skip, None):
            name = number if columns.id is None else found.name
            yield Record(name, notation, found.content, file.path, found.line, unit)
            number += 1


def count_records(files: Sequence[CorpusFile], columns: RecordColumns, every: int) -> tuple[int, list[Mark]]:
    """Count the records of a corpus; raises the errors of `read_records`.

    Returns:
        The number of records, and the places of the first one and of each that follows after ``every`` records.
    """
    number, marks = 0, []
    for index, file in enumerate(files):
        if file.format == "parquet":
            rows = parquet_rows(file, columns)
            marks += [Mark(index, row) for row in range(-number % every, rows, every)]
            number += rows
            continue
        for found in records_of(file, columns, Mark(index)):
            if number % every == 0:
                marks.append(Mark(index, found.offset, found.line - found.after, found.skip))
            number += 1
    return number, marks


def _notation(format: FileFormat, columns: RecordColumns) -> Notation:
    if format in ("trees", "conllu"):
        return "trees" if format == "trees" else "conllu"
    return "trees" if columns.trees else "text"
