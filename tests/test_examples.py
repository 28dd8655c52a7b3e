"""Each script in examples/ runs as a user would run it, and shows and writes what it says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


class Expected(NamedTuple):
    lines: list  # that are printed, among others
    files: dict  # each with the beginning of its text
    options: tuple = ()  # that make it quick


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
        {"output/duck_0.svg": "<svg", "output/duck_1.svg": "<svg"},
    ),
    "shapes.py": Expected(["shape          answer       cell       held out"], {}),
    "step_by_step.py": Expected(
        [
            "Written: the boy saw duck her <end>",
            "Steps: 5, largest difference of the states: 0.000000",
            "recnn.Recurrent(cell): largest difference 0.000000",
            "Two segments: largest difference 0.000000",
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
        ["800 trees to learn from, 200 held out", "The first is drawn in output/sentiment.svg"],
        {"output/sentiment.svg": "<svg"},
        ("--epochs=2",),
    ),
    "vanishing_gradients.py": Expected(["Written: vanishing_gradients.png"], {"vanishing_gradients.png": "PNG"}),
}


def test_every_script_is_expected():
    assert set(SCRIPTS) == set(EXPECTED)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_shows_and_writes_what_it_says(script, tmp_path):
    assert script in EXPECTED, f"say in {Path(__file__).name} what examples/{script} prints and writes"
    expected = EXPECTED[script]
    result = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / script, *expected.options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=300,
    )
    assert (result.returncode, result.stderr) == (0, "")
    shown = result.stdout.splitlines()
    for line in expected.lines:
        assert line in shown
    written = {str(path.relative_to(tmp_path).as_posix()) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(expected.files)
    for name, beginning in expected.files.items():
        assert beginning.encode() in (tmp_path / name).read_bytes()[:8]
