"""Reading of zip archives that nobody has vouched for: their errors, and a bound on what is unpacked."""

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_CHUNK = 1 << 16
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,  # UnicodeDecodeError, and a place before the beginning of the file
    OverflowError,
    RuntimeError,  # an encrypted file; NotImplementedError, an unknown compression
)


class ArchiveError(Exception):
    """An archive cannot be read, lacks a file, or has one that is too large; the message is one line without a path."""


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive.

    Raises:
        ArchiveError: the file is not a zip archive.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        with _broken():
            archive = zipfile.ZipFile(file)
        with archive:
            yield archive


def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Iterator[bytes]:
    """Read a file of an archive in pieces.

    Args:
        archive: the archive.
        info: the file's entry in it.
        limit: largest number of bytes of the unpacked file. No more is read than the archive states, so a file that
            is larger than stated is broken.

    Raises:
        ArchiveError: the file is broken, encrypted, compressed in an unknown way, or larger than ``limit``.
        OSError: the archive cannot be read.
    """
    name = info.filename if info.filename.isprintable() else repr(info.filename)
    if info.file_size > limit:
        raise ArchiveError(f"{name} has {info.file_size:,} bytes, more than {limit:,}")
    with _broken():
        source = archive.open(info)
    # All that comes of a piece of bzip2 or LZMA is in memory at once, up to 20,000 times its size.
    size = _CHUNK if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else 1 << 12
    with source:
        while chunk := _read(source, size):
            yield chunk


def _read(source: IO[bytes], size: int) -> bytes:
    with _broken():
        return source.read(size)


@contextmanager
def _broken() -> Iterator[None]:
    """Raise the many errors of `zipfile` and its decompressors as `ArchiveError`, but not those of the disk."""
    try:
        yield
    except _BROKEN as error:
        raise ArchiveError(_line(error)) from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # bz2's errors have no number; a wrong place is EINVAL
            raise
        raise ArchiveError(_line(error)) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
