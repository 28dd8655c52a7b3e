"""Recurrent dropout, zoneout and layer normalisation, in training and evaluation."""

import pytest
import torch
from nltk import Tree

import recnn

F64 = torch.float64


def forest():
    trees = ["(S (NP the boy) (VP saw (NP her duck)))", "(S she slept)"]
    return recnn.batch([recnn.tree_to_graph(Tree.fromstring(text)) for text in trees])


def on(graph, cell, seed=1, **options):
    torch.manual_seed(seed)
    x = torch.ones(graph.num_nodes(), cell.input_size, dtype=F64)
    return recnn.propagate(cell, graph, x, **options)


@pytest.mark.parametrize("inner", [recnn.LSTMCell(2, 3, "sum"), recnn.GRUCell(2, 3), recnn.RecursiveCell(2, 3)])
def test_after_training_dropout_is_gone(inner):
    cell = recnn.DropoutCell(inner, 0.5).double().eval()
    assert torch.equal(on(forest(), cell).hidden, on(forest(), inner).hidden)
    assert not torch.equal(on(forest(), cell.train()).hidden, on(forest(), inner).hidden)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_one_seed_one_mask_on_both_engines(direction):
    cell = recnn.DropoutCell(recnn.LSTMCell(2, 3), 0.5).double()
    one, other = (on(forest(), cell, direction=direction, engine=engine) for engine in ("levels", "dgl"))
    torch.testing.assert_close(one.hidden, other.hidden, rtol=0, atol=1e-12)
    assert not torch.equal(one.hidden, on(forest(), cell, seed=2, direction=direction).hidden)


class Chosen(recnn.RecursiveCell):
    """h = 1 + the sum of the children, so that a state shows the entries that were not dropped."""

    def apply_node(self, nodes, message):
        return recnn.HiddenState(nodes.inputs.new_ones(len(nodes.inputs), self.hidden_size) + message[0])


