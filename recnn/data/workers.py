"""Work in several processes: pieces in their order, and again those of a process that ended before it was done."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, Protocol, TypeAlias

from parsers.errors import InputError

Work: TypeAlias = Callable[[Any], Any]
"""Function from a piece of work to its result."""
Each: TypeAlias = Callable[[Iterable[Any]], Iterator[Any]]
"""Function that does pieces of work, and yields the results in the order of the pieces."""

_START = -1  # number of the piece of a process that has none
_TRIES = 3  # of a piece
_AHEAD = 2  # pieces that a process has: one that it works at, and the next one
_KEPT = 4  # pieces for each process that are in memory, those that are done but wait for an earlier one included


class LostWorkError(InputError):
    """A process ended each time that it had a piece of work.

    Attributes:
        content: the piece; None if processes ended before they had one.
    """

    def __init__(self, content: Any) -> None:
        super().__init__(
            f"a process ended {_TRIES} times before its work was done: is there enough memory for --workers?"
        )
        self.content = content


@contextmanager
def workers(make: Callable[[], Work], number: int) -> Iterator[Each]:
    """Yield a function that does pieces of work, in this process or in others; see `Each`.

    Each process has one thread of torch, so that a piece has the same result however many processes there are. The
    processes end with this one, even if it is killed. If one of them is killed, a new one does its pieces again.

    Args:
        make: makes the function that does a piece of work, once in each process. It can be pickled, and so can the
            pieces and the results.
        number: number of processes; with 1, this one.

    Raises:
        LostWorkError: a process ended three times at the same piece of work.
        InputError: an error of ``make`` or of a piece.
    """
    if number == 1:
        work = make()
        with one_thread():
            yield partial(map, work)
        return
    with in_processes(partial(_Process, make), number, wait) as each:
        yield each


@contextmanager
def in_processes(start: Callable[[], Process], number: int, wait: Callable[[list[Any]], list[Any]]) -> Iterator[Each]:
    """Yield a function that does pieces of work in processes of any kind, and end these at last.

    Args:
        start: starts a process.
        number: number of processes.
        wait: waits until one of some `Process.next` is there, and returns those that are.

    Raises:
        LostWorkError: a process ended three times at the same piece of work.
        InputError: an error of a piece.
    """
    pool = _Pool(start, number, wait)
    try:
        yield pool.each
    finally:
        pool.end()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, if it has been imported."""
    if "torch._C" not in sys.modules:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Piece(NamedTuple):
    """A piece of work."""

    number: int
    content: Any


class Result(NamedTuple):
    """What became of a piece of work."""

    number: int
    content: Any
    error: Exception | None


class Process(Protocol):
    """A process that does pieces of work one after the other."""

    pieces: deque[Piece]
    """Those that it has."""
    ready: bool
    """If it has started."""

    @property
    def next(self) -> Any:
        """What to wait for: its start, then its next result."""

    def send(self, piece: Piece) -> None:
        """Give it one more piece."""

    def receive(self) -> Result | None:
        """Return its next result; None when it has started.

        Raises:
            EOFError, OSError: it has ended.
        """

    def end(self) -> None:
        """End it."""


