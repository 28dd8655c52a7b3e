import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree
from torch.nn.utils.rnn import pack_sequence

import recnn
from recnn.errors import GradientError
from recnn.gradients.norms import check_gradients, clip_gradients, spectral_radius
from recnn.gradients.probes import gradient_norms, gradient_times_state, watch
from tests.reference import Child, Node, _one_node
from tests.strategies import forests

D, H = 3, 4
F64 = torch.float64


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Mean(recnn.Cell):
    """A cell defined by a user, with any number of children and two layers in a step."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, arity="sum")
        self.W, self.U = (
            torch.nn.Linear(size, hidden_size, dtype=F64, bias=False) for size in (input_size, hidden_size)
        )

    def inputs(self, x):
        return self.W(x)

    def message(self, child, edges):
        seen = edges.parent.inputs.mean(1, keepdim=True) + 0.1 * edges.slot.unsqueeze(1)
        return torch.tanh(child.hidden + seen), torch.ones_like(child.hidden[:, :1])

    def reduce(self, messages, children):
        total, count = map(children.sum, messages)
        return (total / count.clamp(min=1),)

    def apply_node(self, nodes, message):
        return recnn.HiddenState(torch.sin(nodes.inputs + self.U(message[0])))


CELLS = {
    "recursive": lambda: recnn.RecursiveCell(D, H, 4),
    "input": lambda: recnn.RecursiveCell(H, H, 4, leaf="input"),
    "lstm": lambda: recnn.LSTMCell(D, H, 4, peepholes=True),
    "child-sum": lambda: recnn.LSTMCell(D, H, "sum"),
    "projected": lambda: recnn.LSTMCell(D, H, 4, proj_size=2),
    "gru": lambda: recnn.GRUCell(D, H, "sum"),
    "tensor": lambda: recnn.TensorCell(D, H, 4),
    "labels": lambda: recnn.LabelEmbeddingCell(D, H, 5, "sum"),
    "zoneout": lambda: recnn.ZoneoutCell(recnn.LSTMCell(D, H, 4)).eval(),
    "own": lambda: Mean(D, H),
}


def assert_near(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def with_probes(cell, graph, x, direction, probes):
    """The states, computed node by node, each with its probe added."""
    states, label = {}, graph.ndata["label"].tolist()
    edges = list(zip(*(ends.tolist() for ends in graph.edges()), graph.edata["slot"].tolist(), strict=True))
    before = [[] for _ in label]
    for child, parent, slot in edges:
        below, above = (child, parent) if direction == "up" else (parent, child)
        before[above].append((slot, below))
    cell = cell.prepared(1, x)
    while len(states) < len(before):
        for node, own in enumerate(before):
            if node in states or any(child not in states for _, child in own):
                continue
            children = [Child(slot, states[child], label[child], not before[child]) for slot, child in sorted(own)]
            found = _one_node(cell, Node(x[node] if graph.ndata["word"][node] >= 0 else None, label[node], children))
            states[node] = tuple(part + zeros[node] for part, zeros in zip(found, probes, strict=True))
    return torch.stack([states[node][0] for node in range(len(before))])


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("name", CELLS)
@settings(max_examples=3, deadline=None)
@given(trees=forests)
def test_over_trees_as_node_by_node(name, direction, trees):
    cell = CELLS[name]().double()
    graph = recnn.batch([recnn.tree_to_graph(tree) for tree in trees])
    x = torch.randn(graph.num_nodes(), cell.input_size, dtype=F64)
    x[graph.ndata["word"] < 0] = math.nan  # inputs that must not be used
    probes = [torch.zeros(len(x), *shape, dtype=F64, requires_grad=True) for shape in cell.state_shapes()]
    states = with_probes(cell, graph, x, direction, probes)
    end = (graph.out_degrees() if direction == "up" else graph.in_degrees()) == 0
    squares = [0.0] * len(probes)
    for entry in states[end].sum(0):
        found = torch.autograd.grad(entry, probes, retain_graph=True, materialize_grads=True)
        squares = [total + part.square().flatten(1).sum(1) for total, part in zip(squares, found, strict=True)]
    (norms,) = gradient_norms(recnn.Encoder(cell, direction=direction), graph, x)
    assert list(norms.norms) == list(cell.State._fields)
    for found, total in zip(norms.norms.values(), squares, strict=True):
        assert_near(found, total.sqrt())


def test_distances_in_trees():
    graph = recnn.tree_to_graph(Tree.fromstring("(S (X a (Y b c)) d)"))  # S, X, d, a, Y, b, c
    cell = recnn.RecursiveCell(D, H)
    x = torch.randn(7, D)
    (up,) = gradient_norms(cell, graph, x)
    (down,) = gradient_norms(recnn.Encoder(cell, direction="down"), graph, x)
    assert up.distance.tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert down.distance.tolist() == [3, 2, 0, 0, 1, 0, 0]
    assert (up.where, down.where) == ("layer 0, up", "layer 0, down")
    means = torch.stack([up.norms["hidden"][up.distance == distance].mean() for distance in range(4)])
    assert_near(up.by_distance(), means)


def unrolled(cells, x, probes):
    """One bidirectional layer, computed with cells of torch.nn."""
    both = []
    for cell, probe, time in zip(cells, probes, (range(len(x)), reversed(range(len(x)))), strict=True):
        state, found = None, {}
        for t in time:
            made = cell(x[t], state)
            state = tuple(
                part + p[t] for part, p in zip(made if isinstance(made, tuple) else (made,), probe, strict=True)
            )
            found[t], state = state[0], state if len(state) == 2 else state[0]
        both.append(torch.stack([found[t] for t in range(len(x))]))
    return torch.cat(both, dim=2)


@pytest.mark.parametrize(
    ("kind", "their_cell", "fields"),
    [
        (recnn.RNN, torch.nn.RNNCell, ["hidden"]),
        (recnn.LSTM, torch.nn.LSTMCell, ["hidden", "cell"]),
        (recnn.GRU, torch.nn.GRUCell, ["hidden"]),
    ],
)
def test_over_time_as_an_explicit_loop(kind, their_cell, fields):
    T, B = 6, 2
    network = kind(D, H, 2, bidirectional=True, dtype=F64)
    theirs = [their_cell(size, H, dtype=F64) for size in (D, D, 2 * H, 2 * H)]
    for one, other in zip(theirs, network.encoder.cells, strict=True):
        one.load_state_dict(other.state_dict())
    x = torch.randn(T, B, D, dtype=F64)
    probes = [[torch.zeros(T, B, H, dtype=F64, requires_grad=True) for _ in fields] for _ in theirs]
    output = unrolled(theirs[2:], unrolled(theirs[:2], x, probes[:2]), probes[2:])
    late = torch.cat([output[-1, :, :H], output[0, :, H:]], dim=1).sum(0)
    flat = [probe for of_cell in probes for probe in of_cell]
    squares = sum(
        torch.stack([g.square().sum(2) for g in torch.autograd.grad(entry, flat, retain_graph=True)]) for entry in late
    )
    found = gradient_norms(network, x)
    assert [norms.where for norms in found] == [f"layer {i}, {way}" for i in (0, 1) for way in ("up", "down")]
    assert found[0].distance.tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert found[1].distance.tolist() == found[0].distance.tolist()[::-1]
    norms = torch.stack([norms.norms[field].view(T, B) for norms in found for field in fields])
    assert_near(norms, squares.sqrt())
    ours = gradient_norms(network, x, late=lambda result: result[0].square().sum())
    loss = torch.autograd.grad(output.square().sum(), flat)
    norms = torch.stack([norms.norms[field].view(T, B) for norms in ours for field in fields])
    assert_near(norms, torch.stack([gradient.norm(dim=2) for gradient in loss]))


def test_gradient_times_state_as_an_explicit_loop():
    network, theirs = recnn.LSTM(D, H, dtype=F64), torch.nn.LSTMCell(D, H, dtype=F64)
    theirs.load_state_dict(network.encoder.cells[0].state_dict())
    x, w = torch.randn(5, 1, D, dtype=F64), torch.randn(H, dtype=F64)
    probes, states, state = torch.zeros(5, 2, 1, H, dtype=F64, requires_grad=True), [], None
    for step, probe in zip(x, probes, strict=True):
        state = tuple(part + zeros for part, zeros in zip(theirs(step, state), probe, strict=True))
        states.append(torch.stack(state))
    (gradient,) = torch.autograd.grad(states[-1][0, 0] @ w, probes)
    (found,) = gradient_times_state(network, x, late=lambda result: result[0][-1, 0] @ w)
    assert_near(found, (torch.stack(states) * gradient).sum((1, 2, 3)))


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=10, deadline=None)
def test_packed_sequences_are_as_each_by_itself(lengths):
    network = recnn.GRU(D, H, dtype=F64)
    sequences = [torch.randn(length, D, dtype=F64) for length in sorted(lengths, reverse=True)]
    (together,) = gradient_norms(network, pack_sequence(sequences))
    for number, sequence in enumerate(sequences):
        (alone,) = gradient_norms(network, sequence)
        steps = range(len(sequence))  # packed: step s comes after all earlier steps of all sequences
        rows = [sum(len(other[:s]) for other in sequences) + number for s in steps]
        assert together.distance[rows].tolist() == alone.distance.tolist()
        assert_near(together.norms["hidden"][rows], alone.norms["hidden"])


def test_relu_and_the_identity_keep_a_gradient_whole():
    """Le, Jaitly and Hinton 2015: while all units are positive, every Jacobian is the identity."""
    network = recnn.initialise(recnn.RNN(D, H, nonlinearity="relu"), recurrent="identity", bias=0.1)
    x = torch.zeros(30, D)
    (frobenius,), (spectral,) = gradient_norms(network, x), gradient_norms(network, x, norm="spectral")
    assert_near(frobenius.by_distance(), torch.full((30,), H**0.5, dtype=F64))
    assert_near(spectral.by_distance(), torch.ones(30, dtype=F64))


def test_tiny_gradients_are_not_zero():
    network = recnn.RNN(1, 1)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.encoder.cells[0].weight_hh.data.fill_(1e-5)
    (norms,) = gradient_norms(network, torch.zeros(6, 1))
    torch.testing.assert_close(norms.by_distance().log10(), torch.arange(0, -30, -5, dtype=F64))


def test_spectral_is_the_largest_singular_value():
    network, x = recnn.RNN(D, H, dtype=F64), torch.randn(2, D, dtype=F64)
    (norms,) = gradient_norms(network, x, norm="spectral")
    states, _ = network(x)
    jacobian = (1 - states[1] ** 2).unsqueeze(1) * network.weight_hh_l0
    assert_near(norms.norms["hidden"][0], torch.linalg.svdvals(jacobian.detach())[0])
    with pytest.raises(ValueError, match="'nuclear'"):
        gradient_norms(network, x, norm="nuclear")


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = recnn.RNN(D, H, dtype=F64)
        self.sentences = recnn.LSTM(H, H, dtype=F64)
        self.head = torch.nn.Linear(H, 2, dtype=F64)

    def forward(self, x):
        return self.head(self.sentences(self.words(x)[0])[0][-1])


def test_any_module_with_networks_inside():
    model, x = Classifier(), torch.randn(5, D, dtype=F64)
    before = model(x)
    found = gradient_norms(model, x, late=lambda scores: scores)
    assert [norms.where for norms in found] == ["words.encoder, layer 0, up", "sentences.encoder, layer 0, up"]
    torch.testing.assert_close(found[1].norms["hidden"][-1], model.head.weight.norm())
    assert torch.equal(model(x), before)
    assert not any("run" in vars(module) for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_network_whose_states_cannot_be_seen():
    with pytest.raises(ValueError, match=r"contains a recnn\.Encoder, got a LSTM without one"):
        gradient_norms(torch.nn.LSTM(D, H), torch.randn(2, D))


def message(network, run, **limits):
    with pytest.raises(GradientError) as error, watch(network, **limits):
        run()
    assert not any("run" in vars(module) for module in network.modules())
    return str(error.value)


@pytest.mark.parametrize("kind", [recnn.RNN, recnn.LSTM, recnn.GRU])
def test_the_first_bad_state_is_named(kind):
    network, x = kind(D, H, 2), torch.randn(9, 2, D)
    x[4, 1, 0] = math.nan
    assert message(network, lambda: network(x)) == "layer 0, up, step 4, node 9: hidden is nan"
    x[4, 1, 0] = 1
    with torch.no_grad():
        network.encoder.cells[1].weight_ih[0, 0] = math.nan
    assert message(network, lambda: network(x)) == "layer 1, up, step 0, node 0: hidden is nan"


def test_the_first_long_state_is_named():
    network = recnn.initialise(recnn.RNN(1, 1, nonlinearity="relu"), recurrent="identity", bias=0)
    with torch.no_grad():
        network.encoder.cells[0].weight_hh.mul_(2)
        network.encoder.cells[0].bias_ih.fill_(1)
    found = message(network, lambda: network(torch.zeros(20, 1)), max_state=1000)
    assert found == "layer 0, up, step 9, node 9: the norm of hidden is 1e+03, over 1000"  # 2^10 - 1


@pytest.mark.parametrize("place", [3, 8])
def test_the_first_bad_gradient_is_named(place):
    network, x = recnn.LSTM(D, H, 2), torch.randn(9, D)

    def run():
        output, _ = network(x)
        (output[place] * math.inf).sum().backward()

    assert message(network, run) == f"layer 1, up, step {place}, node {place}: the gradient of hidden is inf"


def test_an_exploding_gradient_is_named_where_it_passes_the_limit():
    network = recnn.initialise(recnn.RNN(1, 1, nonlinearity="relu"), recurrent="identity", bias=0)
    with torch.no_grad():
        network.encoder.cells[0].weight_hh.mul_(2)
        network.encoder.cells[0].bias_ih.fill_(1)
    found = message(network, lambda: network(torch.zeros(20, 1))[0][-1].sum().backward(), max_gradient=1000)
    assert found == "layer 0, up, step 9, node 9: the norm of the gradient of hidden is 1e+03, over 1000"


def test_over_trees_a_step_is_a_height_or_a_depth():
    graph = recnn.tree_to_graph(Tree.fromstring("(S (X a (Y b c)) d)"))  # S, X, d, a, Y, b, c
    encoder, x = recnn.Encoder(recnn.GRUCell(D, H), direction="both"), torch.randn(7, D)
    x[5] = math.inf
    assert message(encoder, lambda: encoder(graph, x)).startswith("layer 0, up, step 0, node 5: hidden is ")
    encoder = recnn.Encoder(recnn.GRUCell(D, H), direction="down")
    assert message(encoder, lambda: encoder(graph, x)).startswith("layer 0, down, step 3, node 5: hidden is ")


def test_a_sound_network_is_let_through_with_the_same_gradients():
    network, x = recnn.LSTM(D, H, 2, bidirectional=True, dtype=F64), torch.randn(9, 2, D, dtype=F64)
    network(x)[0].square().sum().backward()
    expected = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    with watch(network, max_state=100, max_gradient=1e6):
        network(x)[0].square().sum().backward()
        with torch.no_grad():
            network(x)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert_near(parameter.grad, gradient)


def test_what_a_cell_draws_for_a_walk_is_drawn():
    network, x = recnn.LSTM(D, H, recurrent_dropout=0.5, dtype=F64), torch.randn(9, 2, D, dtype=F64)
    torch.manual_seed(1)
    expected, _ = network(x)
    torch.manual_seed(1)
    with watch(network):
        assert_near(network(x)[0], expected)


def test_at_the_end_parameters_are_looked_at():
    network = recnn.RNN(D, H)
    head = torch.nn.Linear(H, 1)
    model = torch.nn.ModuleDict({"network": network, "head": head})

    def run():
        head(network(torch.randn(4, D))[0]).sum().backward()
        head.bias.grad.mul_(math.inf)

    assert message(model, run) == "head.bias: its gradient is inf"
    head.bias.grad.fill_(-30)
    with pytest.raises(GradientError, match=r"^bias: the norm of its gradient is 30, over 20$"):
        check_gradients(head, 20)
    check_gradients(head, 1e6)


def test_watched_twice():
    network = recnn.RNN(D, H)
    with watch(network), pytest.raises(RuntimeError, match="already"), watch(network):
        pass
    network(torch.randn(2, D))


def test_spectral_radius_of_a_matrix():
    rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert spectral_radius(3 * rotation) == pytest.approx(3)
    assert spectral_radius(torch.tensor([[0.5, 100.0], [0.0, -0.25]])) == pytest.approx(0.5)


def test_spectral_radius_of_each_recurrent_matrix():
    tree = recnn.initialise(recnn.Encoder(recnn.LSTMCell(D, H, 2)), recurrent="orthogonal")
    found = spectral_radius(tree)
    gates = [f"{gate}, child {k}" for gate in ("i", "f0", "f1", "g", "o") for k in (0, 1)]
    assert list(found) == [f"cells.0.weight_hh[{gate}]" for gate in gates]
    assert list(found.values()) == pytest.approx([1] * 10, abs=1e-5)
    theirs, ours = torch.nn.LSTM(D, H), recnn.LSTM(D, H)
    ours.load_state_dict(theirs.state_dict())
    assert list(spectral_radius(theirs)) == [f"weight_hh_l0[{gate}]" for gate in "ifgo"]
    assert list(spectral_radius(ours).values()) == list(spectral_radius(theirs).values())
    assert list(spectral_radius(recnn.GRUCell(D, H, 1))) == [f"weight_hh[{gate}]" for gate in "rzn"]
    assert list(spectral_radius(recnn.RecursiveCell(D, H, 1))) == ["weight_hh"]
    assert list(spectral_radius(recnn.LabelEmbeddingCell(D, H, 5, 2))) == [
        "weight_hh[child 0]",
        "weight_hh[child 1]",
    ]
    assert spectral_radius(recnn.LSTMCell(D, H, 1, proj_size=2)) == {}


def clipped(*gradients, max_norm):
    parameters = [torch.nn.Parameter(torch.zeros(gradient.shape)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    norm = clip_gradients([*parameters, torch.nn.Parameter(torch.zeros(1))], max_norm)
    return [parameter.grad for parameter in parameters], norm


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipping_is_torchs(largest):
    gradients = [torch.randn(3, 4), torch.randn(5)]
    found, norm = clipped(*gradients, max_norm=largest)
    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    expected = torch.nn.utils.clip_grad_norm_(parameters, largest)
    torch.testing.assert_close(norm, expected)
    torch.testing.assert_close(found, [parameter.grad for parameter in parameters])


def test_clipping_takes_sparse_gradients_with_rows_that_came_twice():
    with torch.sparse.check_sparse_tensor_invariants(False):
        sparse = torch.sparse_coo_tensor([[1, 4, 1]], torch.randn(3, 2), (6, 2))
        found, norm = clipped(sparse, torch.ones(3), max_norm=0.1)
        dense, expected = clipped(sparse.to_dense(), torch.ones(3), max_norm=0.1)
        torch.testing.assert_close(norm, expected)
        assert found[0].is_sparse
        torch.testing.assert_close([found[0].to_dense(), found[1]], dense)


def test_clipping_nothing():
    assert clip_gradients([torch.nn.Parameter(torch.ones(2))], 1.0) == 0
    (gradient,), norm = clipped(torch.tensor([math.nan, 2.0]), max_norm=0.1)
    assert norm.isnan()
    assert gradient[1] == 2
