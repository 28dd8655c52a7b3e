"""Properties of every cell on every engine. A new cell is tested once it has a line in VARIANTS."""

import importlib
import inspect
import pkgutil
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from itertools import pairwise
from random import Random

import pytest
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st
from torch.func import functional_call

import recnn
import recnn.cells
from recnn.engines import fused
from recnn.graphs import _dgl
from tests.reference import FORMULAS, by_formula, has_input, node_by_node

H, D, LABELS = 3, 2, 3
SIZES = {"input_size": D, "hidden_size": H}
SAME = {"input_size": H, "hidden_size": H}
ARITIES = (1, 2, 3, "sum")

VARIANTS = {
    recnn.RecursiveCell: [
        *({**SIZES, "arity": arity} for arity in ARITIES),
        {**SIZES, "nonlinearity": "relu"},
        {**SIZES, "nonlinearity": torch.sin, "bias": False},
        {**SIZES, "layer_norm": True},
        *({**SAME, "arity": arity, "leaf": leaf} for arity in (2, "sum") for leaf in ("input", "untied")),
    ],
    recnn.LSTMCell: [
        *({**SIZES, "arity": arity} for arity in ARITIES),
        *({**SIZES, "arity": arity, "forget_gate": False} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "coupled": True, "peepholes": True} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "peepholes": True} for arity in (1, 2, "sum")),
        *({**SIZES, "arity": arity, "forget_gate": False, "peepholes": True} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "proj_size": 2} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "bias": False} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "layer_norm": True} for arity in (2, "sum")),
        *({**SIZES, "arity": arity, "leaf": "linear"} for arity in (2, "sum")),
        {**SIZES, "leaf": "linear", "peepholes": True, "layer_norm": True, "proj_size": 2},
        *({**SIZES, "arity": arity, "forget_bias": 1.5} for arity in (1, 2, "sum")),
        {**SIZES, "leaf": "linear", "forget_bias": 1.0, "bias": False},
        {**SIZES, "arity": "sum", "forget_bias": -1.0, "layer_norm": True, "peepholes": True},
    ],
    recnn.GRUCell: [
        *({**SIZES, "arity": arity, "reset_after": after} for arity in ARITIES for after in (True, False)),
        *({**SIZES, "reset_after": after, "bias": False} for after in (True, False)),
        *({**SIZES, "reset_after": after, "layer_norm": True} for after in (True, False)),
    ],
    recnn.TensorCell: [
        *({**SIZES, "arity": arity} for arity in (1, 3, "sum")),
        {**SAME, "leaf": "input"},
        {**SIZES, "bias": False},
    ],
    recnn.MatrixVectorCell: [{"hidden_size": H, "rank": 2}, {"hidden_size": H, "rank": 0}],
    recnn.UntiedRecursiveCell: [
        *({**SIZES, "num_labels": LABELS, "arity": arity, "by": "children"} for arity in (1, 2)),
        {**SIZES, "num_labels": LABELS, "arity": 3, "by": "parent"},
    ],
    recnn.LabelEmbeddingCell: [
        *({**SIZES, "num_labels": LABELS, "arity": arity, "label_size": 2} for arity in (2, "sum")),
    ],
    # Neither is random here: the dropout is 0, and zoneout is in evaluation. For the rest see test_regularised.py.
    recnn.DropoutCell: [{"cell": recnn.LSTMCell(D, H), "dropout": 0.0, "variational": v} for v in (True, False)],
    recnn.ZoneoutCell: [{"cell": recnn.LSTMCell(D, H, "sum")}, {"cell": recnn.GRUCell(D, H, 3)}],
}


def made(variant, dtype=torch.float64, **changes):
    kind, options = variant
    torch.manual_seed(0)
    cell = kind(**deepcopy({**options, **changes})).to(dtype).train(kind is not recnn.ZoneoutCell)
    with torch.no_grad():
        for module in cell.modules():
            for parameter in module.parameters(recurse=False):
                parameter.normal_(std=0.5)
            if isinstance(module, torch.nn.Embedding):
                module.weight[module.padding_idx] = 0
    return cell


