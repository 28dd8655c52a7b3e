"""Several processes that train one model, as torchrun or `recnn train --devices N` start them.

Each of them has the environment variables of torchrun: ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``LOCAL_WORLD_SIZE``,
``MASTER_ADDR`` and ``MASTER_PORT``. The process of rank 0 alone writes files and reports.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import torch
import torch.distributed as dist
from torch import Tensor

from parsers.errors import InputError
from recnn.errors import RunError

_TIMEOUT = timedelta(minutes=30)  # as in torch; the first process may write large models meanwhile


class LostError(RunError):
    """Another process of the training has ended."""


@dataclass(frozen=True)
class Processes:
    """The place of this process among those that train.

    Attributes:
        rank: number of this process.
        count: number of processes.
        local: number of processes on this machine.
    """

    rank: int = 0
    count: int = 1
    local: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files and reports."""
        return self.rank == 0


def processes(devices: int = 1) -> Processes:
    """Read the place of this process from its environment.

    Args:
        devices: number of processes on this machine that the settings ask for.

    Raises:
        InputError: more processes are asked for, but only this one was started, or another number.
    """
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    if devices not in (1, local):
        started = "one process was" if count == 1 else f"{local} on this machine were"
        raise InputError(
            f"devices: expected {devices} processes, but {started} started: "
            f"use torchrun --nproc_per_node {devices}, or the command recnn train --devices {devices}"
        )
    return Processes(rank, count, local)


@contextmanager
def connected(here: Processes, out: Path) -> Iterator[None]:
    """Connect the processes of a training; SIGTERM ends a process at once, as files are written as a whole.

    Raises:
        LostError: another process has ended.
    """
    if here.count == 1:
        yield
        return
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_TIMEOUT)
        yield
        dist.barrier()  # a process that ends while others still communicate may abort
    except (dist.DistError, RuntimeError) as error:
        if isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "Connection", "NCCL")):
            problem = (
                "another process of the training has ended: resume the run to continue after the last complete epoch"
            )
            raise LostError(f"{out}: {problem}") from None
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def end_at_sigterm(here: Processes) -> None:
    """End this process at once at SIGTERM, which Lightning would tell the other processes of, and wait for them."""
    if here.count > 1:
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def agreed(here: Processes, value: bool) -> bool:
    """Return the value of the first process."""
    if here.count == 1:
        return value
    found = torch.tensor(int(value))
    dist.broadcast(found, 0)
    return bool(found)


def total(here: Processes, values: Tensor) -> Tensor:
    """Return the sum over the processes."""
    if here.count > 1:
        values = values.cpu()
        dist.all_reduce(values)
    return values


def collected(here: Processes, value: object) -> list[object]:
    """Return the values of all processes."""
    found: list[object] = [None] * here.count
    dist.all_gather_object(found, value)
    return found
