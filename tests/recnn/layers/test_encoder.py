from itertools import chain

import dgl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import Tree
from torch.nn.utils.rnn import pack_sequence

import recnn
from tests.strategies import forests

MERGES = {
    "concat": lambda up, down: torch.cat([up, down], 1),
    "sum": lambda up, down: up + down,
    "mul": lambda up, down: up * down,
    "ave": lambda up, down: (up + down) / 2,
    "none": lambda up, down: torch.stack([up, down], 1),
}
FOREST = [
    Tree.fromstring("(S (NP (Det the) (Noun boy)) (VP saw (NP her) duck))"),
    Tree.fromstring("(X duck)"),
    Tree.fromstring("(S (S (S her duck) (X (X a))) b)"),
]


def close(found, expected, atol=1e-12):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def forest_and_inputs(trees=FOREST, size=3, seed=0):
    graph = recnn.batch([recnn.tree_to_graph(tree) for tree in trees])
    torch.manual_seed(seed)
    return graph, torch.randn(graph.num_nodes(), size, dtype=torch.float64)


def chains_of(lengths):
    """Plain DGL graphs of chains, without slots or words."""
    return dgl.batch([dgl.graph((torch.arange(n - 1), torch.arange(1, n)), num_nodes=n) for n in lengths])


def by_hand(encoder, graph, x, initial=None):
    """The states of an encoder, computed layer by layer with `recnn.propagate`."""
    ways, merge = encoder.directions, MERGES[encoder.merge]
    apart = len(ways) == 2 and (encoder.independent or encoder.merge == "none")
    read, everywhere = [x] * len(ways), torch.ones(len(x), dtype=torch.bool)
    cells, before = iter(encoder.cells), iter(initial or [None] * len(encoder.cells))
    for layer in range(encoder.num_layers):
        states = [
            recnn.propagate(next(cells), graph, rows, way, next(before), has_input=everywhere if layer else None)
            for way, rows in zip(ways, read, strict=True)
        ]
        wrote = [state.hidden for state in states]
        if len(ways) == 2 and not apart:
            wrote = [merge(*wrote)] * 2
        if encoder.residual and layer:
            wrote = [w + r if w.shape == r.shape else w for w, r in zip(wrote, read, strict=True)]
        read = wrote
    rest = list(zip(*states, strict=True))[1:]
    return merge(*read) if apart else read[0], *(merge(*parts) if len(ways) == 2 else parts[0] for parts in rest)


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_layers_are_walks_one_after_the_other(direction, merge, independent):
    graph, x = forest_and_inputs()
    for layers in (1, 2, 3):
        for residual in (False, True):
            cell = recnn.LSTMCell(3, 3, arity=3)
            encoder = recnn.Encoder(cell, layers, direction, merge, independent, residual).double()
            assert len({id(one) for one in encoder.cells}) == layers * (2 if direction == "both" else 1)
            found = encoder(graph, x)
            hidden, c = by_hand(encoder, graph, x)
            close(found.h, hidden)
            close(found.c, c)
            wide = {"concat": (6,), "none": (2, 3)}.get(merge, (3,)) if direction == "both" else (3,)
            assert found.h.shape == (graph.num_nodes(), *wide)
            close(found.roots, hidden[graph.out_degrees() == 0])


def test_a_residual_layer_adds_what_it_read():
    graph, x = forest_and_inputs()
    plain = recnn.Encoder(recnn.GRUCell(3, 3, 3), 2).double()
    residual = recnn.Encoder(recnn.GRUCell(3, 3, 3), 2, residual=True).double()
    residual.load_state_dict(plain.state_dict())
    first = recnn.propagate(plain.cells[0], graph, x).hidden
    close(residual(graph, x).h, plain(graph, x).h + first)
    widening = recnn.Encoder([recnn.GRUCell(3, 3, 3), recnn.GRUCell(3, 4, 3)], residual=True).double()
    close(widening(graph, x).h, by_hand(widening, graph, x)[0])


