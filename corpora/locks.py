"""Locks on folders, which end with the process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_held: set[int] = set()
"""Descriptors of locked folders. A forked child closes its copies, as the lock is held until the last one is closed."""


class LockedError(Exception):
    """Another process, or another thread of this one, holds the lock."""


@contextmanager
def locked(folder: Path, wait: bool = False) -> Iterator[int]:
    """Hold the lock on a folder, and yield a file descriptor of the folder.

    The lock is advisory: it keeps out those who ask for it. It is on the folder itself, so there is no file to be left
    behind. On file systems without locks, folders are not locked.

    Args:
        folder: an existing folder.
        wait: wait until the lock is free.

    Raises:
        LockedError: the lock is held, and ``wait`` is False.
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    _held.add(descriptor)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LockedError from None
        except OSError:  # a file system without locks, such as some that are mounted over a network
            pass
        yield descriptor
    finally:
        _held.discard(descriptor)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that is being forked may have a copy for a moment
        os.close(descriptor)


def _close_all() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_all)