def test_variational_dropout_drops_the_same_entries_all_over_a_tree():
    graph = recnn.batch([recnn.sequence_to_graph(["a"] * 4)] * 200)
    states = on(graph, recnn.DropoutCell(Chosen(1, 8, "sum").double(), 0.5)).hidden.view(200, 4, 8)
    second = states[:, 1] - 1  # 0 or 1 / (1 - p)
    assert set(second.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(states[:, 2] - 1, second * states[:, 1])
    assert torch.equal(states[:, 3] - 1, second * states[:, 2])
    assert 0.4 < (second == 0).double().mean() < 0.6
    assert not torch.equal(second[0], second[1])


def test_other_dropout_draws_anew_at_every_step():
    graph = recnn.batch([recnn.sequence_to_graph(["a"] * 3)] * 200)
    states = on(graph, recnn.DropoutCell(Chosen(1, 8, "sum").double(), 0.25, variational=False)).hidden.view(200, 3, 8)
    first, second = (states[:, t] == 1 for t in (1, 2))
    assert 0.2 < first.double().mean() < 0.3
    assert 0.2 < second.double().mean() < 0.3
    assert not torch.equal(first, second)


def test_memory_cells_are_not_dropped():
    inner = recnn.LSTMCell(2, 3, 1).double()
    torch.nn.init.zeros_(inner.weight_hh)  # only c passes from step to step
    graph = recnn.sequence_to_graph(list("abc"))
    torch.testing.assert_close(on(graph, recnn.DropoutCell(inner, 1.0)).cell, on(graph, inner).cell, rtol=0, atol=1e-12)


def test_single_steps_with_a_prepared_cell_equal_the_walk():
    cell = recnn.DropoutCell(recnn.GRUCell(2, 3, 1), 0.5).double()
    x = torch.randn(4, 5, 2, dtype=F64)
    torch.manual_seed(3)
    expected, _ = recnn.Recurrent(cell)(x)
    torch.manual_seed(3)
    step, h = cell.prepared(5, x), None
    for t in range(4):
        h = step(x[t], h)
        torch.testing.assert_close(h, expected[t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inner", [recnn.LSTMCell(2, 3, 1), recnn.LSTMCell(2, 3), recnn.GRUCell(2, 3, "sum")])
def test_zoneout_at_its_ends(inner, training):
    never = recnn.ZoneoutCell(inner, 0.0, 0.0).double().train(training)
    graph = recnn.sequence_to_graph(list("abc")) if inner.arity == 1 else forest()
    torch.testing.assert_close(on(graph, never).hidden, on(graph, inner).hidden, rtol=0, atol=1e-12)
    always = recnn.ZoneoutCell(inner, 1.0, 1.0).double().train(training)
    assert not on(graph, always).hidden.any()  # leaves stay at the 0 before them


def test_zoneout_after_training_is_the_expected_state():
    inner = recnn.LSTMCell(2, 3, 1).double()
    cell = recnn.ZoneoutCell(inner, 0.25, 0.75).eval()
    x, h, c = torch.randn(4, 2, dtype=F64), torch.zeros(3, dtype=F64), torch.zeros(3, dtype=F64)
    found = recnn.propagate(cell, recnn.sequence_to_graph(list("abcd")), x)
    for t in range(4):
        new_h, new_c = inner(x[t], (h, c))
        h, c = 0.25 * h + 0.75 * new_h, 0.75 * c + 0.25 * new_c
        torch.testing.assert_close(found.hidden[t], h, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.cell[t], c, rtol=0, atol=1e-12)


def test_zoneout_in_training_keeps_a_share_of_the_entries():
    inner = recnn.LSTMCell(2, 400, 1).double()
    state = tuple(torch.randn(50, 400, dtype=F64) for _ in range(2))
    torch.manual_seed(0)
    new = recnn.ZoneoutCell(inner, 0.2, 0.6)(torch.randn(50, 2, dtype=F64), state)
    shares = [(now == before).double().mean().item() for now, before in zip(new, state, strict=True)]
    assert shares == pytest.approx([0.2, 0.6], abs=0.02)


def test_gradients_pass():
    graph = forest()
    x = torch.randn(graph.num_nodes(), 2, dtype=F64, requires_grad=True)
    cell = recnn.ZoneoutCell(recnn.DropoutCell(recnn.LSTMCell(2, 3), 0.5), 0.3, 0.3).double()

    def states(x):
        torch.manual_seed(0)
        return recnn.propagate(cell, graph, x).hidden

    assert torch.autograd.gradcheck(states, (x,))


@pytest.mark.parametrize("kind", [recnn.RNN, recnn.LSTM, recnn.GRU])
def test_the_sequence_faces_take_them(kind):
    torch.manual_seed(0)
    plain = kind(3, 4, 2, bidirectional=True, engine="levels")
    model = kind(3, 4, 2, bidirectional=True, recurrent_dropout=0.3, zoneout=0.1)
    assert list(model.state_dict()) == list(plain.state_dict())
    model.load_state_dict(plain.state_dict())
    assert torch.equal(model.weight_hh_l1_reverse, plain.weight_hh_l1_reverse)
    x = torch.randn(5, 2, 3)
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])
    assert not torch.allclose(model(x)[0], plain(x)[0])  # zoneout averages
    only_dropout = kind(3, 4, 2, bidirectional=True, recurrent_dropout=0.3).eval()
    only_dropout.load_state_dict(plain.state_dict())
    assert torch.equal(only_dropout(x)[0], plain(x)[0])


@pytest.mark.parametrize("kind", [recnn.RNN, recnn.LSTM, recnn.GRU])
def test_layer_norm_forgets_the_scale_of_its_inputs(kind):
    torch.manual_seed(0)
    model = kind(30, 40, layer_norm=True, bias=False).double()
    x = torch.randn(5, 2, 30, dtype=F64)
    torch.testing.assert_close(model(x)[0], model(100 * x)[0], rtol=0, atol=1e-3)
    assert not torch.allclose(model(x)[0], kind(30, 40, bias=False).double()(x)[0], atol=1e-2)
    assert "gain_hh_l0" in model.state_dict()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recnn.DropoutCell(recnn.GRUCell(2, 3), 1.5), "dropout must be a probability, got 1.5"),
        (lambda: recnn.ZoneoutCell(recnn.GRUCell(2, 3), -1), "hidden must be a probability, got -1"),
        (lambda: recnn.LSTM(2, 3, recurrent_dropout=1.5), "recurrent_dropout must be a probability, got 1.5"),
        (lambda: recnn.LSTM(2, 3, zoneout=True), "zoneout must be a probability, got True"),
        (lambda: recnn.GRU(2, 3, zoneout=(0.1, 0.2)), "zoneout must be a probability, or one for each of hidden, got"),
        (lambda: recnn.GRU(2, []), "hidden_size must not be an empty list"),
        (lambda: recnn.RecursiveCell(3, 3, leaf="input", layer_norm=True), "layer_norm=True takes leaf='cell'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
