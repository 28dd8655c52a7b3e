"""The records of a file: its lines, rows or trees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

from corpora.errors import quoted
from parsers.errors import InputError
from recnn.encoding.csv_rows import csv_rows
from recnn.encoding.inputs import CorpusFile, opened
from recnn.encoding.places import FoundRecord, Mark, NumberedLine, numbered_lines
from recnn.encoding.trees import conllu_from_lines, trees_from_lines

_ROWS = 1024  # of a Parquet file that are in memory at once


class RecordColumns(NamedTuple):
    """What the records of files with several columns hold."""

    text: str = "text"
    """Column of the sentences."""
    id: str | None = None
    """Column of the names of records; None for numbers."""
    trees: bool = False
    """The column of the sentences has trees in brackets."""


def records_of(file: CorpusFile, columns: RecordColumns, mark: Mark) -> Iterator[FoundRecord]:
    """Read the records of a file from a place on, without `Mark.skip`; see `recnn.encoding.records`."""
    with opened(file.path) as source:
        if file.format == "parquet":
            yield from _from_parquet(source, file.path, columns, mark.offset)
        elif file.format in ("csv", "tsv"):
            yield from _from_csv(source, file.path, columns, mark, "," if file.format == "csv" else "\t")
        else:
            source.seek(mark.offset)
            lines = numbered_lines(source, mark)
            if file.format == "jsonl":
                yield from _from_json(lines, columns)
            elif file.format == "trees":
                yield from trees_from_lines(lines)
            elif file.format == "conllu":
                yield from conllu_from_lines(lines)
            else:
                yield from (FoundRecord(line.offset, line.number, _stripped(line.text)) for line in lines)


def _stripped(text: str | InputError) -> str | InputError:
    return text.strip() if isinstance(text, str) else text


def _from_json(lines: Iterable[NumberedLine], columns: RecordColumns) -> Iterator[FoundRecord]:
    for line in lines:
        if isinstance(line.text, InputError):
            yield FoundRecord(line.offset, line.number, line.text)
        elif line.text.strip():
            yield FoundRecord(line.offset, line.number, *_json_values(line.text, columns))


def _json_values(text: str, columns: RecordColumns) -> tuple[str | InputError, int, str | None]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return InputError(f"not JSON: {error}"), 0, None
    if not isinstance(record, dict):
        return InputError(f"expected a JSON object, got {type(record).__name__}"), 0, None
    name = None if columns.id is None else _name(record.get(columns.id))
    if columns.text not in record:
        there = ", ".join(map(str, list(record)[:10]))
        return InputError(f"no column {columns.text!r}; columns there: {there}"), 0, name
    return content_of(record[columns.text], columns), 0, name


def content_of(value: Any, columns: RecordColumns) -> str | InputError:
    """Return the sentence in a value of the column of sentences; or what is wrong with it."""
    if not isinstance(value, str):
        found = "null" if value is None else f"{type(value).__name__} {quoted(str(value))}"
        return InputError(f"column {columns.text!r}: expected a string, got {found}")
    return value.strip() if _valid(value) else InputError(f"column {columns.text!r}: not UTF-8 text")


def _valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(value: Any) -> str | None:
    return None if value is None or not _valid(str(value)) else str(value)


def _from_csv(file: BinaryIO, path: str, columns: RecordColumns, mark: Mark, delimiter: str) -> Iterator[FoundRecord]:
    """Read rows after the first one, which has the names of the columns; a row may have several lines."""
    rows = csv_rows(file, delimiter)
    _, _, header = next(rows, (0, 1, []))
    if isinstance(header, InputError):
        raise InputError(f"{path}, line 1: {header}")
    if header:
        header[0] = header[0].removeprefix("\ufeff")
    text, name = _positions(path, columns, header)
    if mark.offset:
        file.seek(mark.offset)
        rows = csv_rows(file, delimiter, mark.offset, mark.line)
    for begin, line, row in rows:
        if isinstance(row, InputError):
            yield FoundRecord(begin, line, row)
        elif row and len(row) != len(header):
            yield FoundRecord(begin, line, InputError(f"expected {len(header)} columns, found {len(row)}"))
        elif row:
            yield FoundRecord(
                begin, line, content_of(row[text], columns), 0, None if name is None else _name(row[name])
            )


def _positions(path: str, columns: RecordColumns, there: Sequence[str]) -> tuple[int, int | None]:
    """Return the positions of the columns of sentences and of names."""
    try:
        for name in [columns.text] if columns.id is None else [columns.text, columns.id]:
            check_column(name, there)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return there.index(columns.text), None if columns.id is None else there.index(columns.id)


def check_column(name: str, there: Sequence[Any]) -> None:
    """Raise an error if there is not one column of a name."""
    if name not in there:
        raise InputError(f"no column {name!r}; columns there: {', '.join(map(str, there[:10])) or 'none'}")
    if list(there).count(name) > 1:
        raise InputError(f"{list(there).count(name)} columns {name!r}")


@contextmanager
def _parquet(file: BinaryIO, path: str, columns: RecordColumns) -> Iterator[Any]:
    """Yield a Parquet file with the columns that are needed."""
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.ParquetFile(file, buffer_size=1 << 20)
        _positions(path, columns, found.schema_arrow.names)
        yield found
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise InputError(f"{path}: not a Parquet file that can be read: {' '.join(str(error).split())}") from None


def parquet_rows(file: CorpusFile, columns: RecordColumns) -> int:
    """Return the number of rows of a Parquet file."""
    with opened(file.path) as source, _parquet(source, file.path, columns) as found:
        return int(found.metadata.num_rows)


def _from_parquet(file: BinaryIO, path: str, columns: RecordColumns, start: int) -> Iterator[FoundRecord]:
    names = [columns.text] if columns.id in (None, columns.text) else [columns.text, columns.id]
    with _parquet(file, path, columns) as found:
        group = row = 0
        while group < found.num_row_groups and row + (rows := found.metadata.row_group(group).num_rows) <= start:
            group, row = group + 1, row + rows
        for batch in found.iter_batches(_ROWS, row_groups=range(group, found.num_row_groups), columns=names):
            values = [column_values(batch.column(name)) for name in names]
            for each in zip(*values, strict=True):
                if row >= start:
                    name = None if columns.id is None else _name(each[-1])
                    yield FoundRecord(row, row + 1, content_of(each[0], columns), 0, name)
                row += 1


def column_values(column: Any) -> list[Any]:
    """Return the values of a column of Arrow; what is not UTF-8 as a string that `content_of` refuses."""
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return "\udcff"
    except (ValueError, OverflowError):  # a date after the year 9999
        return scalar.cast("string").as_py()
