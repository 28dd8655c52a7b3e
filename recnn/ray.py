"""Encoding of data sets and corpora on a Ray cluster (https://docs.ray.io)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from parsers.errors import InputError
from recnn.data.workers import Each, Work, one_thread
from recnn.encoding.frames import encode_batch
from recnn.errors import missing_extra

__all__ = ["encode_dataset", "ray_workers"]

_ROWS = 1024  # of a batch
_AHEAD = 2  # pieces that an actor has: one that it works at, and the next one
_RETRIES = 20  # of a piece, after its actor or the node of this has died


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

    It is the cluster that `ray.init` finds, or this machine. An actor that dies is started again, and does its pieces
    again.

    Args:
        make: makes the function that does a piece of work, once in each actor.
        number: number of actors, each with one CPU.

    Raises:
        InputError: the cluster has fewer CPUs, or a piece failed too often.
    """
    own = _started(number)
    import ray

    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < number:
        raise InputError(f"the Ray cluster has {cpus} CPUs, fewer than the {number} of --workers")
    kind = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=_RETRIES)(_Actor)
    actors = [kind.remote(make) for _ in range(number)]
    try:
        yield partial(_in_order, actors)
    finally:
        for actor in actors:
            ray.kill(actor)
        if own:
            ray.shutdown()


class _Actor:
    """Does pieces of work."""

    def __init__(self, make: Callable[[], Work]) -> None:
        self.make = make
        self.work: Work | None = None

    def do(self, piece: Any) -> Any:
        """Return the result of a piece of work, or the error."""
        try:
            if self.work is None:
                self.work = self.make()
            with one_thread():
                return self.work(piece)
        except (InputError, OSError) as error:  # which is not raised here, as Ray would wrap it
            return error


def _in_order(actors: list[Any], pieces: Iterable[Any]) -> Iterator[Any]:
    """Yield the results of pieces in their order; each goes to the actor with the fewest."""
    import ray

    waiting: deque[Any] = deque()  # results
    busy: dict[Any, int] = {}  # their actors
    rest = iter(pieces)
    more = True
    while more or waiting:
        if more and len(waiting) < 2 * _AHEAD * len(actors):
            loads = [list(busy.values()).count(actor) for actor in range(len(actors))]
            free = min(range(len(actors)), key=loads.__getitem__)
            if loads[free] < _AHEAD:
                piece = next(rest, None)
                more = piece is not None
                if more:
                    result = actors[free].do.remote(piece)
                    waiting.append(result)
                    busy[result] = free
                continue
        if waiting[0] in busy:
            for result in ray.wait(list(busy))[0]:
                del busy[result]
        else:
            yield _result(waiting.popleft())


def _result(reference: Any) -> Any:
    import ray

    try:
        found = ray.get(reference)
    except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
        raise InputError(f"Ray could not do a piece of work: {' '.join(str(error).split())[:300]}") from None
    if isinstance(found, Exception):
        raise found
    return found


def _started(number: int | None = None) -> bool:
    """Connect to a Ray cluster, or start one on this machine with CPUs for so many actors; return if it was started.

    Raises:
        InputError: Ray is not installed.
    """
    check_installed()
    import ray

    if ray.is_initialized():
        return False
    options = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if "RAY_ADDRESS" in os.environ or number is None:
            ray.init(**options)
        else:
            ray.init(num_cpus=max(number, os.cpu_count() or 1), **options)
    except ValueError:  # there is a cluster, which has its own number
        ray.init(**options)
    except ConnectionError as error:
        raise InputError(f"no Ray cluster: {' '.join(str(error).split())[:300]}") from None
    return True


def check_installed() -> None:
    """Raise an error if Ray is not installed."""
    try:
        import ray.data  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra(error, "ray") from None
