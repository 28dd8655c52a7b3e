"""Work in several processes: the order, errors, and processes that are killed or that kill themselves."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path

import pytest

from parsers.errors import InputError
from recnn.data.workers import Result, in_processes, workers
from tests.command_line import ROOT


class Work:
    """Squares a number; some numbers are special."""

    def __init__(self, folder):
        if folder == "missing":
            raise InputError("no such folder")
        self.folder = Path(folder)

    def __call__(self, piece):
        number, text = piece
        if number == -1:
            raise InputError("a negative number")
        if number == -2:
            raise KeyError("a defect")
        if number == -3 and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == -4:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002 * (number % 3))
        return number * number, text * 2


def done(folder, numbers, number=2, text=""):
    with workers(partial(Work, str(folder)), number) as each:
        return [result for result, _ in each((one, text) for one in numbers)]


def test_the_order_is_that_of_the_pieces_and_the_processes_serve_again(tmp_path):
    with workers(partial(Work, str(tmp_path)), 2) as each:
        assert [found for found, _ in each((number, "") for number in range(40))] == [n * n for n in range(40)]
        long = "long" * 500_000  # pieces and results do not fit the buffer of a pipe
        assert list(each([(2, long), (1, long), (5, "x")])) == [(4, long * 2), (1, long * 2), (25, "xx")]
        assert list(each([])) == []


def test_no_more_than_some_pieces_are_in_memory(tmp_path):
    taken = []
    with workers(partial(Work, str(tmp_path)), 2) as each:
        for index, _ in enumerate(each((taken.append(number) or number, "") for number in range(30))):
            assert len(taken) - index <= 8


def test_pieces_of_a_process_that_was_killed_are_done_again(tmp_path):
    assert done(tmp_path, [1, 2, -3, 4, 5, 6]) == [1, 4, 9, 16, 25, 36]
    assert (tmp_path / "killed").exists()


class Brief:
    """A process that ends after four pieces; each second one ends before it has started."""

    made = 0

    def __init__(self):
        Brief.made += 1
        self.left = 5 * (Brief.made % 2)
        self.pieces, self.ready = deque(), False

    @property
    def next(self):
        return self

    def send(self, piece):
        self.pieces.append(piece)

    def receive(self):
        if not self.left:
            raise EOFError
        self.left -= 1
        if not self.ready:
            self.ready = True
            return None
        number, content = self.pieces.popleft()
        return Result(number, content * content, None)

    def end(self):
        pass


def test_any_number_of_processes_may_end_as_long_as_work_is_done():
    with in_processes(Brief, 2, lambda waiting: waiting[:1]) as each:
        assert list(each(range(100))) == [number * number for number in range(100)]
    assert Brief.made > 40


@pytest.mark.parametrize(
    ("folder", "number", "error", "message"),
    [
        (".", -1, InputError, "a negative number"),
        (".", -2, KeyError, "a defect"),
        (".", -4, InputError, "a process ended 3 times before its work was done"),
        ("missing", 1, InputError, "no such folder"),
    ],
)
def test_errors(folder, number, error, message):
    with pytest.raises(error, match=message):
        done(folder, [1, 2, number, 3])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(how, tmp_path):
    code = f"""
import os, sys
from functools import partial
from recnn.data.workers import workers
from tests.recnn.data.test_workers import Work
if __name__ == "__main__":
    with workers(partial(Work, {str(tmp_path)!r}), 2) as each:
        for _ in each((number, "") for number in range(10**9)):
            print(flush=True)
"""
    (tmp_path / "script.py").write_text(code)
    started = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert started.stdout.readline() == b"\n"
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    assert len(children) >= 2
    started.send_signal(how)
    started.stdout.close()
    assert started.wait() == -how
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.01)
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