@settings(deadline=None, max_examples=12)
@given(
    forests,
    st.sampled_from([recnn.LSTMCell, recnn.GRUCell, recnn.RecursiveCell, recnn.TensorCell]),
    st.sampled_from([4, "sum"]),
    st.sampled_from(["up", "down", "both"]),
    st.sampled_from(sorted(MERGES)),
    st.booleans(),
)
def test_both_engines_agree(trees, kind, arity, direction, merge, residual):
    graph, x = forest_and_inputs(trees, 2)
    encoder = recnn.Encoder(kind(2, 2, arity), 2, direction, merge, residual=residual).double()
    levels, reference = encoder(graph, x), encoder(graph, x, engine="dgl")
    for fast, slow in zip(levels.state, reference.state, strict=True):
        close(fast, slow)
    for fast, slow in zip(chain(*levels.layers), chain(*reference.layers), strict=True):
        assert [part.shape for part in fast] == [part.shape for part in slow]
        close(fast.hidden, slow.hidden)


def test_later_layers_read_nodes_without_words():
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(recnn.RecursiveCell(3, 3, 3), 2).double()
    silent = graph.ndata["word"] < 0
    assert silent.any()
    spoilt = torch.where(silent.unsqueeze(1), 1e6, x)
    close(encoder(graph, spoilt).h, encoder(graph, x).h)
    first = encoder(graph, x).layers[0][0].hidden
    heard = recnn.propagate(encoder.cells[1], graph, first)  # with inputs at words only
    assert (encoder(graph, x).h - heard.hidden)[silent].abs().max() > 1e-3


def transparent(size, layers, **options):
    """An encoder whose layers return their inputs, if these are positive."""
    encoder = recnn.Encoder(recnn.RecursiveCell(size, size, 1, "relu", bias=False), layers, **options)
    for cell in encoder.cells:
        cell.weight_ih.data.copy_(torch.eye(size))
        cell.weight_hh.data.zero_()
    return encoder


def test_dropout_acts_between_layers_in_training():
    graph, x = chains_of([5, 3]), torch.ones(8, 40)
    encoder = transparent(40, 2, dropout=0.5)
    torch.manual_seed(0)
    states = encoder(graph, x)
    assert torch.equal(states.layers[0][0].hidden, x)
    assert set(states.h.unique().tolist()) == {0, 2}
    assert 0.4 < (states.h > 0).float().mean() < 0.6
    assert len(states.h.unique(dim=0)) == 8
    assert torch.equal(encoder.eval()(graph, x).h, x)
    assert torch.equal(transparent(40, 1, dropout=0.5)(graph, x).h, x)
    assert not transparent(40, 2, dropout=1.0)(graph, x).h.any()
    assert set(transparent(40, 3, dropout=0.5)(graph, x).h.unique().tolist()) == {0, 4}


def test_variational_dropout_drops_the_same_entries_in_all_of_a_tree():
    lengths = [5, 1, 3]
    graph, x = chains_of(lengths), torch.ones(9, 40)
    encoder = transparent(40, 2, dropout=0.5, variational=True)
    masks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        for rows in encoder(graph, x).h.split(lengths):
            assert set(rows.unique().tolist()) == {0, 2}
            assert (rows == rows[0]).all()
            masks.append(rows[0])
    assert len(torch.stack(masks).unique(dim=0)) == 6
    assert torch.equal(encoder.eval()(graph, x).h, x)


def test_each_direction_of_independent_stacks_has_a_mask_of_its_own():
    graph, x = chains_of([4]), torch.ones(4, 40)
    for merge in ("none", "concat"):
        encoder = transparent(40, 2, direction="both", merge=merge, independent=True, dropout=0.5)
        up, down = encoder(graph, x).h.view(4, 2, 40).unbind(1)
        assert not torch.equal(up, down)
    joined = transparent(40, 2, direction="both", merge="ave", dropout=0.5)
    first, second = (state.hidden for state in joined(graph, x).layers[1])
    assert torch.equal(first, second)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_initial_states_come_before_the_first_nodes(direction, engine):
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(recnn.LSTMCell(3, 3, 3), 2, direction, "sum").double()
    initial = [tuple(torch.randn(2, 3, 3, dtype=torch.float64)) for _ in encoder.cells]
    for part in sum(initial, ()):
        part.requires_grad_()
    found = encoder(graph, x, initial, engine)
    close(found.h, by_hand(encoder, graph, x, initial)[0])
    assert (found.h - encoder(graph, x, engine=engine).h).abs().amax(1).min() > 1e-6
    for gradient in torch.autograd.grad(found.h.sum(), sum(initial, ())):
        assert (gradient != 0).all()


