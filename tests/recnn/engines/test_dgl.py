from concurrent.futures import ThreadPoolExecutor

import dgl
import pytest
import torch
from hypothesis import given, settings
from nltk import Tree

import recnn
from tests.strategies import forests, trees


def recursive_states(tree, cell, vector, states):
    """Compute Socher et al. 2011 by plain recursion, and append the state of every phrase to ``states``."""
    children = [tree[0]] if len(tree) == 1 and isinstance(tree[0], str) else list(tree)
    if children == [tree[0]] and isinstance(tree[0], str):
        h = vector[tree[0]]
    else:
        below = [vector[c] if isinstance(c, str) else recursive_states(c, cell, vector, states) for c in children]
        below += [torch.zeros(cell.hidden_size, dtype=torch.float64)] * (cell.arity - len(below))
        h = torch.tanh(cell.weight_hh @ torch.cat(below) + cell.bias_hh)
    states.append(h)
    return h


def encoded(forest, hidden_size=3, arity=4):
    torch.manual_seed(len(forest))
    cell = recnn.RecursiveCell(hidden_size, hidden_size, arity, leaf="input").double()
    graph = recnn.batch([recnn.tree_to_graph(tree) for tree in forest])
    vectors = torch.randn(len(graph.vocabulary), hidden_size, dtype=torch.float64)
    x = vectors[graph.ndata["word"].clamp(min=0)]
    return cell, dict(zip(graph.vocabulary, vectors, strict=True)), graph, x


@settings(deadline=None)
@given(forests)
def test_states_equal_a_plain_recursion(forest):
    cell, vector, graph, x = encoded(forest)
    states = recnn.NodeStates(graph, recnn.propagate(cell, graph, x, engine="dgl"))
    for index, tree in enumerate(forest):
        expected = []
        root = recursive_states(tree, cell, vector, expected)
        torch.testing.assert_close(states.roots[index], root, rtol=0, atol=1e-12)
        phrases = states.h[list(states._nodes(index))]
        for state in expected:
            assert (phrases - state).abs().amax(1).min() < 1e-12


@settings(deadline=None)
@given(trees())
def test_batched_equals_single(tree):
    cell, _, graph, x = encoded([tree, Tree.fromstring("(S (X b) a (NP (NP her)))"), tree])
    together = recnn.NodeStates(graph, recnn.propagate(cell, graph, x)).h
    rows = 0
    for single in recnn.unbatch(graph):
        alone = recnn.propagate(cell, single, x[rows : rows + single.num_nodes()]).hidden
        torch.testing.assert_close(together[rows : rows + single.num_nodes()], alone, rtol=0, atol=1e-12)
        rows += single.num_nodes()


def test_gradients_reach_words_and_weights():
    cell, _, graph, x = encoded([Tree.fromstring("(S (NP (Det her) (Noun duck)) (VP slept))")])
    x.requires_grad_()
    weights = list(cell.parameters())

    def root(x, *_):
        return recnn.propagate(cell, graph, x).hidden[0]

    assert torch.autograd.gradcheck(root, (x, *weights))


def test_inner_inputs_are_used_and_rows_without_a_word_are_not():
    graph = recnn.sequence_to_graph(["a", "b", "c"])
    cell = recnn.RecursiveCell(2, 3, arity=1).double()
    x = torch.randn(3, 2, dtype=torch.float64)
    h = torch.zeros(3, dtype=torch.float64)
    expected = []
    for vector in x:
        h = torch.tanh(cell.weight_ih @ vector + cell.weight_hh @ h + cell.bias_hh + cell.bias_ih)
        expected.append(h)
    torch.testing.assert_close(recnn.propagate(cell, graph, x).hidden, torch.stack(expected))
    tree = recnn.tree_to_graph(Tree.fromstring("(S a b)"))
    x = torch.randn(3, 2, dtype=torch.float64)
    spoilt = x.clone()
    spoilt[0] = 1e6
    cell = recnn.RecursiveCell(2, 3).double()
    assert torch.equal(recnn.propagate(cell, tree, x).hidden, recnn.propagate(cell, tree, spoilt).hidden)


