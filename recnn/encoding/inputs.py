"""The files of a corpus: on this machine, compressed or not, or wherever pyarrow and fsspec can read."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, TypeAlias, cast, get_args

from parsers.errors import InputError

FileFormat: TypeAlias = Literal["text", "jsonl", "csv", "tsv", "parquet", "trees", "conllu"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
COLUMNS: tuple[FileFormat, ...] = ("jsonl", "csv", "tsv", "parquet")
"""Formats whose records have several columns."""
_SUFFIXES: dict[str, FileFormat] = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".mrg": "trees",
    ".ptb": "trees",
    ".trees": "trees",
    ".brackets": "trees",
    ".conllu": "conllu",
}


@dataclass(frozen=True)
class CorpusFile:
    """A file of a corpus."""

    path: str
    """Absolute path, or an address such as ``s3://bucket/name``."""
    format: FileFormat
    size: int
    modified: str
    """Time of the last change, or another mark of the version."""


def corpus_files(names: Sequence[str], format: FileFormat | None = None) -> list[CorpusFile]:
    """Find the files of a corpus.

    Args:
        names: paths or addresses of files; or folders of this machine, for all their files in the order of their names.
        format: format of all files; by default that of the end of their names.

    Raises:
        InputError: a name does not say the format, or there is no package that opens the address.
        OSError: there is no such file.
    """
    return [_file(path, format) for name in names for path in _paths(name)]


def _paths(name: str) -> list[str]:
    if _remote(name):
        return [name]
    path = Path(name).resolve()
    if not path.is_dir():
        return [str(path)]
    found = sorted(str(file) for file in path.iterdir() if file.is_file() and file.name[0] not in "._")
    if not found:
        raise InputError(f"{name}: a folder without files")
    return found


def _file(path: str, format: FileFormat | None) -> CorpusFile:
    name = PurePosixPath(path.removesuffix(".gz"))
    found = format or _SUFFIXES.get(name.suffix.lower())
    if found is None:
        raise InputError(f"{path}: the name does not say the format; choose a --format ({', '.join(FORMATS)})")
    if found == "parquet" and path.endswith(".gz"):
        raise InputError(f"{path}: a Parquet file in gzip cannot be read; decompress it")
    if _remote(path):
        return CorpusFile(path, found, *_remote_version(path))
    status = os.stat(path)
    if not os.path.isfile(path):
        raise InputError(f"{path}: not a regular file; it is read twice")
    return CorpusFile(path, found, status.st_size, str(status.st_mtime_ns))


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed if its name ends in ``.gz``; errors in it name the file.

    Raises:
        InputError: the file cannot be decompressed, or as in `corpus_files`.
        OSError: the file cannot be read.
    """
    with _remote_file(path) if _remote(path) else open(path, "rb") as file:
        if not path.endswith(".gz"):
            yield file
            return
        with gzip.open(file) as unpacked:
            try:
                yield cast(BinaryIO, unpacked)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InputError(f"{path}: not a gzip file that can be read to its end: {error}") from None


def _remote(name: str) -> bool:
    return "://" in name


def _remote_version(path: str) -> tuple[int, str]:
    with _named(path):
        system, place = _arrow_system(path)
        if system is not None:
            found = system.get_file_info(place)
            if not found.is_file:
                raise FileNotFoundError(2, "No such file", path)
            return found.size, str(found.mtime_ns)
        system, place = _fsspec_system(path)
        info = system.info(place)
        marks = (info.get(name) for name in ("ETag", "etag", "mtime", "LastModified", "created"))
        return info["size"], str(next((mark for mark in marks if mark is not None), ""))


@contextmanager
def _remote_file(path: str) -> Iterator[BinaryIO]:
    with _named(path):
        system, place = _arrow_system(path)
        if system is None:
            system, place = _fsspec_system(path)
            file = system.open(place, "rb")
        else:
            file = io.BufferedReader(system.open_input_file(place), 1 << 20)
    with file:
        yield file


def _arrow_system(path: str) -> tuple[Any, str]:
    """Return the file system of pyarrow for an address, or None, and the path in it."""
    import pyarrow
    from pyarrow import fs

    try:
        system, place = fs.FileSystem.from_uri(path)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, ImportError):
        return None, path
    return system, place


def _fsspec_system(path: str) -> tuple[Any, str]:
    try:
        import fsspec

        system, place = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise InputError(f"{path}: no package is installed that opens this address: {error}") from None
    return system, place


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Let the errors of a file system that is not of this machine name the file, in one line."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.strerror is not None:
            error.filename = path
            raise
        text = " ".join(str(error).split())
        raise InputError(f"{path}: {'no such file' if isinstance(error, FileNotFoundError) else text}") from None