class _Pool:
    """Processes, none of which disturbs another: one that ends, or does not start, leaves its pieces to the others."""

    def __init__(self, start: Callable[[], Process], number: int, wait: Callable[[list[Any]], list[Any]]) -> None:
        self.start, self.number, self.wait = start, number, wait
        self.processes: list[Process] = []

    def each(self, contents: Iterable[Any]) -> Iterator[Any]:
        """Do pieces of work; see `Each`."""
        rest = (Piece(number, content) for number, content in enumerate(contents))
        again = deque(islice(rest, self.number))  # pieces that come before the rest
        self.processes += [self.start() for _ in range(len(again) - len(self.processes))]
        tries: Counter[int] = Counter()
        results: dict[int, Any] = {}
        given, following = len(again), 0  # number of pieces so far, and of the next result
        while True:
            for process in self._with_room():
                if again:
                    process.send(again.popleft())
                elif given < following + _KEPT * self.number and (piece := next(rest, None)):
                    given += 1
                    process.send(piece)
            if following == given:
                return
            busy = {process.next: process for process in self.processes if process.pieces or not process.ready}
            for ready in self.wait(list(busy)):
                try:
                    found = busy[ready].receive()
                except (EOFError, OSError):
                    again.extendleft(reversed(self._replace(busy[ready], tries)))
                    continue
                if found is not None:
                    del tries[_START]
                    if found.error is not None:
                        raise found.error
                    results[found.number] = found.content
            while following in results:
                yield results.pop(following)
                following += 1

    def _with_room(self) -> Iterator[Process]:
        """Yield the process with the fewest pieces, as long as it can have one more that it gets."""
        while ready := [process for process in self.processes if process.ready]:
            process = min(ready, key=lambda process: len(process.pieces))
            before = len(process.pieces)
            if before == _AHEAD:
                return
            yield process
            if len(process.pieces) == before:
                return

    def _replace(self, process: Process, tries: Counter[int]) -> deque[Piece]:
        """Start a process in place of one that has ended, and return the pieces that this had."""
        process.end()
        first = process.pieces[0] if process.pieces else Piece(_START, None)
        tries[first.number] += 1
        if tries[first.number] == _TRIES:
            raise LostWorkError(first.content)
        self.processes[self.processes.index(process)] = self.start()
        return process.pieces

    def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.end()


class _Process:
    """A process on this machine with a pipe of its own: what it leaves half written disturbs no other."""

    def __init__(self, make: Callable[[], Work]) -> None:
        context = get_context("spawn")
        self.next, theirs = context.Pipe()
        self.pieces: deque[Piece] = deque()
        self.ready = True  # its pipe is
        self.process = context.Process(target=_run, args=(make, theirs), daemon=True)
        resource_tracker.ensure_running()  # which unblocks signals when it is started
        # Ctrl-C is for this process: one that it starts here inherits that the signal is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self.process.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self, piece: Piece) -> None:
        """Give it one more piece."""
        self.pieces.append(piece)
        with suppress(OSError):  # it has ended, which `receive` finds
            self.next.send(piece)

    def receive(self) -> Result:
        """Return its next result."""
        found: Result = self.next.recv()
        self.pieces.popleft()
        return found

    def end(self) -> None:
        """End it."""
        self.next.close()
        self.process.kill()
        self.process.join()


class Worker:
    """Does pieces of work in a process.

    Args:
        make: makes the function that does a piece, as soon as there is one.
    """

    def __init__(self, make: Callable[[], Work]) -> None:
        self.make = make
        self.work: Work | None = None

    def do(self, piece: Piece) -> Result:
        """Do a piece of work; torch uses one thread."""
        try:
            if self.work is None:
                self.work = self.make()
            with one_thread():
                return Result(piece.number, self.work(piece.content), None)
        except Exception as error:
            if not isinstance(error, InputError | OSError | MemoryError):
                error.add_note(traceback.format_exc())
            return Result(piece.number, None, error)


def _run(make: Callable[[], Work], pipe: Connection) -> None:
    """Do the pieces of a pipe, until the process at its other end closes it or ends."""
    pieces: SimpleQueue[Piece] = SimpleQueue()
    Thread(target=_receive, args=(pipe, pieces), daemon=True).start()
    worker = Worker(make)
    while True:
        found = worker.do(pieces.get())
        try:
            pipe.send(found)
        except OSError:  # the other process has ended
            os._exit(1)


def _receive(pipe: Connection, pieces: SimpleQueue[Piece]) -> None:
    """Receive the pieces as soon as they come, so that the other process need not wait until there is room for them."""
    try:
        while True:
            pieces.put(pipe.recv())
    except (EOFError, OSError):
        pass
    except Exception:
        traceback.print_exc()
    os._exit(1)
