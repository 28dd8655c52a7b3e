"""What the README shows in Python runs as it stands, and what it prints is printed. (.ci/run runs its commands.)"""

import re
from pathlib import Path

import pytest

from tests.command_line import recnn

TEXT = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_there_are_blocks():
    assert len(BLOCKS) == TEXT.count("```python") == 3


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 120


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(code):
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    if "states.h" in code:
        states = names["states"]
        shapes = [tuple(t.shape) for t in (states.h, states.roots, states.span(1, 2, tree=0))]
        assert shapes == [(names["forest"].num_nodes(), 300), (2, 300), (300,)]
    if "h_n" in code:
        shapes = [tuple(names[name].shape) for name in ("output", "h_n", "c_n")]
        assert shapes == [(4, 20, 300), (4, 4, 150), (4, 4, 150)]
    if "MyCell" in code:
        import recnn

        assert recnn.cells.cell_class("mine") is names["MyCell"]
        encoder = recnn.Encoder(names["MyCell"](2, 3), num_layers=2, direction="both")
        graph = recnn.sequence_to_graph(["a", "b"])
        assert encoder(graph, names["torch"].ones(2, 2)).h.shape == (2, 6)
        recnn.Cell.registry.pop("mine")


def test_the_output_that_is_shown_is_printed():
    shown = re.search(r"here of the second reading:\n\n```\n(.*?)```", TEXT, flags=re.DOTALL)[1]
    status, out, _ = recnn("encode", "--parser", "duck", "The boy saw her duck")
    assert status == 0
    printed = [line.rstrip() for line in out.splitlines()]
    assert [line for line in shown.splitlines() if line not in printed] == []


MADE = re.compile(r"(cells|commands|notebooks)/|(contributing|changelog|model_card)\.md")  # by docs/hooks


def test_links_lead_to_files():
    root = Path(__file__).parents[1]
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text("utf-8")):
            if page.parent == root or not MADE.search(link):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
