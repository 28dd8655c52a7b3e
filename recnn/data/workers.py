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
from typing import Any, NamedTuple, TypeAlias

from parsers.errors import InputError

Work: TypeAlias = Callable[[Any], Any]
"""Function from a piece of work to its result."""
Each: TypeAlias = Callable[[Iterable[Any]], Iterator[Any]]
"""Function that does pieces of work, and yields the results in the order of the pieces."""

_TRIES = 3  # of a piece
_AHEAD = 2  # pieces that a process has: one that it works at, and the next one
_KEPT = 4  # pieces for each process that are in memory, those that are done but wait for an earlier one included


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
        InputError: a process ended three times at the same piece of work; or an error of ``make`` or of a piece.
    """
    if number == 1:
        work = make()
        with one_thread():
            yield partial(map, work)
        return
    pool = _Pool(make, number)
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


class _Piece(NamedTuple):
    number: int
    content: Any


class _Pool:
    """Processes, each with a pipe of its own: what one of them leaves half written disturbs no other."""

    def __init__(self, make: Callable[[], Work], number: int) -> None:
        self.make, self.number = make, number
        self.processes: list[_Process] = []

    def each(self, contents: Iterable[Any]) -> Iterator[Any]:
        """Do pieces of work; see `Each`."""
        rest = (_Piece(number, content) for number, content in enumerate(contents))
        again = deque(islice(rest, self.number))  # pieces that come before the rest
        self.processes += [_Process(self.make) for _ in range(len(again) - len(self.processes))]
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
            busy: dict[Any, _Process] = {process.ours: process for process in self.processes if process.pieces}
            if not busy:
                return
            for ready in wait(list(busy)):
                try:
                    number, result, error = busy[ready].receive()
                except (EOFError, OSError):
                    again.extendleft(reversed(self._replace(busy[ready], tries)))
                    continue
                if error is not None:
                    raise error
                results[number] = result
            while following in results:
                yield results.pop(following)
                following += 1

    def _with_room(self) -> Iterator[_Process]:
        """Yield the process with the fewest pieces, as long as it can have one more that it gets."""
        while self.processes:
            process = min(self.processes, key=lambda process: len(process.pieces))
            before = len(process.pieces)
            if before == _AHEAD:
                return
            yield process
            if len(process.pieces) == before:
                return

    def _replace(self, process: _Process, tries: Counter[int]) -> deque[_Piece]:
        """Start a process in place of one that has ended, and return the pieces that this had."""
        process.end()
        tries[process.pieces[0].number] += 1
        if tries[process.pieces[0].number] == _TRIES:
            raise InputError(
                f"a process ended {_TRIES} times before its work was done: is there enough memory for --workers?"
            )
        self.processes[self.processes.index(process)] = _Process(self.make)
        return process.pieces

    def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.end()


class _Process:
    """A process, and the pieces of work that it has."""

    def __init__(self, make: Callable[[], Work]) -> None:
        context = get_context("spawn")
        self.ours, theirs = context.Pipe()
        self.pieces: deque[_Piece] = deque()
        self.process = context.Process(target=_run, args=(make, theirs), daemon=True)
        resource_tracker.ensure_running()  # which unblocks signals when it is started
        # Ctrl-C is for this process: one that it starts here inherits that the signal is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self.process.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self, piece: _Piece) -> None:
        """Give it one more piece."""
        self.pieces.append(piece)
        with suppress(OSError):  # it has ended, which `receive` finds
            self.ours.send(piece)

    def receive(self) -> tuple[int, Any, Exception | None]:
        """Return the number of a piece that it has done, with the result or the error."""
        found: tuple[int, Any, Exception | None] = self.ours.recv()
        self.pieces.popleft()
        return found

    def end(self) -> None:
        """End it."""
        self.ours.close()
        self.process.kill()
        self.process.join()


def _run(make: Callable[[], Work], pipe: Connection) -> None:
    """Do the pieces of a pipe, until the process at its other end closes it or ends."""
    pieces: SimpleQueue[_Piece] = SimpleQueue()
    Thread(target=_receive, args=(pipe, pieces), daemon=True).start()
    work: Work | None = None
    while True:
        number, content = pieces.get()
        found: tuple[int, Any, Exception | None]
        try:
            if work is None:
                work = make()
                one_thread().__enter__()
            found = number, work(content), None
        except Exception as error:
            if not isinstance(error, InputError | OSError | MemoryError):
                error.add_note(traceback.format_exc())
            found = number, None, error
        try:
            pipe.send(found)
        except OSError:  # the other process has ended
            os._exit(1)


def _receive(pipe: Connection, pieces: SimpleQueue[_Piece]) -> None:
    """Receive the pieces as soon as they come, so that the other process need not wait until there is room for them."""
    try:
        while True:
            pieces.put(pipe.recv())
    except (EOFError, OSError):
        pass
    except Exception:
        traceback.print_exc()
    os._exit(1)
