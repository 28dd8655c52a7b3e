"""Start a command in several processes, as torchrun does, and end them together."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO

from recnn.commands.common import fail, terminable

LOST = 75
"""Exit status of a process that ends because another one has."""
_GRACE = 3.0  # seconds, for processes that are about to end by themselves
_GO_ON = "resume the run to continue after the last complete epoch"
_STARTED = "RECNN_STARTED"


def started() -> bool:
    """Return True if `run_in_processes` has started this process."""
    return _STARTED in os.environ


def rank() -> int:
    """Return the number of this process, 0 if it is the only one."""
    return int(os.environ.get("RANK", 0))


def several() -> bool:
    """Return True if this is one of several processes that train."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def run_in_processes(count: int, command: Sequence[str] | None = None) -> int:
    """Run the command line of this process in several processes of one machine.

    If one of them fails, the others are ended, and its message is printed; so they are by Ctrl-C and SIGTERM.

    Args:
        count: number of processes.
        command: command to run; by default that of this process.

    Returns:
        The exit status.

    Raises:
        KeyboardInterrupt: this process was interrupted by Ctrl-C.
        typer.Exit: it was terminated by SIGTERM.
    """
    with tempfile.TemporaryFile("w+b") as errors, terminable(_GO_ON):
        running: list[subprocess.Popen[bytes]] = []
        try:
            port = _free_port()
            command = command or [sys.executable, "-m", "recnn", *sys.argv[1:]]
            for number in range(count):
                running.append(_start(command, number, count, port, errors))
            return _wait(running, errors)
        finally:
            _end(running)


def end_with_parent() -> None:
    """End this process when the one that started it has ended, which holds the other end of standard input."""

    def wait() -> None:
        with open(0, "rb", closefd=False) as parent:
            parent.read()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _start(command: Sequence[str], number: int, count: int, port: int, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    place = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0}
    place |= {"MASTER_PORT": port, _STARTED: 1}
    quiet = {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # torch warns if all parameters are used, and when another process ends
    return subprocess.Popen(
        command,
        env={**os.environ, **quiet, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in place.items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if number else None,
        stderr=errors if number else None,
        start_new_session=True,  # so that Ctrl-C reaches this process only
    )


def _wait(running: Sequence["subprocess.Popen[bytes]"], errors: IO[bytes]) -> int:
    while not any(process.poll() for process in running):
        if all(process.poll() == 0 for process in running):
            return 0
        time.sleep(0.05)
    deadline = time.monotonic() + _GRACE
    while any(process.poll() is None for process in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended = [process.poll() for process in running]
    _end(running)
    if (ended[0] or 0) > 0 and ended[0] != LOST:  # the first process has printed its error
        return int(ended[0] or 1)
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").splitlines()
    own = [line.removeprefix("recnn: ") for line in lines if line.startswith("recnn: ")]
    failed = [(number, code) for number, code in enumerate(ended) if code and code != LOST]
    number, status = failed[0] if failed else (0, LOST)
    if own and status > 0:
        fail(own[0])
        return status
    how = f"was ended by signal {-status}" if status < 0 else f"has failed with status {status}"
    fail(f"process {number} of the training {how}: {_GO_ON}")
    return 1


def _end(running: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
