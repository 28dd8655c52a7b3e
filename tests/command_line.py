"""Run the command line in a process of its own, or in this process, which saves the time of the imports."""

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
    """Run `recnn` in a process of its own; return its exit status, standard output and standard error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "recnn", *map(str, arguments)],
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": width, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def recnn(*arguments, stdin="", cwd=None, width="120"):
    """Run `recnn` in this process; return the same as `process`. Exceptions other than SystemExit are raised."""
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
    """Put a text on one line, without the frames that typer draws around messages."""
    return " ".join(text.replace("│", " ").split())