def test_child_sum_takes_any_number_of_children():
    cell = recnn.RecursiveCell(2, 2, arity="sum", leaf="input").double()
    graph = recnn.tree_to_graph(Tree.fromstring("(S a b (X c) d)"))
    x = torch.randn(5, 2, dtype=torch.float64)
    root = torch.tanh(cell.weight_hh @ x[1:].sum(0) + cell.bias_hh)
    torch.testing.assert_close(recnn.propagate(cell, graph, x).hidden[0], root)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2, 1), g, x),
            "node 2 is in slot 1 of node 0, but the cell takes 1",
        ),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(3, 2), g, x), r"x must be \(N, D\) = \(3, 3\).*got \(3, 2\)"),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2), g, x[:2]), r"got \(2, 2\)"),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2), g, x, engine="fast"), "engine must be one of"),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2), g, x.double()), "torch.float32, got torch.float64"),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2), dgl.graph(([1, 2], [0, 0])), x), "no 'slot'"),
        (lambda g, x: recnn.propagate(recnn.RecursiveCell(2, 2, "sum"), dgl.graph(([1, 0], [0, 1])), x[:2]), "cycle"),
        (lambda g, x: recnn.RecursiveCell(0, 2), "input_size must be a positive integer, got 0"),
        (lambda g, x: recnn.RecursiveCell(2, 2, "mean"), "arity must be a positive integer or \"sum\", got 'mean'"),
        (lambda g, x: recnn.RecursiveCell(2, 3, leaf="input"), "needs input_size == hidden_size"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    graph = recnn.tree_to_graph(Tree.fromstring("(S a b)"))
    with pytest.raises(ValueError, match=message):
        call(graph, torch.randn(3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, x: recnn.propagate(torch.nn.LSTMCell(2, 2), g, x), "cell must be a recnn.Cell, got LSTMCell"),
        (lambda g, x: recnn.propagate(recnn.LSTMCell(2, 2), Tree("S", ["a"]), x), "graph must be a DGLGraph, got Tree"),
        (lambda g, x: recnn.Encoder(recnn.LSTMCell), "cell must be a recnn.Cell, or a list of them"),
    ],
)
def test_wrong_kinds_of_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call(recnn.tree_to_graph(Tree.fromstring("(S a b)")), torch.randn(3, 2))


@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_both_engines_judge_slots_alike(engine):
    graph, x = dgl.graph(([1, 2], [0, 0])), torch.randn(3, 2)
    graph.edata["slot"] = torch.tensor([0, 0])
    with pytest.raises(recnn.GraphError, match="nodes 1 and 2 are both in slot 0 of node 0"):
        recnn.propagate(recnn.LSTMCell(2, 2), graph, x, engine=engine)
    assert recnn.propagate(recnn.LSTMCell(2, 2, "sum"), graph, x, engine=engine).hidden.shape == (3, 2)  # a set
    graph.edata["slot"] = torch.tensor([0.0, 1.5])
    with pytest.raises(recnn.GraphError, match=r"must be integers, got torch\.float32"):
        recnn.propagate(recnn.LSTMCell(2, 2), graph, x, engine=engine)


def _broken(method, value):
    return type("Broken", (recnn.RecursiveCell,), {method: lambda self, *arguments: value})(2, 2, "sum")


@pytest.mark.parametrize("engine", ["levels", "dgl"])
@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("message", "Broken.message must return a tuple of tensors, it returned a Tensor"),
        ("reduce", "Broken.reduce must return a tuple of tensors, it returned a Tensor"),
        ("apply_node", "Broken.(apply_node|leaf) must return a HiddenState, it returned a Tensor"),
        ("leaf", "Broken.leaf must return a HiddenState, it returned a Tensor"),
    ],
)
def test_a_broken_cell_is_named_and_leaves_the_graph_alone(engine, method, message):
    graph, x = dgl.graph(([1, 2, 3], [0, 0, 0])), torch.randn(4, 2)
    with pytest.raises(TypeError, match=message):
        recnn.propagate(_broken(method, torch.zeros(1, 2)), graph, x, engine=engine)
    assert not graph.ndata
    assert not graph.edata


def test_threads_can_share_a_graph():
    graph, cell = recnn.tree_to_graph(Tree.fromstring("(S (NP a b) (VP c (NP d e)))")), recnn.LSTMCell(3, 4)
    xs = [torch.randn(graph.num_nodes(), 3) for _ in range(40)]
    for engine in ("dgl", "levels"):
        expected = [recnn.propagate(cell, graph, x, engine=engine).hidden for x in xs]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda x, engine=engine: recnn.propagate(cell, graph, x, engine=engine).hidden, xs))
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
