"""Encoding of data sets and corpora on a Ray cluster (https://docs.ray.io)."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from parsers.errors import InputError
from recnn.data.workers import Each, Piece, Result, Work, Worker, in_processes, one_thread
from recnn.encoding.frames import encode_batch
from recnn.errors import missing_extra

__all__ = ["encode_dataset", "ray_workers"]

_ROWS = 1024  # of a batch


def encode_dataset(
    dataset: Any,
    model: str | Path | None = None,
    parser: str | None = None,
    column: str = "text",
    *,
    tokens: bool = False,
    nodes: bool = False,
    concurrency: int | None = None,
) -> Any:
    """Add the trees and vectors of sentences to a `ray.data.Dataset`, as `recnn.encode_batch` does to a batch.

    Each actor of a pool has one CPU, and loads the model and the parser once; their files must be on all machines.

    Args:
        dataset: the data set.
        model: folder of a model, or of a training run; by default a small model of sentiment.
        parser: parser of the sentences, see `parsers.load`; by default that of the model.
        column: column of the sentences.
        tokens: split sentences at blanks only.
        nodes: add the vectors of all nodes, too.
        concurrency: number of actors; by default one less than the CPUs of the cluster.

    Returns:
        A data set with all columns of ``dataset``, and those of `recnn.encode_batch`.

    Raises:
        InputError: there are not enough CPUs: one must be left for the tasks that read the data.
    """
    settings = {"model": model, "parser": parser, "column": column, "tokens": tokens, "nodes": nodes}
    _started()
    import ray

    cpus = int(ray.cluster_resources().get("CPU", 0))
    most = cpus - 1
    if most < (concurrency or 1):
        problem = f"{concurrency or 1} of them for actors and one for reading the data"
        raise InputError(f"the Ray cluster has {cpus} CPUs, but this needs {problem}: use fewer actors, or more CPUs")
    return dataset.map_batches(
        _BatchEncoder,
        fn_constructor_kwargs=settings,
        batch_format="pyarrow",
        batch_size=_ROWS,
        concurrency=concurrency or most,
        num_cpus=1,
    )


class _BatchEncoder:
    """An actor of `encode_dataset`; `recnn.encode_batch` keeps the model."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __call__(self, batch: Any) -> Any:
        with one_thread():
            return encode_batch(batch, **self.settings)


@contextmanager
def ray_workers(make: Callable[[], Work], number: int) -> Iterator[Each]:
    """Yield a function that does pieces of work on a Ray cluster; see `recnn.data.workers.workers`.

    It is the cluster that `ray.init` finds, or this machine. If an actor dies, or its machine is lost, the others do
    its pieces again, and the work goes on with them until there is a CPU for a new one.

    Args:
        make: makes the function that does a piece of work, once in each actor.
        number: number of actors, each with one CPU.

    Raises:
        LostWorkError: an actor died three times at the same piece.
        InputError: the cluster has fewer CPUs; or an error of ``make`` or of a piece.
    """
    own = _started(number)
    import ray

    try:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if cpus < number:
            raise InputError(f"the Ray cluster has {cpus} CPUs, fewer than the {number} of --workers")
        with in_processes(partial(_Actor, make), number, _wait) as each:
            yield each
    finally:
        if own:
            ray.shutdown()


def _wait(references: list[Any]) -> list[Any]:
    import ray

    found: list[Any] = ray.wait(references)[0]
    return found


class _Actor:
    """An actor of a Ray cluster; see `recnn.data.workers.Process`."""

    def __init__(self, make: Callable[[], Work]) -> None:
        import ray

        self.actor: Any = ray.remote(num_cpus=1)(Worker).remote(make)
        self.pieces: deque[Piece] = deque()
        self.ready = False
        self.references = deque([self.actor.__ray_ready__.remote()])

    @property
    def next(self) -> Any:
        """What to wait for."""
        return self.references[0]

    def send(self, piece: Piece) -> None:
        """Give it one more piece."""
        self.pieces.append(piece)
        self.references.append(self.actor.do.remote(piece))

    def receive(self) -> Result | None:
        """Return its next result; None when it has started."""
        import ray

        try:
            found = ray.get(self.references[0])
        except _lost() as error:
            raise EOFError(str(error)) from None
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:  # such as an actor that no node can have
            raise InputError(f"Ray: {' '.join(str(error).split())[:300]}") from None
        self.references.popleft()
        if not self.ready:
            self.ready = True
            return None
        self.pieces.popleft()
        result: Result = found
        return result

    def end(self) -> None:
        """End it."""
        import ray

        ray.kill(self.actor)


def _lost() -> tuple[type[Exception], ...]:
    """Return the errors of an actor that has ended."""
    from ray import exceptions as of

    return of.RayActorError, of.ObjectLostError, of.OutOfMemoryError, of.NodeDiedError, of.WorkerCrashedError


def _started(number: int | None = None) -> bool:
    """Connect to a Ray cluster, or start one on this machine with CPUs for so many actors; return if it was started.

    Raises:
        InputError: Ray is not installed, or there is no cluster where ``RAY_ADDRESS`` says.
    """
    check_installed()
    import ray

    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    cpus = None if address or number is None else max(number, os.cpu_count() or 1)
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            _check_address(address)
        try:
            ray.init(num_cpus=cpus, log_to_driver=False, logging_level="ERROR")
        except ValueError:
            if cpus is None:
                raise
            ray.init(log_to_driver=False, logging_level="ERROR")  # a cluster is found, which has CPUs of its own
    except (ValueError, OSError, ImportError) as error:
        where = f" at RAY_ADDRESS={address}" if address else ""
        raise InputError(f"no Ray cluster{where}: {' '.join(str(error).split())[:300]}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray's own prints a stack trace
    return True


def _check_address(address: str) -> None:
    """Raise an error if nothing listens at HOST:PORT, for which Ray itself would wait for minutes."""
    if found := re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:(\d{1,5})", address):
        socket.create_connection((found[1], int(found[2])), timeout=10).close()


def check_installed() -> None:
    """Raise an error if Ray is not installed."""
    try:
        import ray.data  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra(error, "ray") from None
