"""Which nodes have an input: those with a word, and all nodes of a graph without words."""

import networkx as nx
import pytest
import torch

import recnn

ENGINES = ("levels", "dgl")


def labelled(edges, words=()):
    """A tree of labels, such as a program has, with words at some nodes."""
    tree = nx.DiGraph(edges)
    for node in tree:
        tree.nodes[node]["label"] = f"L{node}"
        if node in words:
            tree.nodes[node]["word"] = f"w{node}"
    return recnn.networkx_to_graph(tree)


BARE = [(0, 1), (0, 2), (2, 3), (2, 4)]


def states(cell, graph, x, engine, **options):
    return recnn.propagate(cell, graph, x, engine=engine, **options).hidden


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [recnn.LSTMCell, recnn.GRUCell, recnn.TensorCell])
def test_inputs_of_a_graph_without_words_count_and_have_gradients(make, engine):
    torch.manual_seed(0)
    graph, cell = labelled(BARE), make(3, 4).double()
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    found = states(cell, graph, x, engine)
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert (slope.abs().sum(1) > 0).all()
    for node in range(5):
        other = x.detach().clone()
        other[node] += 1
        assert not torch.allclose(states(cell, graph, other, engine)[0], found[0])
    every = torch.ones(5, dtype=torch.bool)
    torch.testing.assert_close(found, states(cell, graph, x, engine, has_input=every))


@pytest.mark.parametrize("engine", ENGINES)
def test_has_input_overrides_the_words(engine):
    torch.manual_seed(0)
    x, cell = torch.randn(5, 3), recnn.LSTMCell(3, 4)
    chosen = torch.tensor([True, False, True, False, True])
    for graph in (labelled(BARE), labelled(BARE, words=[1, 3])):
        zeroed = states(cell, graph, x * chosen.unsqueeze(1), engine, has_input=torch.ones(5, dtype=torch.bool))
        torch.testing.assert_close(states(cell, graph, x, engine, has_input=chosen), zeroed)
        encoder = recnn.Encoder(cell)
        torch.testing.assert_close(encoder(graph, x, engine=engine, has_input=chosen).h, zeroed)


@pytest.mark.parametrize("engine", ENGINES)
def test_in_a_batch_the_rule_holds_for_each_graph(engine):
    torch.manual_seed(0)
    graphs = [labelled(BARE), labelled(BARE, words=[1, 3, 4]), labelled([(0, 1)], words=[0]), labelled([(0, 1)])]
    cell = recnn.GRUCell(3, 4)
    xs = [torch.randn(graph.num_nodes(), 3) for graph in graphs]
    forest = recnn.batch(graphs)
    single = torch.cat([states(cell, graph, x, engine) for graph, x in zip(graphs, xs, strict=True)])
    torch.testing.assert_close(states(cell, forest, torch.cat(xs), engine), single)
    deep = recnn.Encoder(cell, num_layers=2, direction="both")
    single = torch.cat([deep(graph, x, engine=engine).h for graph, x in zip(graphs, xs, strict=True)])
    torch.testing.assert_close(deep(forest, torch.cat(xs), engine=engine).h, single)


def test_gradient_norms_see_the_same_inputs():
    torch.manual_seed(0)
    encoder, x = recnn.Encoder(recnn.LSTMCell(3, 4)), torch.randn(5, 3)
    (found,) = recnn.gradient_norms(encoder, labelled(BARE), x)
    (other,) = recnn.gradient_norms(encoder, labelled(BARE, words=range(5)), x)
    torch.testing.assert_close(found.norms, other.norms)


@pytest.mark.parametrize(
    ("has_input", "error", "message"),
    [
        (torch.ones(5), TypeError, "has_input must be a bool tensor, got torch.float32"),
        ([True] * 5, TypeError, "has_input must be a bool tensor, got list"),
        (torch.ones(4, dtype=torch.bool), ValueError, r"has_input must be \(N,\) = \(5,\), got \(4,\)"),
        (torch.ones(5, 1, dtype=torch.bool), ValueError, r"has_input must be \(N,\) = \(5,\), got \(5, 1\)"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_has_input_is_named(engine, has_input, error, message):
    with pytest.raises(error, match=message):
        recnn.propagate(recnn.GRUCell(3, 4), labelled(BARE), torch.ones(5, 3), engine=engine, has_input=has_input)


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ([0] * 5, TypeError, "row must be an int64 tensor, got list"),
        (torch.zeros(5), TypeError, "row must be an int64 tensor, got torch.float32"),
        (torch.zeros(4, dtype=torch.int64), ValueError, r"row must be \(N,\) = \(5,\), got \(4,\)"),
        (torch.tensor([0, 1, -1, 2, 0]), ValueError, "row must be -1 or one of the 2 rows of x, got 2 at node 3"),
        (torch.tensor([0, -2, -1, 1, 0]), ValueError, "row must be -1 or one of the 2 rows of x, got -2 at node 1"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_row_is_named(engine, row, error, message):
    with pytest.raises(error, match=message):
        recnn.Encoder(recnn.GRUCell(3, 4))(labelled(BARE), torch.ones(2, 3), engine=engine, row=row)


def test_x_and_has_input_beside_a_row_are_named():
    cell, row = recnn.GRUCell(3, 4), torch.zeros(5, dtype=torch.int64)
    with pytest.raises(ValueError, match="give either has_input or row"):
        recnn.propagate(cell, labelled(BARE), torch.ones(2, 3), row=row, has_input=row == 0)
    with pytest.raises(ValueError, match=r"x must be \(R, D\) = \(R, 3\), got \(2, 4\)"):
        recnn.propagate(cell, labelled(BARE), torch.ones(2, 4), row=row)
    with pytest.raises(ValueError, match=r"x must be \(N, D\) = \(5, 3\), one row per node, got \(2, 3\)"):
        recnn.propagate(cell, labelled(BARE), torch.ones(2, 3))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_encoder_with_shared_rows_and_its_probes(engine):
    """In stacks and both directions, where later layers have an input at every node; without any input too."""
    torch.manual_seed(0)
    encoder = recnn.Encoder(recnn.LSTMCell(3, 4), num_layers=2, direction="both").double()
    graph, x = labelled(BARE), torch.randn(2, 3, dtype=torch.float64)
    for row, rows in ((torch.tensor([1, -1, 0, 1, -1]), x), (torch.full((5,), -1), x[:0])):
        padded = torch.cat([rows, rows.new_zeros(1, 3)])[row]
        expected = encoder(graph, padded, engine=engine, has_input=row >= 0).h
        torch.testing.assert_close(encoder(graph, rows, engine=engine, row=row).h, expected)
        with recnn.watch(encoder):
            torch.testing.assert_close(encoder(graph, rows, engine=engine, row=row).h, expected)
