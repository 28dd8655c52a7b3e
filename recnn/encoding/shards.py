"""Shards: Parquet files of the rows of consecutive records, each written beside its name and renamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from corpora.locks import locked
from corpora.parts import sweep
from corpora.text import replacing
from parsers import Parser
from parsers.errors import InputError
from recnn.data.workers import Each, LostWorkError, Work
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import CorpusFile
from recnn.encoding.places import Mark
from recnn.encoding.records import Record, count_records, read_records
from recnn.encoding.rows import RowEncoder, RowSettings

Engine: TypeAlias = Callable[[Callable[[], Work]], AbstractContextManager[Each]]
"""Where pieces of work are done, see `recnn.data.workers.workers`."""

_MANIFEST = "_manifest.json"  # readers of a folder of Parquet files leave out names that begin so
_FORMAT = 1
_PIECE = 1024  # records: some seconds of work, and a row group
_CHARACTERS = 1 << 20  # of a piece, so that long records do not need more memory


@dataclass(frozen=True)
class EncodingJob:
    """What is encoded and how; two jobs that are equal have the same shards."""

    files: Sequence[CorpusFile]
    columns: RecordColumns
    rows: RowSettings
    shard_size: int

    def described(self) -> dict[str, Any]:
        """Return the job as JSON values, with a digest of the model and of the parser.

        Raises:
            InputError: there is no such model or parser.
        """
        encoder = RowEncoder(self.rows)
        _ = encoder.parser  # so that an error in its name comes before the work
        return {
            "format": _FORMAT,
            "files": [asdict(file) for file in self.files],
            "columns": self.columns._asdict(),
            "version": version("recnn"),  # another one may have other parsers
            "rows": {**asdict(self.rows), "model": None, "parser": _digest_of(encoder.parser_name)},
            "model": _digest_of(self.rows.folder()),
            "shard_size": self.shard_size,
        }


class Manifest(NamedTuple):
    """The shards of a job."""

    records: int
    marks: list[Mark]
    """Where the records of each shard begin."""


class ShardRows(NamedTuple):
    """Rows that were written, or that were in a shard before."""

    number: int
    errors: int
    messages: Sequence[str] = ()
    """The errors, if they were written now."""
    before: bool = False
    """They were there before."""


def encode_shards(
    job: EncodingJob, folder: Path, engine: Engine, share: tuple[int, int] = (1, 1)
) -> tuple[int, Generator[ShardRows]]:
    """Write the shards of a job that a folder does not have.

    Args:
        job: what is encoded.
        folder: folder of the shards, which is made.
        engine: where it is done.
        share: ``(i, n)`` for the i-th of n shares of the shards; a share is a part of the corpus without gaps.

    Returns:
        The number of rows of the share; and an iterator that writes the shards, and yields what it has written.

    Raises:
        InputError: there is no such model or parser, the folder is of another job, a file of the corpus is broken, or
            there are no records.
        OSError: a file cannot be read or written.
    """
    manifest = _claimed(job, folder)
    writer = _Writer(job, folder, manifest)
    first, end = ((share[0] - 1 + one) * len(manifest.marks) // share[1] for one in (0, 1))
    mine = range(first, end)
    return sum(map(writer.size, mine)), writer.write(mine, engine)


def shard_name(index: int, number: int) -> str:
    """Return the name of a shard.

    >>> shard_name(0, 128)
    'part-00000-of-00128.parquet'
    """
    return f"part-{index:05d}-of-{number:05d}.parquet"


def _claimed(job: EncodingJob, folder: Path) -> Manifest:
    """Return the shards of a job; those of another job must not be in the folder."""
    described = json.loads(json.dumps(job.described()))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _MANIFEST
    with locked(folder, wait=True):  # one process counts the records, for all shares
        sweep(file)
        if not file.exists():
            if others := sorted(name for name in os.listdir(folder) if not name.startswith(".")):
                raise InputError(f"{folder}: expected a new or empty folder; there is {others[0]!r}")
            records, marks = count_records(job.files, job.columns, job.shard_size)
            if not records:
                raise InputError(f"{', '.join(one.path for one in job.files)}: no records")
            found = {"job": described, "records": records, "shards": marks}
            with replacing(file) as part:
                part.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        try:
            found = json.loads(file.read_text("utf-8"))
            manifest = Manifest(found["records"], [Mark(*mark) for mark in found["shards"]])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: not a manifest of `recnn encode-corpus`: {error}") from None
    if found["job"] != described:
        raise InputError(
            f"{folder}: begun with {_difference(described, found['job'])}: remove the folder, or choose another"
        )
    return manifest


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Describe the first setting that two jobs do not have in common."""
    name = next((name for name in ours if theirs.get(name) != ours[name]), "format")
    mine, other = ours[name], theirs.get(name)
    if isinstance(mine, dict) and isinstance(other, dict):
        return _difference(mine, other)
    if name == "files":
        return _difference_of_files(ours["files"], theirs["files"])
    if name in ("version", "format"):
        return f"another version of recnn ({theirs.get('version', 'older')})"
    return f"another --{'column' if name == 'text' else name.replace('_', '-')}"


