"""Claims of the papers about their networks, and common mistakes of implementations."""

import copy
import math

import pytest
import torch
from nltk import Tree

import recnn
from recnn.graphs import _dgl

H = 3
F64 = torch.float64
torch.manual_seed(0)
by_set = [
    recnn.LSTMCell(H, H, "sum"),
    recnn.LSTMCell(H, H, "sum", peepholes=True),
    recnn.GRUCell(H, H, "sum"),
    recnn.GRUCell(H, H, "sum", reset_after=False),
    recnn.RecursiveCell(H, H, "sum"),
    recnn.RecursiveCell(H, H, "sum", leaf="untied"),
    recnn.TensorCell(H, H, "sum"),
    recnn.LabelEmbeddingCell(H, H, 4, "sum"),
]
by_position = [
    recnn.LSTMCell(H, H, 3),
    recnn.GRUCell(H, H, 3),
    recnn.RecursiveCell(H, H, 3),
    recnn.TensorCell(H, H, 3),
    recnn.LabelEmbeddingCell(H, H, 4, 3),
    recnn.UntiedRecursiveCell(H, H, 4, 3),
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def name_of(value):
    return type(value).__name__ if isinstance(value, recnn.Cell) else None


def tree(text):
    return recnn.tree_to_graph(Tree.fromstring(text))


def vectors(graph, size=H):
    """A vector for each word, the same in every tree."""
    words = [graph.vocabulary[index] if index >= 0 else "" for index in graph.ndata["word"].tolist()]
    generators = [torch.Generator().manual_seed(sum(map(ord, word))) for word in words]
    return torch.stack([torch.randn(size, dtype=F64, generator=generator) for generator in generators])


def root(cell, graph, **options):
    return recnn.propagate(cell.double(), graph, vectors(graph, cell.input_size), **options).hidden[0]


def zeroed(cell, *names):
    """The cell in float64 with these parameters 0."""
    with torch.no_grad():
        for name in names:
            getattr(cell, name).zero_()
    return cell.double()


def assert_near(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def differ(one, other):
    return (one - other).abs().max() > 1e-4


SIBLINGS = ["(S (X a) (Y b c) (Z d))", "(S (Z d) (X a) (Y b c))", "(S (X a) (Y c b) (Z d))"]


@pytest.mark.parametrize("cell", by_set, ids=name_of)
@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_child_sum_does_not_see_the_order_of_siblings(cell, engine):
    first, *others = (root(cell, relabelled(text), engine=engine) for text in SIBLINGS)
    for other in others:
        assert_near(other, first)


@pytest.mark.parametrize("cell", by_position, ids=name_of)
def test_position_sees_the_order_of_siblings(cell):
    first, *others = (root(cell, relabelled(text)) for text in SIBLINGS)
    assert all(differ(other, first) for other in others)


def relabelled(text):
    """A tree whose labels have the same indices in whatever order they occur."""
    return recnn.tree_to_graph(Tree.fromstring(text), labels=recnn.Vocabulary(["S", "X", "Y", "Z"], unknown=None))


@pytest.mark.parametrize("cell", by_position, ids=name_of)
@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_children_stand_by_slot_not_by_edge(cell, engine):
    def graph(edges, slots):
        made = _dgl.graph((edges, [0, 0, 0]))
        made.edata["slot"] = torch.tensor(slots)
        return made

    x = torch.randn(4, H, dtype=F64, generator=torch.Generator().manual_seed(0))
    cell.double()
    straight, edges_moved, slots_moved = (
        recnn.propagate(cell, graph(*case), x, engine=engine).hidden[0]
        for case in (([1, 2, 3], [0, 1, 2]), ([3, 1, 2], [2, 0, 1]), ([1, 2, 3], [2, 0, 1]))
    )
    assert_near(edges_moved, straight)
    assert differ(slots_moved, straight)


@pytest.mark.parametrize("cell", [c for c in by_position if not isinstance(c, recnn.UntiedRecursiveCell)], ids=name_of)
def test_a_missing_child_is_zero(cell):
    """With one child in slot 1 of three, the weights of slots 0 and 2 have no effect."""
    cell = copy.deepcopy(cell).double()
    graph = _dgl.graph(([1], [0]), num_nodes=2)
    graph.edata["slot"] = torch.tensor([1])
    x = torch.randn(2, H, dtype=F64, generator=torch.Generator().manual_seed(0))
    expected = recnn.propagate(cell, graph, x).hidden[0]
    wide = H + getattr(getattr(cell, "labels", None), "embedding_dim", 0)
    with torch.no_grad():
        cell.weight_hh[:, :wide] += 1  # of the children in slots 0 and 2
        cell.weight_hh[:, 2 * wide :] += 1
        assert_near(recnn.propagate(cell, graph, x).hidden[0], expected)
        cell.weight_hh[:, wide : 2 * wide] += 1
        assert differ(recnn.propagate(cell, graph, x).hidden[0], expected)


def test_a_unary_node_under_two_slots_by_hand():
    cell = recnn.RecursiveCell(H, H, 2, leaf="input").double()
    graph = tree("(S (X a b))")
    x = vectors(graph)
    below = torch.tanh(cell.weight_hh @ x[2:].flatten() + cell.bias_hh)
    above = torch.tanh(cell.weight_hh[:, :H] @ below + cell.bias_hh)
    assert_near(recnn.propagate(cell, graph, x).hidden[:2], torch.stack([above, below]))


@pytest.mark.parametrize("kind", [recnn.RecursiveCell, recnn.LSTMCell, recnn.GRUCell])
@pytest.mark.parametrize("arity", [2, "sum"])
def test_inner_inputs_count_where_they_are(kind, arity):
    cell = kind(H, H, arity).double()
    graph = tree("(S (X a b) c)")
    x = vectors(graph).requires_grad_()
    without = recnn.propagate(cell, graph, x).hidden[0]
    everywhere = torch.ones(len(x), dtype=torch.bool)
    given = recnn.propagate(cell, graph, x, has_input=everywhere).hidden[0]
    assert differ(given, without)
    inner = graph.ndata["word"] < 0
    assert (torch.autograd.grad(given.sum(), x)[0][inner] != 0).all()
    assert (torch.autograd.grad(without.sum(), x)[0][inner] == 0).all()


@pytest.mark.parametrize("arity", [1, 2, 3, "sum"])
def test_the_cell_of_a_leaf_is_gated(arity):
    """c = i ⊙ g, not W x: Tai et al. 2015, eq. 7 without children."""
    cell = recnn.LSTMCell(H, H, arity).double()
    graph = tree("(S a)")
    x = vectors(graph)
    K = cell.slots
    state = recnn.propagate(cell, graph, x)
    i, _, g, o = (cell.weight_ih @ x[0] + cell.bias_ih).split(H)
    b_i, b_g, b_o = (cell.bias_hh.split(H)[k] for k in (0, K + 1, K + 2))
    c = torch.sigmoid(i + b_i) * torch.tanh(g + b_g)
    assert_near(state.cell[0], c)
    assert_near(state.hidden[0], torch.sigmoid(o + b_o) * torch.tanh(c))


@pytest.mark.parametrize("arity", [1, 2, "sum"])
@pytest.mark.parametrize("kind", [recnn.RecursiveCell, recnn.LSTMCell])
def test_two_biases_are_one_sum_counted_once(kind, arity):
    """Only the sum b_ih + b_hh matters, at leaves and at inner nodes, with one child or several."""
    cell = kind(H, H, arity).double()
    text = "(S (X (Y a)))" if arity == 1 else "(S (X a b) (Y c))"
    before = root(cell, tree(text))
    f = 3 * H if kind is recnn.LSTMCell else 0
    with torch.no_grad():
        if f:
            cell.bias_ih += 0.5
            cell.bias_hh -= 0.5
        else:
            cell.bias_hh += cell.bias_ih
            cell.bias_ih.zero_()
        assert_near(root(cell, tree(text)), before)
        cell.bias_hh += 0.5
    assert differ(root(cell, tree(text)), before)


def test_a_node_without_a_word_keeps_its_bias():
    cell = zeroed(recnn.RecursiveCell(H, H), "weight_hh")
    graph = tree("(S a b)")
    assert_near(recnn.propagate(cell, graph, vectors(graph)).hidden[0], torch.tanh(cell.bias_ih + cell.bias_hh))


@pytest.mark.parametrize("arity", [1, 2, "sum"])
def test_the_output_peephole_sees_the_new_cell(arity):
    cell = zeroed(recnn.LSTMCell(H, H, arity, peepholes=True), "weight_hh", "peephole_i", "peephole_f")
    graph = recnn.sequence_to_graph(["a", "b"])
    x = vectors(graph)
    K = cell.slots
    before = x @ cell.weight_ih.T + cell.bias_ih
    i, f, g, o = before.split(H, dim=1)
    b = cell.bias_hh.split(H)
    i, f, g = torch.sigmoid(i + b[0]), torch.sigmoid(f + b[1]), torch.tanh(g + b[K + 1])
    old = i[0] * g[0]
    new = i[1] * g[1] + f[1] * old
    expected = torch.sigmoid(o[1] + b[K + 2] + cell.peephole_o * new) * torch.tanh(new)
    stale = torch.sigmoid(o[1] + b[K + 2] + cell.peephole_o * old) * torch.tanh(new)
    found = recnn.propagate(cell, graph, x).hidden[1]
    assert differ(expected, stale)
    assert_near(found, expected)


@pytest.mark.parametrize("arity", [1, 2, 3, "sum"])
def test_the_forget_gate_opens_with_its_bias(arity):
    """Jozefowicz et al. 2015: initially f = σ(1) for every child, by a bias of 1; the other gates have a bias of 0."""
    cell = zeroed(recnn.initialise(recnn.LSTMCell(H, H, arity), forget_bias=1), "weight_hh")
    graph = tree("(S (X a))" if arity == 1 else "(S a b)")
    x = vectors(graph)
    c = recnn.propagate(cell, graph, x).cell
    i, _, g, _ = (x[-1] @ cell.weight_ih.T).split(H)
    assert_near(c[-1], torch.sigmoid(i) * torch.tanh(g))
    assert_near(c[0], c[1:].sum(0) / (1 + math.exp(-1)))


def test_an_encoder_over_a_chain_is_an_lstm():
    T = 6
    encoder = recnn.Encoder(recnn.LSTMCell(H, H, 1), num_layers=2, direction="both").double()
    lstm = recnn.LSTM(H, H, num_layers=2, bidirectional=True, dtype=F64)
    theirs = torch.nn.LSTM(H, H, num_layers=2, bidirectional=True, dtype=F64)
    weights = {
        f"{name}_{suffix}": value
        for cell, suffix in zip(encoder.cells, ["l0", "l0_reverse", "l1", "l1_reverse"], strict=True)
        for name, value in cell.state_dict().items()
    }
    lstm.load_state_dict(weights)
    theirs.load_state_dict(weights)
    x = torch.randn(T, H, dtype=F64)
    found = encoder(recnn.sequence_to_graph(["word"] * T), x).h
    assert_near(found, lstm(x)[0])
    assert_near(found, theirs(x)[0])


def labelled(*labels):
    """A root over one node for each label."""
    graph = _dgl.graph((list(range(1, len(labels) + 1)), [0] * len(labels)))
    graph.edata["slot"] = torch.arange(len(labels))
    graph.ndata["label"] = torch.tensor([0, *labels])
    return graph


def test_untied_weights_go_by_the_pair_of_labels():
    """SU-RNN: each ordered pair of labels has its own matrix."""
    cell = recnn.UntiedRecursiveCell(H, H, num_labels=3).double()
    torch.nn.init.normal_(cell.weight_hh)
    x = torch.randn(3, H, dtype=F64)
    pairs = [(b, c) for b in (-1, 0, 1, 2) for c in (-1, 0, 1, 2)]
    used, states = set(), []
    for pair in pairs:
        h = recnn.propagate(cell, labelled(*pair), x).hidden[0]
        (gradient,) = torch.autograd.grad(h.sum(), cell.weight_hh)
        used |= {int(kind) for kind in gradient.abs().sum((1, 2)).nonzero()}
        states.append(h.detach())
        assert_near(recnn.propagate(cell, labelled(*pair), x).hidden[0], h)
    assert used == set(range(16))
    assert all(differ(one, other) for n, one in enumerate(states) for other in states[:n])


def test_untied_weights_begin_as_the_mean_of_the_children():
    """CVG: 0.5 [I I] plus noise, so h is near tanh of W x plus the mean."""
    cell = zeroed(recnn.UntiedRecursiveCell(H, H, num_labels=3), "weight_ih")
    torch.nn.init.constant_(cell.bias, 0.3)
    graph = labelled(0, 1)
    states = recnn.propagate(cell, graph, torch.zeros(3, H, dtype=F64)).hidden
    torch.testing.assert_close(states[0], torch.tanh(states[1:].mean(0) + 0.3), rtol=0, atol=0.01)


def test_a_tensor_of_zeros_is_the_plain_network():
    for options in ({}, {"leaf": "input"}):
        tensor = zeroed(recnn.TensorCell(H, H, **options), "tensor")
        plain = recnn.RecursiveCell(H, H, **options).double()
        with torch.no_grad():
            plain.weight_hh.copy_(tensor.weight_hh)
            plain.bias_hh.copy_(tensor.bias)
            if not options:
                plain.weight_ih.copy_(tensor.weight_ih)
                plain.bias_ih.zero_()
        graph = tree("(S (X a b) (Y (Z c) d))")
        assert_near(root(tensor, graph), root(plain, graph))
        with torch.no_grad():
            tensor.tensor += 1
        assert differ(root(tensor, graph), root(plain, graph))


def test_a_matrix_modifies_the_sibling_and_the_identity_nothing():
    """MV-RNN: h = tanh(W [B a; A b]); with identities for words and the mean for phrases it is the plain network."""
    cell = recnn.MatrixVectorCell(H, rank=1).double()
    plain = recnn.RecursiveCell(H, H, leaf="input").double()
    torch.nn.init.normal_(cell.weight)
    with torch.no_grad():
        cell.weight_matrix.copy_(torch.eye(H).repeat(1, 2) / 2)
        plain.weight_hh.copy_(cell.weight)
        plain.bias_hh.copy_(cell.bias)
    graph = tree("(S (X a b) (Y (Z c) d))")
    x = torch.zeros(graph.num_nodes(), cell.input_size, dtype=F64)
    x[:, :H], x[:, H : 2 * H] = vectors(graph), 1
    state = recnn.propagate(cell, graph, x)
    assert_near(state.hidden, recnn.propagate(plain, graph, vectors(graph)).hidden)
    assert_near(state.matrix, torch.eye(H, dtype=F64).expand_as(state.matrix))

    graph = tree("(S a b)")
    x = vectors(graph, cell.input_size)
    _, a, b = x[:, :H]
    d, P, Q = x[:, H : 2 * H], x[:, 2 * H : 3 * H, None], x[:, 3 * H :, None]
    _, A, B = P @ Q.mT + torch.diag_embed(d)
    assert_near(
        recnn.propagate(cell, graph, x).hidden[0], torch.tanh(cell.weight @ torch.cat([B @ a, A @ b]) + cell.bias)
    )


@pytest.mark.parametrize("arity", [1, "sum"])
def test_the_error_carousel_of_1997_neither_fades_nor_grows(arity):
    """Hochreiter and Schmidhuber 1997: with no path through the gates, dc_T / dc_0 is exactly the identity."""

    def slope(forget_gate):
        cell = zeroed(recnn.LSTMCell(H, H, arity, forget_gate=forget_gate), "weight_hh")
        graph = recnn.sequence_to_graph(["word"] * 40)
        x = torch.randn(40, H, dtype=F64)

        def last(c):
            return recnn.propagate(cell, graph, x, initial=(torch.zeros(1, H, dtype=F64), c)).cell[-1]

        return torch.autograd.functional.jacobian(last, torch.zeros(1, H, dtype=F64))[:, 0]

    assert torch.equal(slope(False), torch.eye(H, dtype=F64))
    assert slope(True).abs().max() < 1e-3


class TaisBinaryTreeLSTM(torch.nn.Module):
    """The modules of ``BinaryTreeLSTM.lua`` of treelstm, by Kai Sheng Tai: a leaf module and a composer."""

    def __init__(self, D):
        super().__init__()
        self.leaf_c, self.leaf_o = torch.nn.Linear(D, H), torch.nn.Linear(D, H)
        self.gates = torch.nn.ModuleDict(
            {f"{gate} {side}": torch.nn.Linear(H, H) for gate in ("i", "lf", "rf", "g", "o") for side in "lr"}
        )

    def forward(self, node, words):
        """The state (c, h) of a tree of words, nested pairs."""
        if isinstance(node, str):
            c = self.leaf_c(words[node])
            return c, torch.sigmoid(self.leaf_o(words[node])) * torch.tanh(c)
        (lc, lh), (rc, rh) = (self(child, words) for child in node)
        i, lf, rf, g, o = (self.gates[f"{n} l"](lh) + self.gates[f"{n} r"](rh) for n in ("i", "lf", "rf", "g", "o"))
        c = torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(lf) * lc + torch.sigmoid(rf) * rc
        return c, torch.sigmoid(o) * torch.tanh(c)

    def copy_to(self, cell):
        """Give ``cell`` the same weights."""
        zero = torch.zeros(H, dtype=F64)
        with torch.no_grad():
            nothing = torch.zeros_like(self.leaf_c.weight)
            cell.weight_ih.copy_(torch.cat([nothing, nothing, self.leaf_c.weight, self.leaf_o.weight]))
            cell.bias_ih.copy_(torch.cat([zero, zero, self.leaf_c.bias, self.leaf_o.bias]))
            sides = [torch.cat([self.gates[f"{n} {s}"].weight for n in ("i", "lf", "rf", "g", "o")]) for s in "lr"]
            cell.weight_hh.copy_(torch.cat(sides, dim=1))
            bias = [self.gates[f"{n} l"].bias + self.gates[f"{n} r"].bias for n in ("i", "lf", "rf", "g", "o")]
            i, f, g, o = cell.bias_ih.split(H)
            cell.bias_hh.copy_(torch.cat(bias) - torch.cat([i, f, f, g, o]))


def fold(cell, node, words):
    """The state (c, h) of ``BinaryTreeLSTMCell`` of TensorFlow Fold's example, a tf.contrib.rnn.BasicLSTMCell.

    Its layer over [x; h_1; h_2] gives i, j, f_1, f_2, o; words have zero states below them, and phrases the input 0.
    """
    W, U, b_ih, b_hh = (parameter.detach() for parameter in cell.parameters())
    (W_i, W_f, W_g, W_o), (b_i, b_f, b_g, b_o) = W.split(H), b_ih.split(H)
    kernel = torch.cat([torch.cat([W_i, W_g, W_f, W_f, W_o]), U.view(5, H, -1)[[0, 3, 1, 2, 4]].flatten(0, 1)], dim=1)
    bias = torch.cat([b_i, b_g, b_f, b_f, b_o]) + b_hh.view(5, H)[[0, 3, 1, 2, 4]].flatten()

    def call(x, states):
        (c0, h0), (c1, h1) = states
        i, j, f0, f1, o = (kernel @ torch.cat([x, h0, h1]) + bias).split(H)
        c = c0 * torch.sigmoid(f0 + 1.0) + c1 * torch.sigmoid(f1 + 1.0) + torch.sigmoid(i) * torch.tanh(j)
        return c, torch.tanh(c) * torch.sigmoid(o)

    zero = torch.zeros(H, dtype=F64)
    if isinstance(node, str):
        return call(words[node], [(zero, zero)] * 2)
    return call(torch.zeros(W.shape[1], dtype=F64), [fold(cell, child, words) for child in node])


SENTENCE = ((("not", "very"), "good"), ("but", (("ne", "ver"), "dull")))


def pairs(node):
    return node if isinstance(node, str) else f"(X {pairs(node[0])} {pairs(node[1])})"


@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_the_linear_leaf_is_tais(engine):
    theirs = TaisBinaryTreeLSTM(4).double()
    cell = recnn.LSTMCell(4, H, leaf="linear").double()
    theirs.copy_to(cell)
    graph = tree(pairs(SENTENCE))
    x = vectors(graph, 4)
    words = {graph.vocabulary[int(word)]: row for word, row in zip(graph.ndata["word"], x, strict=True) if word >= 0}
    expected, found = theirs(SENTENCE, words), recnn.propagate(cell, graph, x, engine=engine)
    assert_near(found.cell[0], expected[0])
    assert_near(found.hidden[0], expected[1])
    expected[1].sum().backward()
    found.hidden[0].sum().backward()
    assert_near(cell.weight_ih.grad[2 * H : 3 * H], theirs.leaf_c.weight.grad)
    assert_near(cell.weight_hh.grad[:H, H:], theirs.gates["i r"].weight.grad)
    assert not cell.weight_ih.grad[: 2 * H].any()
    usual = recnn.LSTMCell(4, H).double()
    usual.load_state_dict(cell.state_dict())
    assert differ(root(usual, graph), found.hidden[0])


@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_the_forget_bias_is_folds(engine):
    cell = recnn.LSTMCell(4, H, forget_bias=1.0).double()
    graph = tree(pairs(SENTENCE))
    x = vectors(graph, 4)
    words = {graph.vocabulary[int(word)]: row for word, row in zip(graph.ndata["word"], x, strict=True) if word >= 0}
    c, h = fold(cell, SENTENCE, words)
    found = recnn.propagate(cell, graph, x, engine=engine)
    assert_near(found.cell[0], c)
    assert_near(found.hidden[0], h)
    assert_near(recnn.propagate(cell, graph, x, engine=engine).hidden[0], h)
    without = recnn.LSTMCell(4, H).double()
    without.load_state_dict(cell.state_dict())
    assert differ(root(without, graph), h)
    assert cell.another(5).forget_bias == 1
    one = recnn.LSTMCell(4, H, 1, forget_bias=1.0).double()
    plain = recnn.LSTMCell(4, H, 1).double()
    plain.load_state_dict(one.state_dict())
    plain.bias_hh.data[H : 2 * H] += 1
    state = torch.randn(2, H, dtype=F64), torch.randn(2, H, dtype=F64)
    for found, expected in zip(one(x[:2], state), plain(x[:2], state), strict=True):  # a single step
        assert_near(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leaf": "input"}, "leaf must be 'cell' or 'linear', got 'input'"),
        ({"forget_bias": math.nan}, "forget_bias must be a finite number, got nan"),
        ({"forget_bias": True}, "forget_bias must be a finite number, got True"),
        ({"forget_bias": "1"}, "forget_bias must be a finite number, got '1'"),
        ({"forget_bias": 1.0, "coupled": True}, "forget_bias=1.0 needs forget gates with weights of their own"),
        ({"forget_bias": 1.0, "forget_gate": False}, "forget_bias=1.0 needs forget gates"),
    ],
    ids=str,
)
def test_wrong_options_of_the_published_models(options, message):
    with pytest.raises(ValueError, match=message):
        recnn.LSTMCell(2, H, **options)
