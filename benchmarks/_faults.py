"""Commands in forks of this process, hashes of what they write, and small disks."""

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import recnn
import recnn.training.run  # everything is imported before the forks
from corpora import bundled_sentiment
from recnn.cli import main as command_line
from recnn.data.graph_store import GraphStore


class Result(NamedTuple):
    """How a command ended."""

    status: int
    """Negative: the number of the signal."""
    error: str


def run(arguments: Sequence[str], limit: int | None = None, kill_after: float | None = None) -> Result:
    """Run a command in a fork, which is killed after some seconds, or cannot write files beyond a limit."""
    receiving, sending = os.pipe()  # what is limited are files
    process = os.fork()
    if not process:
        _in_fork(arguments, limit, sending)
    os.close(sending)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process, signal.SIGKILL)
    with open(receiving, encoding="utf-8") as file:
        error = file.read()
    return Result(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), error)


def _in_fork(arguments: Sequence[str], limit: int | None, err: int) -> None:
    status = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # Python ignores SIGXFSZ
        if arguments[0] in ("save", "store"):
            arguments = ["-c", *arguments]
        sys.argv = ["recnn", *arguments]
        try:
            _call(arguments) if arguments[0] == "-c" else command_line()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except (recnn.errors.InputError, OSError) as error:
            os.write(2, f"{error}\n".encode())
            status = 1
    except BaseException as error:
        os.write(2, f"Traceback {error!r}\n".encode())
    finally:
        os._exit(status)


def _call(arguments: Sequence[str]) -> None:
    _, what, name, out = arguments
    if what == "save":
        recnn.load(f"model-{name}").save(out)
        return
    trees = list(bundled_sentiment("train"))
    some = trees[:300] if name == "a" else trees[300:700]
    GraphStore(map(recnn.tree_to_graph, some), out)


def state_of(path: Path) -> str | None:
    """A hash of all bytes of a file or folder; None if there is none."""
    if not path.exists():
        return None
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Change the current folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def disk(kilobytes: int) -> Iterator[Path]:
    """A small file system."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def can_mount() -> bool:
    try:
        with disk(64):
            return True
    except (OSError, subprocess.CalledProcessError):
        print("no file system can be mounted: no small and no read-only disks", file=sys.stderr)
        return False
