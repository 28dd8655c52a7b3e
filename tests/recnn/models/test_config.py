"""Configurations: invalid ones, and cells defined by a user."""

import pytest
import torch
from nltk import Tree
from torch import nn

import recnn
from recnn import Cell, TreeClassifier, TreeConfig, Vocabulary
from recnn.models.config import NetworkConfig, PhraseNetworkConfig
from recnn.settings import as_json, settings_of

torch.set_num_threads(1)
TREE = Tree.fromstring("(S (NP her duck) (VP (V saw) (NP (NP a) (X b c))))")
VOCABULARY = Vocabulary(["her", "duck", "a", "b"])


class Mean(Cell, name="mean"):
    """h = tanh(s W x + the mean of the children's states)."""

    def __init__(self, input_size, hidden_size, arity="sum", scale=1.0):
        super().__init__(input_size, hidden_size, arity)
        self.W = nn.Linear(input_size, hidden_size)
        self.scale = scale

    def inputs(self, x):
        return self.scale * self.W(x)

    def message(self, child, edges):
        return child.hidden, torch.ones_like(child.hidden[:, :1])

    def reduce(self, messages, children):
        return tuple(map(children.sum, messages))

    def apply_node(self, nodes, message):
        total, count = message
        return recnn.HiddenState(torch.tanh(nodes.inputs + total / count.clamp(min=1)))


def test_a_cell_of_ones_own_is_saved_and_loaded(tmp_path, monkeypatch):
    options = {"cell": "mean", "cell_options": {"scale": 0.5}, "arity": "sum", "input_size": 3, "hidden_size": 4}
    made = TreeClassifier(TreeConfig(("a", "b"), **options), VOCABULARY).eval()
    (cell,) = made.encoder.network.cells
    assert isinstance(cell, Mean)
    assert cell.scale == 0.5
    # By hand, from the leaves to the root.
    W, b, vectors = cell.W.weight, cell.W.bias, made.encoder.words.embedding.weight

    def state(node):
        if isinstance(node, str) or (len(node) == 1 and isinstance(node[0], str)):
            word = VOCABULARY.index(node if isinstance(node, str) else node[0])
            return torch.tanh(0.5 * (W @ vectors[word] + b))
        return torch.tanh(sum(map(state, node)) / len(node))

    p = (made.head.linear(state(TREE))).softmax(0)
    torch.testing.assert_close(made.probabilities([TREE])[0][0], p.detach())
    made.save(tmp_path / "model")
    found = recnn.load(tmp_path / "model")
    assert found.config == made.config
    torch.testing.assert_close(found.probabilities([TREE]), made.probabilities([TREE]), rtol=0, atol=0)
    monkeypatch.delitem(Cell.registry, "mean")
    with pytest.raises(recnn.ModelError, match=r"model\.json: cell: 'mean' is not one of gru, lstm, ") as caught:
        recnn.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_name_is_given_once_but_for_the_same_class_again(monkeypatch):
    monkeypatch.setattr(Cell, "registry", dict(Cell.registry))
    with pytest.raises(ValueError, match=r"the name 'lstm' is taken by recnn\.cells\.lstm\.LSTMCell"):

        class Other(recnn.GRUCell, name="lstm"):
            pass

    def defined():
        class Again(recnn.GRUCell, name="again"):
            pass

        return Again

    defined()
    assert defined() is recnn.cells.cell_class("again")  # as in a notebook cell that is run twice


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"cell_options": {"peepholes": True}}, recnn.LSTMCell),
        ({"cell": "gru", "arity": "sum"}, recnn.GRUCell),
        ({"cell": "recursive", "cell_options": {"leaf": "input"}, "hidden_size": 300}, recnn.RecursiveCell),
        ({"cell": "tensor", "arity": 3}, recnn.TensorCell),
        ({"cell": "matrix-vector"}, recnn.MatrixVectorCell),
        ({"recurrent_dropout": 0.1}, recnn.DropoutCell),
    ],
)
def test_the_cells_that_have_a_name(options, kind):
    config = PhraseNetworkConfig(**{"hidden_size": 6, **options})
    cell = config.phrase_cell()
    assert type(cell) is kind
    assert cell.arity == config.arity
    assert settings_of(PhraseNetworkConfig, as_json(config)) == config
    if config.cell != "matrix-vector":
        assert PhraseNetworkConfig(**{"hidden_size": 6, **options, "model": "sequence"}).phrase_cell().slots == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "sequence", "direction": "down"}, "has no direction 'down'"),
        ({"cell": "matrix-vector", "num_layers": 2}, "has an input size of its own: it takes one layer"),
        ({"cell": "matrix-vector", "arity": 3}, "takes an arity of 2, not 3"),
        ({"cell": "matrix-vector", "model": "sequence"}, "takes an arity of 2, not 1"),
        ({"cell": "recursive", "cell_options": {"leaf": "input"}}, "leaf='input' needs input_size == hidden_size"),
        ({"cell": "conv"}, "cell: 'conv' is not one of gru, lstm, matrix-vector, "),
        ({"cell_options": {"colour": 1}}, "cell_options: the cell 'lstm' has no option 'colour'"),
        ({"cell_options": {"hidden_size": 1}}, "cell_options: the cell 'lstm' has no option 'hidden_size'"),
        ({"arity": 0}, "arity"),
        ({"arity": "some"}, "arity"),
        ({"num_layers": True}, "num_layers"),
        ({"hidden_size": 1.0}, "hidden_size"),
        ({"dropout": 1.0}, "dropout"),
        ({"labels": ("a",)}, "at least two different strings"),
        ({"labels": ("a", "a")}, "at least two different strings"),
        ({"labels": ("a", "")}, "at least two different strings"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_configurations(options, message):
    with pytest.raises(ValueError, match=message):
        TreeConfig(**{"labels": ("a", "b"), **options})


def test_a_network_asks_for_no_arity():
    cell = NetworkConfig(cell="gru", hidden_size=3).make_cell(2)
    assert (cell.arity, cell.input_size, cell.hidden_size) == (1, 2, 3)
