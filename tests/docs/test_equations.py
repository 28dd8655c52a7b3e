"""Equations of the docstrings are found, and become MathML that says the same."""

import ast
import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("griffe", reason="pip install -e '.[docs]'")

ROOT = Path(__file__).parents[2]


def hook(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


docstrings, equations = hook("docstrings"), hook("equations")


def texts():
    """The docstrings of the cells and of the gradients by hand."""
    for path in [*(ROOT / "recnn" / "cells").glob("*.py"), ROOT / "recnn" / "gradients" / "by_hand.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield f"{path.stem}.{node.name}", text


BLOCKS = {name: re.findall(r"```equations\n(.*?)\n```", docstrings.with_fences(text), re.S) for name, text in texts()}


def test_every_cell_has_equations():
    names = "recursive.RecursiveCell lstm.LSTMCell gru.GRUCell tensor.TensorCell matrix_vector.MatrixVectorCell"
    names += " labelled.UntiedRecursiveCell labelled.LabelEmbeddingCell regularised.DropoutCell regularised.ZoneoutCell"
    assert [name for name in names.split() if not BLOCKS[name]] == []
    assert BLOCKS["base.Cell"] == []  # its block is Python
    assert len(BLOCKS["by_hand.lstm_backward"]) == 2


@pytest.mark.parametrize("source", [block for blocks in BLOCKS.values() for block in blocks])
def test_no_character_is_lost(source):
    root = ElementTree.fromstring(equations.fence(source))
    shown = "".join("".join(root.itertext()).split())
    said = source.replace("...", "…").replace("..", "…").replace("-", "−").replace("~", "∼").replace("*", "∗")
    said = said.replace("Σ", "∑").replace("²", "2").replace("−", "-")
    for mark in " _^()\n":
        said, shown = said.replace(mark, ""), shown.replace(mark, "")
    assert shown.replace("−", "-") == said


def test_the_structure_of_an_equation():
    assert equations.mathml("h_(t-1)^T") == (
        "<mrow><msubsup><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow><mrow><mi>T</mi></mrow></msubsup></mrow>"
    )
    assert "<msubsup><mi>h</mi><mrow><mi>t</mi></mrow><mn>2</mn></msubsup>" in equations.mathml("1 - h_t²")
    assert equations.columns("i   = σ(a)     k = 1..K    by position") == ["i = σ(a)", "k = 1..K", "by position"]
    assert [equations.is_remark(column) for column in ("c = f ⊙ c_k", "k = 1..K", "by position", 'arity="sum"')] == [
        False,
        False,
        True,
        True,
    ]


def test_code_stays_code():
    text = "As code:\n\n    h = torch.tanh(x)\n\n    cell = recnn.LSTMCell(3, 4)"
    assert docstrings.with_fences(text) == text