def test_some_initial_states_may_be_missing():
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(recnn.GRUCell(3, 3, 3), 2).double()
    initial = [None, torch.randn(3, 3, dtype=torch.float64)]
    close(encoder(graph, x, initial).h, by_hand(encoder, graph, x, initial)[0])


def load(encoder, module):
    """Copy the weights of a torch.nn.LSTM to an encoder of LSTM cells."""
    for index, cell in enumerate(encoder.cells):
        layer, reverse = divmod(index, len(encoder.directions))
        for name, parameter in cell.named_parameters():
            parameter.data.copy_(getattr(module, f"{name}_l{layer}{'_reverse' * reverse}"))


@pytest.mark.parametrize("engine", ["levels", "dgl"])
@pytest.mark.parametrize("given_state", [False, True])
def test_on_chains_it_is_torchs_bidirectional_lstm(engine, given_state):
    torch.manual_seed(1)
    lengths = [6, 4, 4, 1]  # descending, as packed sequences need
    theirs = torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True).double()
    ours = recnn.Encoder(recnn.LSTMCell(3, 5, arity=1), 2, "both").double()
    load(ours, theirs)
    graph = recnn.batch([recnn.sequence_to_graph([str(t) for t in range(n)]) for n in lengths])
    x = torch.randn(graph.num_nodes(), 3, dtype=torch.float64)
    state = tuple(torch.randn(2, 4, len(lengths), 5, dtype=torch.float64)) if given_state else None
    initial = list(zip(*state, strict=True)) if given_state else None
    outputs, final = theirs(pack_sequence(x.split(lengths)), state)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    states = ours(graph, x, initial, engine)
    close(states.h, torch.cat([rows[:n] for rows, n in zip(padded, lengths, strict=True)]))
    for layer in (0, 1):
        for way, direction in enumerate(("up", "down")):
            for found, expected in zip(states.final(layer, direction), final, strict=True):
                close(found, expected[2 * layer + way])
    assert states.directions == ["up", "down"]
    close(states.final(-1, "up").hidden, states.final(1, "up").hidden)


@pytest.mark.parametrize("arity", [1, "sum"])
def test_a_users_own_batch_of_chains_needs_no_slots_or_words(arity):
    lengths = [4, 1, 3]
    graph = chains_of(lengths)
    assert not graph.edata
    assert not graph.ndata
    x = torch.randn(8, 3, dtype=torch.float64)
    encoder = recnn.Encoder(recnn.GRUCell(3, 2, arity), 2, "both").double()
    together = encoder(graph, x)
    for rows, part in zip(x.split(lengths), together.h.split(lengths), strict=True):
        close(part, encoder(chains_of([len(rows)]), rows).h)
    assert not graph.edata
    assert not graph.ndata


def test_a_users_own_trees_need_slots_only_where_children_differ():
    graph = dgl.batch([dgl.graph(([0, 1], [2, 2])), dgl.graph(([0], [1]))])
    x = torch.randn(5, 3, dtype=torch.float64)
    by_set = recnn.Encoder(recnn.GRUCell(3, 2, "sum"), 2, "both").double()
    close(by_set(graph, x).h, by_set(graph, x, engine="dgl").h)
    by_place = recnn.Encoder(recnn.GRUCell(3, 2, 2), 2, "both").double()
    with pytest.raises(recnn.GraphError, match=r"no 'slot': set graph.edata\['slot'\].*arity='sum'"):
        by_place(graph, x)
    graph.edata["slot"] = torch.tensor([1, 0, 0])
    found = by_place(graph, x).h
    close(found, by_place(graph, x, engine="dgl").h)
    graph.edata["slot"] = torch.tensor([0, 1, 0])
    assert (by_place(graph, x).h[2] - found[2]).abs().max() > 1e-6


