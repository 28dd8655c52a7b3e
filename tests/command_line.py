"""The command line: as a process of its own, or, where that is not the point, in this one, which costs no imports."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from recnn.cli import main

ROOT = Path(__file__).parent.parent


def process(*arguments, stdin="", cwd=None, width="120"):
    """The exit status, standard output and standard error of `recnn` with these arguments."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "recnn", *map(str, arguments)],
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": width, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def recnn(*arguments, stdin="", cwd=None, width="120"):
    """The same without a process; what is no exit of the command line's own is raised."""
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin if isinstance(stdin, bytes) else stdin.encode()), "utf-8")
    with (
        mock.patch.object(sys, "argv", ["recnn", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", given),
        mock.patch.dict(os.environ, {"COLUMNS": width}),
        contextlib.chdir(cwd or os.getcwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
    return status, out.getvalue(), err.getvalue()


def unframed(text):
    """What is in the frames that typer puts around messages, as one line."""
    return " ".join(text.replace("│", " ").split())
