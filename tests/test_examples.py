"""Each script in examples/ runs, prints the expected lines and writes the expected files."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


class Expected(NamedTuple):
    lines: list  # some of those that are printed
    files: dict  # names, each with the first bytes
    options: tuple = ()  # for a short run


EXPECTED = {
    "autoencoder.py": Expected(
        ["Less than a quarter is left: True", "Pairs of words, both reconstructed: True"],
        {"output/given.svg": "<svg", "output/greedy.svg": "<svg"},
    ),
    "compare_encoders.py": Expected(
        ["The plot is in compare.svg"],
        {"compare.svg": "<?xml"},
        ("--seeds=1", "--epochs=1", "--out=compare.svg", "--encoder=bag of words", "--encoder=linearised LSTM"),
    ),
    "describe.py": Expected(["30 sentences to learn from, 63 others"], {}, ("--count=30", "--epochs=1")),
    "method_names.py": Expected(
        ["The plot is in names.png"],
        {"names.png": "PNG"},
        ("--every=25", "--count=60", "--epochs=1", "--seeds=1", "--out=names.png"),
    ),
    "own_cell.py": Expected(
        [
            "Tree up: states (9, 4), both engines agree: True",
            "Tree down: states (9, 4), both engines agree: True",
            "Chain up: states (5, 4), both engines agree: True",
            "Chain down: states (5, 4), both engines agree: True",
            "Encoder: 4 cells, state of 'her duck': (8,)",
            "Recurrent: output (3, 7, 8), final states (4, 3, 4), gradients everywhere: True",
            "Single steps end where the chain ends: True",
        ],
        {},
    ),
    "parse_and_encode.py": Expected(
        ["Parse 0, probability 0.00288", "Parse 1, probability 0.00212", "Graph: 9 nodes, 8 edges"],
        {"output/duck.svg": "<svg"},
    ),
    "propositional_logic.py": Expected(
        ["The plot is in logic.png"],
        {"logic.png": "PNG"},
        ("--count=200", "--epochs=1", "--seeds=1", "--out=logic.png"),
    ),
    "query_plans.py": Expected(
        ["The plot is in plans.png"],
        {"plans.png": "PNG"},
        ("--count=80", "--epochs=1", "--seeds=1", "--out=plans.png"),
    ),
    "shapes.py": Expected(["shape          answer       cell       held out"], {}),
    "step_by_step.py": Expected(
        [
            "Written: the boy saw duck her <end>",
            "Steps: 5, largest difference of the states: 0.00000",
            "recnn.Recurrent(cell): largest difference 0.00000",
            "Two segments: largest difference 0.00000",
            "Steps with a gradient from the second segment: [2, 3, 4]",
        ],
        {},
    ),
    "translate.py": Expected(
        ["1,260 pairs to learn from, 130 English sentences to translate", "Where it looks, in tenths: tree, Luong"],
        {},
        ("--model=chain, Luong", "--model=tree, Luong", "--minutes=0.02"),
    ),
    "tree_sentiment.py": Expected(
        ["800 trees to learn from, 200 held out", "The first is drawn in output/predicted.svg"],
        {"output/predicted.svg": "<svg"},
        ("--epochs=2",),
    ),
    "vanishing_gradients.py": Expected(["Written: vanishing_gradients.png"], {"vanishing_gradients.png": "PNG"}),
}


def test_every_script_is_expected():
    assert set(SCRIPTS) == set(EXPECTED)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_shows_and_writes_what_it_says(script, this_process, tmp_path):
    """In this process, which saves the time of the imports."""
    assert script in EXPECTED, f"add what examples/{script} prints and writes to EXPECTED in {Path(__file__).name}"
    this_process.setattr(sys, "argv", [script, *EXPECTED[script].options])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code or 0
    assert (status, err.getvalue()) == (0, "")
    check(EXPECTED[script], out.getvalue(), tmp_path)


def test_a_script_runs_as_users_run_it(tmp_path):
    script = "parse_and_encode.py"
    result = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / script, *EXPECTED[script].options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=300,
    )
    assert (result.returncode, result.stderr) == (0, "")
    check(EXPECTED[script], result.stdout, tmp_path)


def check(expected, printed, folder):
    for line in expected.lines:
        assert line in printed.splitlines()
    written = {str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()}
    assert written == set(expected.files)
    for name, beginning in expected.files.items():
        assert beginning.encode() in (folder / name).read_bytes()[:8]