def test_deep_bidirectional_network_of_irsoy_and_cardie():
    """Irsoy and Cardie 2014, equations 8-10: the input of a layer is both directions of the layer below."""
    T, D, H = 5, 3, 2
    torch.manual_seed(2)
    encoder = recnn.Encoder(recnn.RecursiveCell(D, H, 1), 3, "both").double()
    x = torch.randn(T, D, dtype=torch.float64)
    forward, backward = x, x[:, :0]
    for layer in range(3):
        directions = []
        for cell, steps in zip(encoder.cells[2 * layer : 2 * layer + 2], (range(T), range(T)[::-1]), strict=True):
            from_forward, from_backward = cell.weight_ih.split([forward.shape[1], backward.shape[1]], dim=1)
            h, states = torch.zeros(H, dtype=torch.float64), {}
            for t in steps:
                read = from_forward @ forward[t] + from_backward @ backward[t]
                h = torch.tanh(read + cell.weight_hh @ h + cell.bias_ih + cell.bias_hh)
                states[t] = h
            directions.append(torch.stack([states[t] for t in range(T)]))
        forward, backward = directions
    states = encoder(chains_of([T]), x)
    close(states.h, torch.cat([forward, backward], 1))
    close(states.final(2, "down").hidden, backward[:1])


@pytest.mark.parametrize("kind", [recnn.LSTMCell, recnn.TensorCell], ids=["fused", "levels"])
@pytest.mark.parametrize("merge", ["concat", "mul", "none"])
def test_gradients_of_inputs_and_weights(kind, merge):
    graph, x = forest_and_inputs(FOREST[:2], 2)
    encoder = recnn.Encoder(kind(2, 2, arity=3), 2, "both", merge, residual=True).double()
    names = [name for name, _ in encoder.named_parameters()]

    def states(x, *weights):
        made = torch.func.functional_call(encoder, dict(zip(names, weights, strict=True)), (graph, x))
        return made.h[::3]

    assert torch.autograd.gradcheck(
        states, (x.requires_grad_(), *encoder.parameters()), fast_mode=True, nondet_tol=1e-12
    )
    (gradient,) = torch.autograd.grad(encoder(graph, x).h.sum(), x)
    assert torch.equal(gradient.abs().amax(1) > 0, graph.ndata["word"] >= 0)


def test_cells_of_many_sizes_and_kinds():
    graph, x = forest_and_inputs()
    cells = [recnn.LSTMCell(3, 4, 3), recnn.GRUCell(8, 5, "sum"), recnn.RecursiveCell(99, 2, 3, "relu")]
    encoder = recnn.Encoder(cells, direction="both").double()
    assert [cell.input_size for cell in encoder.cells] == [3, 3, 8, 8, 10, 10]
    assert [cell.output_size for cell in encoder.cells] == [4, 4, 5, 5, 2, 2]
    assert encoder.cells[0] is cells[0]
    assert encoder.cells[4].nonlinearity == "relu"
    assert encoder.cells[2].arity == "sum"
    close(encoder(graph, x).h, by_hand(encoder, graph, x)[0])


def test_cells_of_one_encoder_share_nothing():
    encoder = recnn.Encoder(recnn.GRUCell(3, 3), 3, "both", "sum")
    storage = [parameter.data_ptr() for parameter in encoder.parameters()]
    assert len(set(storage)) == len(storage) == 6 * 4
    assert not torch.equal(encoder.cells[0].weight_hh, encoder.cells[1].weight_hh)


