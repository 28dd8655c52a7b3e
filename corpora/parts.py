"""Temporary names beside a file or folder that is being written, and what killed processes left under them."""

import ctypes
import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

_first = time.time_ns()
_numbers = count(_first)
_PART = re.compile(r"\.(\d+)(?:\.(\d+))?\.(part|old)")


def part_beside(path: Path) -> Path:
    """Return a hidden name beside ``path`` that no other process or thread uses, ``.NAME.PROCESS.NUMBER.part``.

    Raises:
        OSError: ``path`` has no name, such as ``.``.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    while os.path.lexists(part := path.with_name(f".{path.name}.{os.getpid()}.{next(_numbers)}.part")):
        pass
    return part


def parts_beside(path: Path, ending: str = "part", gone: bool = True) -> Iterator[Path]:
    """Find the temporary files and folders beside ``path``.

    Args:
        path: the file or folder that was to be written.
        ending: "part", or "old" for a folder that was to be replaced.
        gone: only those of processes that have ended.
    """
    with suppress(OSError):  # no such folder, or one that cannot be listed
        for name in os.listdir(path.parent):
            if name.startswith(f".{path.name}."):
                found = _PART.fullmatch(name, len(path.name) + 1)
                if found and found[3] == ending and not (gone and _is_used(int(found[1]), int(found[2] or 0))):
                    yield path.with_name(name)


def sweep(path: Path, gone: bool = True) -> None:
    """Remove the temporary files and folders beside ``path``; those of running processes too if ``gone`` is False."""
    for part in parts_beside(path, gone=gone):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with suppress(OSError):  # of another user
                part.unlink()


def _is_used(process: int, number: int) -> bool:
    if process == os.getpid():
        return number >= _first  # otherwise of an earlier process with the same number, as in a container
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def replace_folder(part: Path, folder: Path) -> None:
    """Rename the folder ``part`` to ``folder``, and remove the folder that was there.

    Two folders are exchanged at once where the system can (Linux; `rename` itself replaces empty folders only).
    Elsewhere there is no folder for a moment, but one with the ending "old" beside it.

    Raises:
        OSError: it cannot be renamed; the older folder is as it was.
    """
    try:
        os.rename(part, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        old = part
        if not _exchanged(part, folder):
            old = part.with_suffix(".old")
            os.rename(folder, old)
            try:
                os.rename(part, folder)
            except OSError:
                os.rename(old, folder)
                raise
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders; return False if the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