def _name(variant):
    kind, options = variant
    return "-".join(
        [kind.__name__, *(f"{k}={getattr(v, '__name__', v)}" for k, v in options.items() if "_size" not in k)]
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread: on tensors this small more are slower, above all in DGL."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


PAIRS = [(kind, options) for kind, every in VARIANTS.items() for options in every]
SMOOTH = [(recnn.LSTMCell, 2), (recnn.LSTMCell, "sum"), (recnn.GRUCell, 2), (recnn.RecursiveCell, 2)]
each_variant = pytest.mark.parametrize("variant", PAIRS, ids=_name)
each_kernel = pytest.mark.parametrize(
    "variant", [pair for pair in PAIRS if fused.kernel_for(made(pair)) is not None], ids=_name
)
each_direction = pytest.mark.parametrize("direction", ["up", "down"])


def random_tree(random, arity, most=7, worded=False):
    """A tree of any shape, with nodes numbered in any way, empty slots, and words and labels missing."""
    width = 4 if arity == "sum" else arity
    size, chain = random.randint(1, most), random.random() < 0.2
    free, edges = [(0, slot) for slot in range(width)], []
    for node in range(1, size):
        parent, slot = free.pop(-1 if chain else random.randrange(len(free)))
        edges.append((node, parent, slot))
        free += [(node, slot) for slot in range(width)]
    number = list(range(size))
    random.shuffle(number)
    random.shuffle(edges)
    return graph_of(
        size,
        [(number[child], number[parent], slot) for child, parent, slot in edges],
        word=[0 if worded else random.randint(-1, 1) for _ in number],
        label=[random.randint(0 if worded else -1, LABELS - 1) for _ in number],
    )


def graph_of(size, edges, **data):
    child, parent, slot = torch.tensor(edges, dtype=torch.int64).reshape(-1, 3).unbind(1)
    graph = _dgl.graph((child, parent), num_nodes=size)
    graph.edata["slot"] = slot
    for name, values in data.items():
        graph.ndata[name] = torch.as_tensor(values)
    return graph


def random_forest(random, arity, trees=3, most=7, worded=False):
    return recnn.batch([random_tree(random, arity, most, worded) for _ in range(random.randint(1, trees))])


@lru_cache
def wide_forest(arity):
    random = Random(1)
    return recnn.batch([random_tree(random, arity, 10) for _ in range(150)])


def random_rows(graph, cell, seed=0):
    """Random x, with NaN at nodes without an input, where it must be ignored, and initial states."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(cell.parameters()).dtype
    x = torch.randn(graph.num_nodes(), cell.input_size, dtype=dtype, generator=generator)
    x[~torch.tensor(has_input(graph))] = torch.nan
    initial = [torch.randn(graph.batch_size, *shape, dtype=dtype, generator=generator) for shape in cell.state_shapes()]
    return x.requires_grad_(), cell.State(*(part.requires_grad_() for part in initial))


def with_gradients(walk, cell, graph, x, direction, initial):
    """The states, and the gradients of a random function of them."""
    state = walk(cell, graph, x, direction, initial)
    wanted = [x, *cell.parameters(), *(initial or ())]
    loss = loss_of(state) + 0 * sum(parameter.sum() for parameter in cell.parameters())  # for parameters without effect
    loss = loss.real if loss.is_complex() else loss
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [*(part.detach() for part in state)], gradients


def loss_of(state):
    generator = torch.Generator().manual_seed(1)
    return sum(
        (part * torch.randn(part.shape, dtype=part.dtype, generator=generator).to(part.device)).sum() for part in state
    )


def assert_same(actual, expected, atol):
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


@contextmanager
def without_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "kernel_for", lambda cell: None)
        yield


def generic(*args, **options):
    with without_kernels():
        return recnn.propagate(*args, **options)


def by_dgl(*args, **options):
    return recnn.propagate(*args, engine="dgl", **options)


def test_every_cell_is_tested():
    modules = [importlib.import_module(f"recnn.cells.{m.name}") for m in pkgutil.iter_modules(recnn.cells.__path__)]
    found = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, recnn.Cell) and not inspect.isabstract(kind) and kind.__name__[0] != "_"
    }
    missing = sorted(kind.__name__ for kind in found - set(VARIANTS))
    assert not missing, f"add one line to VARIANTS in {__file__} for each of: {', '.join(missing)}"


@each_variant
@settings(deadline=None, max_examples=10)
@given(random=st.randoms(use_true_random=False), direction=st.sampled_from(["up", "down"]), begun=st.booleans())
def test_engines_equal_the_oracle(variant, random, direction, begun):
    cell = made(variant)
    graph = random_forest(random, cell.arity)
    note(f"{graph.edges()} {graph.edata} {graph.ndata} {graph.batch_num_nodes()}")
    x, initial = random_rows(graph, cell)
    case = cell, graph, x, direction, initial if begun else None
    values, gradients = with_gradients(node_by_node, *case)
    walks = [recnn.propagate, by_dgl, *([generic] if fused.kernel_for(cell) else [])]
    walks += [by_formula] if type(cell) in FORMULAS else []
    for walk in walks:
        found, slopes = with_gradients(walk, *case)
        assert_same(found, values, 1e-12)
        assert_same(slopes, gradients, 1e-10)


class Walk(torch.nn.Module):
    """`propagate` as a function of the cell's parameters."""

    def __init__(self, cell, graph, direction):
        super().__init__()
        self.cell, self.graph, self.direction = cell, graph, direction

    def forward(self, x, initial):
        return tuple(recnn.propagate(self.cell, self.graph, x, self.direction, initial))


def function_of_all(cell, direction, begun):
    graph = random_forest(Random(5), cell.arity, trees=2, most=5, worded=True)
    names = [name for name, _ in cell.named_parameters()]
    x, initial = random_rows(graph, cell)

    def function(x, *rest):
        weights = {f"cell.{name}": weight for name, weight in zip(names, rest, strict=False)}
        return functional_call(Walk(cell, graph, direction), weights, (x, rest[len(names) :] or None))

    return function, (x, *cell.parameters(), *(initial if begun else ()))


@each_variant
@each_direction
def test_gradients_equal_differences(variant, direction):
    begun = variant[0] is not recnn.LabelEmbeddingCell  # the embedding of no label is 0 and not learnt
    function, inputs = function_of_all(made(variant), direction, begun)
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize(("kind", "arity"), SMOOTH)
@each_direction
def test_second_derivatives(kind, arity, direction):
    function, inputs = function_of_all(made((kind, {**SIZES, "arity": arity})), direction, True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@each_variant
def test_a_second_backward_pass_doubles_the_gradient(variant):
    cell = made(variant)
    graph = random_forest(Random(3), cell.arity)
    x, initial = random_rows(graph, cell)
    loss = loss_of(recnn.propagate(cell, graph, x, initial=initial))
    leaves = [x, *cell.parameters(), *initial]
    loss.backward(retain_graph=True)
    once = [None if leaf.grad is None else leaf.grad.clone() for leaf in leaves]
    loss.backward()
    for leaf, gradient in zip(leaves, once, strict=True):
        assert (leaf.grad is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(leaf.grad, 2 * gradient, rtol=0, atol=1e-10)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in once)


@each_kernel
def test_walks_in_flight_do_not_share_memory(variant):
    cell = made(variant)
    cases = []
    for seed in (2, 3):
        graph = random_forest(Random(seed), cell.arity)
        cases.append((cell, graph, random_rows(graph, cell, seed)[0], "up", None))
    alone = [with_gradients(generic, *case)[1] for case in cases]
    losses = [loss_of(recnn.propagate(*case)) for case in cases]
    for loss, (_, _, x, *_), expected in zip(losses, cases, alone, strict=True):
        assert_same(torch.autograd.grad(loss, [x, *cell.parameters()]), expected, 1e-10)


@each_variant
@each_direction
@pytest.mark.parametrize("begun", [True, False])
def test_numbers_of_nodes_and_order_of_edges_do_not_matter(variant, direction, begun):
    cell, random = made(variant), Random(7)
    # Initial states need one tree per graph; without them, the nodes of several trees may be mixed.
    graph = random_tree(random, cell.arity, most=9) if begun else random_forest(random, cell.arity)
    x, initial = random_rows(graph, cell)
    initial = initial if begun else None
    number = torch.tensor(random.sample(range(len(x)), len(x)))
    child, parent = graph.edges()
    edges = torch.stack([number[child], number[parent], graph.edata["slot"]], dim=1).tolist()
    random.shuffle(edges)
    old = number.argsort()
    other = graph_of(len(x), edges, word=graph.ndata["word"][old], label=graph.ndata["label"][old])
    expected = recnn.propagate(cell, graph, x, direction, initial)
    found = recnn.propagate(cell, other, x[old], direction, initial)
    assert_same([part[number] for part in found], expected, 1e-12)


@each_variant
@each_direction
def test_a_batch_equals_its_trees(variant, direction):
    cell, random = made(variant), Random(11)
    graphs = [random_tree(random, cell.arity) for _ in range(4)]
    forest = recnn.batch(graphs)
    x, initial = random_rows(forest, cell)
    together = recnn.propagate(cell, forest, x, direction, initial)
    begin = 0
    for tree, graph in enumerate(graphs):
        rows = slice(begin, begin := begin + graph.num_nodes())
        own = cell.State(*(part[tree : tree + 1] for part in initial))
        alone = recnn.propagate(cell, graph, x[rows], direction, own)
        assert_same([part[rows] for part in together], alone, 1e-12)


@each_kernel
@each_direction
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_wide_levels_equal_the_generic_engine(variant, direction, dtype, atol):
    cell = made(variant, dtype, hidden_size=24)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(0.3)
    graph = wide_forest(cell.arity)
    assert max(b - a for a, b in pairwise(recnn.schedule(graph).offsets)) * cell.hidden_size > 2048
    x, initial = random_rows(graph, cell)
    for begin in (None, initial):
        values, gradients = with_gradients(generic, cell, graph, x, direction, begin)
        found, slopes = with_gradients(recnn.propagate, cell, graph, x, direction, begin)
        assert_same(found, values, atol)
        for one, other in zip(slopes, gradients, strict=True):  # sums over a thousand nodes
            assert (one - other).abs().max() < atol * max(1.0, float(other.abs().max()))


def with_rows(graph, x, random):
    """(R, D) fewer inputs than nodes, in any order, one of them unused, and the row of each node."""
    count = 1 + len(x) // 2
    row = torch.tensor([random.randrange(count) if there else -1 for there in has_input(graph)])
    rows = torch.randn(1 + count, x.shape[1], dtype=x.dtype, generator=torch.Generator().manual_seed(2))
    return rows.requires_grad_(), row


def by_row(walk, row):
    return lambda cell, graph, x, direction, initial: walk(cell, graph, x, direction, initial, row=row)


def repeated(walk, row):
    """``walk`` with a row of x for each node."""
    return lambda cell, graph, x, direction, initial: walk(cell, graph, x[row], direction, initial)


@each_variant
@each_direction
@pytest.mark.parametrize("begun", [True, False])
def test_shared_rows_equal_a_row_for_each_node(variant, direction, begun):
    cell, random = made(variant), Random(19)
    graph = random_forest(random, cell.arity, most=12)
    x, initial = random_rows(graph, cell)
    rows, row = with_rows(graph, x, random)
    case = cell, graph, rows, direction, initial if begun else None
    values, gradients = with_gradients(repeated(recnn.propagate, row), *case)
    for walk in (recnn.propagate, by_dgl, generic):
        found, slopes = with_gradients(by_row(walk, row), *case)
        assert_same(found, values, 1e-12)
        assert_same(slopes, gradients, 1e-10)
    with torch.no_grad():
        assert_same(by_row(recnn.propagate, row)(*case), values, 1e-12)


@pytest.mark.parametrize(("kind", "arity"), SMOOTH)
@each_direction
def test_second_derivatives_with_shared_rows(kind, arity, direction):
    cell, random = made((kind, {**SIZES, "arity": arity})), Random(5)
    graph = random_forest(random, cell.arity, trees=2, most=6)
    rows, row = with_rows(graph, random_rows(graph, cell)[0], random)
    assert len(row[row >= 0].unique()) < (row >= 0).sum()
    walk = by_row(recnn.propagate, row)
    assert torch.autograd.gradgradcheck(lambda x: tuple(walk(cell, graph, x, direction, None)), rows, fast_mode=True)


@each_variant
def test_inference_equals_training(variant):
    cell = made(variant)
    graph = random_forest(Random(13), cell.arity)
    x, initial = random_rows(graph, cell)
    for begin in (None, initial):
        values, gradients = with_gradients(recnn.propagate, cell, graph, x, "up", begin)
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                state = recnn.propagate(cell, graph, x, initial=begin)
            assert not any(part.requires_grad for part in state)
            assert_same(state, values, 1e-12)
            again = with_gradients(recnn.propagate, cell, graph, x, "up", begin)
            assert_same(again[0], values, 1e-12)
            assert_same(again[1], gradients, 1e-10)


@pytest.mark.parametrize("engine", ["levels", "dgl"])
def test_has_input_goes_before_words(engine):
    cell = made((recnn.LSTMCell, SIZES))
    graph = random_forest(Random(17), cell.arity, worded=True)
    x, _ = random_rows(graph, cell)
    chosen = torch.arange(len(x)) % 2 == 0
    chosen[graph.batch_num_nodes().cumsum(0) - 1] = True  # in a tree without words all nodes have an input
    spoilt = x.masked_fill(~chosen[:, None], torch.nan)
    found = recnn.propagate(cell, graph, spoilt, engine=engine, has_input=chosen)
    graph.ndata["word"] = chosen.long() - 1
    assert_same(found, node_by_node(cell, graph, x), 1e-12)


@pytest.mark.parametrize("arity", [1, "sum"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_states_are_the_callers_own(arity, mode):
    """A later pass does not overwrite the states of an earlier one, with nodes in level order or not."""
    cell, time = recnn.LSTMCell(4, 100, arity), torch.arange(2000)
    chain = _dgl.graph((time[1:], time[:-1])), _dgl.graph((time[:-1], time[1:]))
    for graph in chain:
        with mode():
            first = recnn.propagate(cell, graph, torch.randn(2000, 4)).hidden.detach()
            assert not first.is_inference()
            before = first.clone()
            recnn.propagate(cell, graph, torch.randn(2000, 4))
        assert torch.equal(first, before)