CELL = recnn.LSTMCell(3, 3, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recnn.Encoder(CELL, 0), "num_layers must be a positive integer.*got 0"),
        (lambda: recnn.Encoder(CELL, 1.5), "num_layers must be a positive integer.*got 1.5"),
        (lambda: recnn.Encoder([CELL, CELL], 3), "the number of cells in a list, got 3"),
        (lambda: recnn.Encoder([]), "num_layers must be a positive integer.*got 0"),
        (lambda: recnn.Encoder(CELL, 2, "sideways"), "direction must be 'up', 'down' or 'both', got 'sideways'"),
        (lambda: recnn.Encoder(CELL, 2, merge="max"), "merge must be one of 'concat', 'sum', .*'none', got 'max'"),
        (lambda: recnn.Encoder(CELL, 2, dropout=1.1), "dropout must be a probability, got 1.1"),
        (lambda: recnn.Encoder(CELL, 2, dropout=-0.1), "dropout must be a probability, got -0.1"),
        (lambda: recnn.Encoder(recnn.MatrixVectorCell(2), 2), "a MatrixVectorCell with input size 2 is needed"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("engine", ["levels", "dgl"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run, x, h: run(x[:, :2]), r"x must be \(N, D\) = \(\d+, 3\), one row per node, got \(\d+, 2\)"),
        (lambda run, x, h: run(x[1:]), r"x must be \(N, D\)"),
        (lambda run, x, h: run(x, [None]), "initial must have 4 states, one per layer and direction, got 1"),
        (lambda run, x, h: run(x, [(h, h), None, None, (h, h[:2])]), r"initial must be \(3, 3\), \(3, 3\) for hidden"),
        (lambda run, x, h: run(x, [h, None, None, None]), r"for hidden, cell of 3 trees, got \(3, 3\)$"),
        (lambda run, x, h: run(x, [(h[:, :2], h), None, None, None]), r"got \(3, 2\), \(3, 3\)"),
    ],
)
def test_wrong_inputs_are_named(call, message, engine):
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(CELL, 2, "both").double()
    with pytest.raises(ValueError, match=message):
        call(lambda x, initial=None: encoder(graph, x, initial, engine), x, torch.zeros(3, 3, dtype=torch.float64))


def test_an_unknown_engine_or_direction_is_named():
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(CELL, 1).double()
    with pytest.raises(ValueError, match="engine must be one of 'levels', 'dgl', got 'fast'"):
        encoder(graph, x, engine="fast")
    with pytest.raises(ValueError, match="down"):
        encoder(graph, x).final(0, "down")


def test_a_graph_with_two_roots_has_no_place_for_an_initial_state():
    graph = dgl.graph(([1, 3], [0, 2]))
    x, h = torch.randn(4, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    encoder = recnn.Encoder(recnn.GRUCell(3, 3, 1), 2).double()
    apart = dgl.batch([dgl.graph(([1], [0]))] * 2)
    close(encoder(graph, x).h, encoder(apart, x).h)
    for engine in ("levels", "dgl"):
        with pytest.raises(recnn.GraphError, match="1 graphs with 2 roots"):
            encoder(graph, x, [h, h], engine)


def test_nodes_alone():
    graph, x = dgl.graph(([], []), num_nodes=3), torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    for cell in (recnn.LSTMCell(3, 3), recnn.GRUCell(3, 3, 1), recnn.RecursiveCell(3, 3, 3), recnn.TensorCell(3, 3)):
        encoder = recnn.Encoder(cell, 2, "both").double()
        close(encoder(graph, x).h, encoder(graph, x, engine="dgl").h)
        fast, slow = (
            torch.autograd.grad(encoder(graph, x, engine=engine).h.sum(), x)[0] for engine in ("levels", "dgl")
        )
        close(fast, slow)


@pytest.mark.parametrize("kind", [recnn.LSTMCell, recnn.TensorCell], ids=["fused", "levels"])
def test_training_after_inference_mode(kind):
    """Tensors that are cached by a call in inference mode must be usable in training."""
    graph, x = forest_and_inputs()
    encoder = recnn.Encoder(kind(3, 3, 3), 2, "both").double()
    with torch.inference_mode():
        before = encoder(graph, x).h
    after = encoder(graph, x).h
    after.sum().backward()
    close(after.detach(), before.clone())
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_a_graph_may_be_kept_for_a_second_backward_pass():
    graph, x = forest_and_inputs()
    for cell in (recnn.LSTMCell(3, 3, 3), recnn.TensorCell(3, 3, 3)):
        h = recnn.Encoder(cell).double()(graph, x.requires_grad_()).h.sum()
        (first,) = torch.autograd.grad(h, x, retain_graph=True)
        (second,) = torch.autograd.grad(h, x)
        close(second, first)
