"""Ctrl-C ends the command line in one line, also while modules are imported or data are read."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHERE = {
    "the import of the commands": "import recnn.cli; sys.meta_path.insert(0, Finder('recnn.commands'))",
    "the import of torch": "import recnn.cli; sys.meta_path.insert(0, Finder('torch'))",
    "the import of Lightning": "import recnn.cli; sys.meta_path.insert(0, Finder('lightning.pytorch.callbacks'))",
    "the reading of data": "import recnn.cli, corpora.text; corpora.text.fields = interrupted",
    "the making of trees": "import recnn.cli, recnn; recnn.TreeClassifier.dataset = interrupted",
    "the end of an object": "import recnn.cli, recnn; recnn.TreeClassifier.dataset = ending",
}
CODE = """
import os, signal, sys, time

def interrupted(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    raise ImportError("what was imported was not complete")

class Ended:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def ending(*_, **__):
    Ended()
    time.sleep(60)

class Finder:
    def __init__(self, name): self.name = name
    def find_spec(self, name, *_):
        if name == self.name:
            try:
                interrupted()
            except BaseException:
                raise ImportError("what was imported was not complete")

sys.argv = ["recnn", "train", *sys.argv[1:]]
"""


@pytest.mark.parametrize("where", WHERE)
def test_one_line_and_status_130(tmp_path, where):
    (tmp_path / "train.txt").write_text("yes\\ta b\\nno\\tc d\\n")
    (tmp_path / "dev.txt").write_text("yes\\ta b\\n")
    task = ["sentences", "--data", str(tmp_path)] if where == "the reading of data" else ["sentiment"]
    result = subprocess.run(
        [sys.executable, "-c", f"{CODE}{WHERE[where]}\nrecnn.cli.main()", *task, "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "recnn: interrupted\n")
    assert not (tmp_path / "run").exists()


def test_where_it_is_ignored_it_stays_so():
    """As in a job that nohup has started, or in the background of a shell."""
    code = (
        "import os, signal, recnn.cli, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.argv = ['recnn', 'parse', 'I saw the man', '--parser', 'telescope']\n"
        "sys.meta_path.insert(0, type('F', (), {'find_spec': lambda *_: os.kill(os.getpid(), signal.SIGINT)})())\n"
        "recnn.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    assert "parse 0" in result.stdout


def test_the_handling_is_restored():
    from tests.command_line import recnn

    before = signal.getsignal(signal.SIGINT)
    assert recnn("data")[0] == 0
    assert signal.getsignal(signal.SIGINT) is before
