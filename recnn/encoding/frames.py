"""Trees and vectors of the sentences of a data frame or an Arrow table, for engines that work on batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from recnn.encoding.formats import RecordColumns, check_column, column_values, content_of
from recnn.encoding.records import Record
from recnn.encoding.rows import RowEncoder, RowSettings
from recnn.errors import missing_extra

Batch = TypeVar("Batch")


def encode_batch(
    batch: Batch,
    model: str | Path | None = None,
    parser: str | None = None,
    column: str = "text",
    *,
    tokens: bool = False,
    nodes: bool = False,
) -> Batch:
    """Add the trees and vectors of sentences to a data frame or table, as ``recnn encode-corpus`` computes them.

    It is a function over batches for Spark's ``mapInPandas``, Dask's ``map_partitions`` and the like. The model and the
    parser are loaded once in each process.

    Args:
        batch: a pandas.DataFrame, pyarrow.Table or pyarrow.RecordBatch.
        model: folder of a model, or of a training run; by default a small model of sentiment.
        parser: parser of the sentences, see `parsers.load`; by default that of the model.
        column: column of the sentences.
        tokens: split sentences at blanks only.
        nodes: add the vectors of all nodes, too.

    Returns:
        The same kind of object with all columns of ``batch``, and the columns ``tree``, in brackets, ``vector``, with
        ``nodes`` also ``nodes``, breadth first from the root, and ``error``: what is wrong with a sentence that has
        no tree and no vector, else null. They replace columns of these names.

    Raises:
        InputError: there is no such column, model or parser.
        TypeError: ``batch`` is of another kind.

    >>> import pyarrow
    >>> found = encode_batch(pyarrow.table({"text": ["a fine film", None]}), parser="balanced")
    >>> found.column_names, found.column("error").to_pylist()
    (['text', 'tree', 'vector', 'error'], [None, "row 2: column 'text': expected a string, got null"])
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise missing_extra(error, "corpus") from None
    encoder = _encoder(RowSettings(None if model is None else str(model), parser, tokens, nodes))
    if isinstance(batch, pyarrow.Table | pyarrow.RecordBatch):
        check_column(column, batch.schema.names)
        found = _rows(encoder, column_values(batch.column(column)), column)
        table = pyarrow.table(batch) if isinstance(batch, pyarrow.Table) else pyarrow.Table.from_batches([batch])
        table = table.drop_columns([name for name in found.column_names if name in table.column_names])
        for name in found.column_names:
            table = table.append_column(found.schema.field(name), found.column(name))
        same: Any = table if isinstance(batch, pyarrow.Table) else _one_batch(table)
        return same  # type: ignore[no-any-return]
    if hasattr(batch, "assign") and hasattr(batch, "columns"):
        check_column(column, list(batch.columns))
        given = batch[column]  # type: ignore[index]
        values = [None if null else value for value, null in zip(given.tolist(), given.isna(), strict=True)]
        found = _rows(encoder, values, column)
        series = {name: found.column(name).to_pandas().to_numpy() for name in found.column_names}
        return batch.assign(**series)  # type: ignore[no-any-return]
    raise TypeError(f"expected a pandas.DataFrame, pyarrow.Table or pyarrow.RecordBatch, got {type(batch).__name__}")


@lru_cache(maxsize=4)
def _encoder(settings: RowSettings) -> RowEncoder:
    return RowEncoder(settings)


def _rows(encoder: RowEncoder, values: Sequence[Any], column: str) -> Any:
    columns = RecordColumns(column)
    records = [
        Record(number, "text", content_of(value, columns), line=number + 1, unit="row")
        for number, value in enumerate(values)
    ]
    return encoder(records).drop_columns(["id", "text"])


def _one_batch(table: Any) -> Any:
    import pyarrow

    arrays = [column.combine_chunks() for column in table.columns]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=table.schema)