def _difference_of_files(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> str:
    before = {file["path"]: file for file in theirs}
    for file in ours:
        if file["path"] not in before:
            return f"other files, without {file['path']}"
        if before.pop(file["path"]) != file:
            return f"another version of {file['path']}"
    return f"other files, with {min(before)}" if before else "the files in another order"


def _some(records: Iterator[Record], most: int) -> list[Record]:
    """Take the records of a piece of work, at most so many."""
    found, characters = [], 0
    for record in islice(records, min(most, _PIECE)):
        found.append(record)
        characters += 0 if isinstance(record.content, InputError) else len(record.content)
        if characters >= _CHARACTERS:
            break
    return found


class _Writer:
    """Writes shards of a job to a folder."""

    def __init__(self, job: EncodingJob, folder: Path, manifest: Manifest) -> None:
        self.job, self.folder, self.manifest = job, folder, manifest

    def size(self, shard: int) -> int:
        """Return the number of rows of a shard."""
        return min(self.job.shard_size, self.manifest.records - shard * self.job.shard_size)

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.folder / shard_name(shard, len(self.manifest.marks))

    def write(self, shards: Iterable[int], engine: Engine) -> Generator[ShardRows]:
        """Write some shards, unless they are complete already."""
        left: list[int] = []
        for shard in shards:
            errors = _errors_in(self.path(shard), self.size(shard))
            if errors is None:
                left.append(shard)
            else:
                yield ShardRows(self.size(shard), errors, before=True)
        if left:
            with engine(partial(RowEncoder, self.job.rows)) as each:
                tables = each(self._pieces(left))
                try:
                    for shard in left:
                        yield from self._write(shard, tables)
                except LostWorkError as error:
                    raise InputError(f"{_places(error.content)}{error}") from None

    def _pieces(self, shards: Iterable[int]) -> Iterator[list[Record]]:
        """Read the records of shards, some at a time."""
        following = None
        for shard in shards:
            if shard != following:  # to seek in a file in gzip is to decompress all that comes before
                first, mark = shard * self.job.shard_size, self.manifest.marks[shard]
                records = read_records(self.job.files, self.job.columns, mark, first)
            following, missing = shard + 1, self.size(shard)
            while some := _some(records, missing):
                yield some
                missing -= len(some)
            if missing:
                paths = ", ".join(file.path for file in self.job.files)
                raise InputError(f"{paths}: {missing} records less than before: has the input changed?")

    def _write(self, shard: int, tables: Iterator[Any]) -> Iterator[ShardRows]:
        """Write a shard, and yield the rows as soon as they are written."""
        from pyarrow import parquet

        size = self.size(shard)
        with replacing(self.path(shard)) as part, open(part, "wb") as file:
            table = next(tables)
            with parquet.ParquetWriter(file, table.schema, **_LAYOUT) as writer:
                while True:
                    writer.write_table(table)
                    messages = table.column("error").drop_null().to_pylist()
                    yield ShardRows(len(table), len(messages), messages)
                    size -= len(table)
                    if not size:
                        break
                    table = next(tables)


_LAYOUT = {"compression": "zstd", "use_dictionary": False, "write_statistics": ["id", "error"]}


def _places(records: Sequence[Record] | None) -> str:
    """Return the places of the records of a piece of work, as the beginning of an error message."""
    if not records:
        return ""
    first, last = records[0], records[-1]
    return first.place if first == last else f"{first.place.removesuffix(': ')} to {last.place}"


def _errors_in(path: Path, rows: int) -> int | None:
    """Return the number of errors in a shard; None if it is not complete."""
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.read_metadata(path)
    except (pyarrow.ArrowException, OSError):
        return None
    if found.num_rows != rows:
        return None
    # "error" is the last column.
    groups = [found.row_group(group) for group in range(found.num_row_groups)]
    return sum(int(group.num_rows - group.column(found.num_columns - 1).statistics.null_count) for group in groups)


def _digest_of(name: str | Parser) -> str | None:
    """Return a digest of a file, or of all files of a folder; other names as they are; None for a part of the model."""
    if not isinstance(name, str):
        return None
    if not os.path.exists(name):
        return name
    from recnn.models.folder import model_in

    path = model_in(name)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        with suppress(IsADirectoryError):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(path)}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
