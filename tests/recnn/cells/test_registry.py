"""Cells by name, above all a cell of another installed package, and copies of cells with another input size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nltk import Tree

import recnn
from recnn.cells import Cell, cell_class, cell_names
from tests import command_line

ROOT = Path(__file__).parents[3]
CELL = '''
"""A minimal gated cell over the sum of the children."""

import torch
from torch import nn

import recnn


class MinimalGatedCell(recnn.Cell, name="minimal-gated"):
    """f = sigmoid(W_f x + U_f s), h = (1 - f) * s + f * tanh(W_h x), with s the sum of the children's states."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size, arity="sum")
        self.W = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.U = nn.Linear(hidden_size, hidden_size, bias=bias)

    def inputs(self, x):
        return self.W(x)

    def message(self, child, edges):
        return (child.hidden,)

    def reduce(self, messages, children):
        return (children.sum(messages[0]),)

    def apply_node(self, nodes, message):
        (s,) = message
        x_f, x_h = nodes.inputs.chunk(2, dim=1)
        f = torch.sigmoid(x_f + self.U(s))
        return recnn.HiddenState((1 - f) * s + f * torch.tanh(x_h))
'''
TREES = ("(S (NP her duck) (VP slept))", "(S she (VP saw (NP a (N big) duck)))")
ENTRY = (
    "[recnn.cells]\nminimal-gated = gated_cells:MinimalGatedCell\nbroken = gated_cells:Nothing\nno-cell = json:loads\n"
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a cell: its module, and its metadata with the entry points."""
    (tmp_path / "gated_cells.py").write_text(CELL)
    info = tmp_path / "gated_cells-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gated-cells\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    Cell.registry.pop("minimal-gated", None)
    sys.modules.pop("gated_cells", None)


def test_an_installed_cell_is_stacked_in_both_directions_on_both_engines(package):
    assert "minimal-gated" in cell_names()
    cell = cell_class("minimal-gated")(3, 4, bias=False)
    encoder = recnn.Encoder(cell, num_layers=2, direction="both").double()
    assert [c.input_size for c in encoder.cells] == [3, 3, 8, 8]
    assert all(c.U.bias is None for c in encoder.cells)
    forest = recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in TREES])
    x = torch.randn(forest.num_nodes(), 3, dtype=torch.float64)
    torch.testing.assert_close(encoder(forest, x).h, encoder(forest, x, engine="dgl").h)
    network = recnn.Recurrent(cell_class("minimal-gated")(3, 4), num_layers=2, bidirectional=True)
    assert network(torch.randn(5, 2, 3))[0].shape == (5, 2, 8)


def run(package, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "recnn", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=package,
        env={**os.environ, "PYTHONPATH": f"{package}:{ROOT}"},
    )


def test_the_shell_knows_it(package):
    small = ["--input-size", 4, "--hidden-size", 3, "--arity", "sum", "--epochs", 1, "--out", "run"]
    stack = ["--cell", "minimal-gated", "--cell-option", "bias=false", "--num-layers", 2, "--direction", "both"]
    result = run(package, "train", "listops", "--count", 20, *small, *stack)
    assert (result.returncode, result.stderr) == (0, "")
    assert "best: epoch 1" in result.stdout
    (package / "gated_cells-1.0.dist-info" / "entry_points.txt").unlink()
    result = run(package, "predict", "run", "[MAX 1 2 ]")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("recnn: run/best/model.json: cell: 'minimal-gated' is not one of gru, lstm, ")


def test_the_shell_knows_the_options_of_the_published_models(tmp_path):
    small = ["--input-size", 4, "--hidden-size", 3, "--arity", 2, "--epochs", 1, "--out", tmp_path / "run"]
    options = ["--cell-option", "leaf=linear", "--cell-option", "forget_bias=1.0"]
    status, _, error = command_line.recnn("train", "listops", "--count", 20, *small, *options)
    assert (status, error) == (0, "")
    settings = json.loads((tmp_path / "run" / "best" / "model.json").read_text())
    assert settings["config"]["cell_options"] == {"leaf": "linear", "forget_bias": 1.0}
    (cell,) = [one for one in recnn.load(tmp_path / "run" / "best").modules() if isinstance(one, recnn.LSTMCell)]
    assert (cell.leaf_rule, cell.forget_bias) == ("linear", 1.0)
    status, _, error = command_line.recnn("train", "listops", "--count", 20, *small, "--cell-option", "leaf=input")
    assert status == 2
    assert "leaf must be 'cell' or 'linear', got 'input'" in " ".join(error.split())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "the cell 'broken' of gated_cells:Nothing cannot be imported: "),
        ("no-cell", "the cell 'no-cell' of json:loads is not a subclass of recnn.Cell"),
        ("other", "'other' is not one of broken, gru, lstm, matrix-vector, "),
    ],
)
def test_what_is_no_cell_is_named(package, name, message):
    with pytest.raises(ValueError, match=message) as caught:
        cell_class(name)
    assert "\n" not in str(caught.value)


class Scaled(recnn.GRUCell):
    """Forwards options."""

    def __init__(self, input_size, hidden_size, **options):
        super().__init__(input_size, hidden_size, **options)


class Named(recnn.LSTMCell):
    """Takes further arguments beside those that it forwards."""

    def __init__(self, title, *args, shown=False, **options):
        super().__init__(*args, **options)
        self.title, self.shown = title, shown


class Twice(Named):
    """Forwards everything."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)


@pytest.mark.parametrize(
    "cell",
    [
        Scaled(2, 3, arity="sum", bias=False),
        Scaled(input_size=2, hidden_size=3, reset_after=False),
        Named("x", 2, 3, "sum", peepholes=True),
        Named("x", shown=True, input_size=2, hidden_size=3, proj_size=2),
        Twice("x", 2, 3, 1, shown=True),
        Twice("x", 2, hidden_size=3),
        recnn.DropoutCell(Twice("x", 2, 3), 0.5),
        recnn.ZoneoutCell(cell=Scaled(2, 3)),
    ],
)
def test_another_cell_has_the_same_arguments_dtype_device_and_mode(cell):
    for made in (cell.double().eval(), cell.float().train(), cell.to("meta")):
        other = made.another(7)
        assert type(other) is type(made)
        assert other.input_size == 7
        shapes = {name: p.shape for name, p in other.named_parameters()}
        assert shapes.keys() == {name for name, _ in made.named_parameters()}
        for name, parameter in made.named_parameters():
            own = other.get_parameter(name)
            assert own is not parameter
            assert (own.dtype, own.device) == (parameter.dtype, parameter.device)
            assert own.shape == (parameter.shape if "weight_ih" not in name else (len(parameter), 7))
        assert (other.training, other.state_shapes()) == (made.training, made.state_shapes())
        own, theirs = (getattr(one, "cell", one) for one in (made, other))
        for name in ("title", "shown", "reset_after"):
            assert getattr(own, name, None) == getattr(theirs, name, None)
