"""The notebooks run, with short trainings, and what they show is of the kinds that are stored in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install -e '.[docs]'")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
for cell in notebook.cells:
    cell.source = cell.source.replace("epochs=5", "epochs=1")
nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
nbformat.write(notebook, sys.argv[2])
"""


def shown(notebook):
    """The kinds of the outputs of each cell: svg, png or text."""
    kinds = {"image/svg+xml": "svg", "image/png": "png"}
    return [
        {kind for output in cell.outputs for key, kind in kinds.items() if key in output.get("data", {})}
        or {"text" for _ in cell.outputs}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} == {"duck", "sentiment", "tree_against_sequence"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    stored = nbformat.read(path, 4)
    nbformat.validate(stored)
    result = subprocess.run(
        [sys.executable, "-c", RUN, path, tmp_path / path.name],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    found = shown(nbformat.read(tmp_path / path.name, 4))
    assert found == shown(stored)
    assert {"svg"} <= set().union(*found)
