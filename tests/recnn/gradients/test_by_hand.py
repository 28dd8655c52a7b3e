import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import recnn
from recnn.gradients.by_hand import (
    LSTMTrace,
    Peepholes,
    RNNWeights,
    bottom_up,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
    softmax_output,
    tree_backward,
    tree_forward,
    truncated_rnn_backward,
)
from recnn.graphs.structure import children_of
from tests.strategies import deep_tree, trees

D, H = 3, 4
F64 = torch.float64
sizes = {"T": st.integers(1, 9), "B": st.integers(1, 3), "seed": st.integers(0, 10**6)}


def drawn(seed, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, dtype=F64, generator=generator) for shape in shapes]


def tracked(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


def assert_near(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def rnn_case(T, B, seed):
    x, h_0, e, W, U, b = drawn(seed, (T, B, D), (B, H), (T, B, H), (H, D), (H, H), (H,))
    return x, h_0, e, RNNWeights(W, U, b)


def lstm_case(T, B, seed):
    x, h_0, c_0, e, W, U, b, *p = drawn(
        seed, (T, B, D), (B, H), (B, H), (T, B, H), (4 * H, D), (4 * H, H), (4 * H,), (H,), (H,), (H,)
    )
    return x, h_0, c_0, e, RNNWeights(W, U, b), Peepholes(*p)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@settings(max_examples=25, deadline=None)
@given(**sizes)
def test_through_time(nonlinearity, T, B, seed):
    x, h_0, e, weights = rnn_case(T, B, seed)
    h = rnn_forward(x, h_0, weights, nonlinearity)
    (dW, dU, db), dx, dh_0 = rnn_backward(x, h, e, weights, nonlinearity)
    given_ = tracked(x, h_0, *weights)
    loss = (e * rnn_forward(*given_[:2], RNNWeights(*given_[2:]), nonlinearity)[1:]).sum()
    assert_near([dx, dh_0, dW, dU, db], torch.autograd.grad(loss, given_))


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_through_time_as_the_network_does(nonlinearity):
    x, h_0, e, weights = rnn_case(12, 3, 0)
    network = recnn.RNN(D, H, nonlinearity=nonlinearity, dtype=F64)
    network.load_state_dict(
        dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), [*weights, 0 * weights.b], strict=True))
    )
    x_, h_ = tracked(x, h_0)
    output, _ = network(x_, h_.unsqueeze(0))
    h = rnn_forward(x, h_0, weights, nonlinearity)
    assert_near([h[1:]], [output])
    (dW, dU, db), dx, dh_0 = rnn_backward(x, h, e, weights, nonlinearity)
    (output * e).sum().backward()
    cell = network.encoder.cells[0]
    assert_near(
        [dW, dU, db, db, dx, dh_0],
        [cell.weight_ih.grad, cell.weight_hh.grad, cell.bias_ih.grad, cell.bias_hh.grad, x_.grad, h_.grad],
    )


@settings(max_examples=25, deadline=None)
@given(**sizes)
def test_softmax(T, B, seed):
    h, V, c = drawn(seed, (T, B, H), (5, H), (5,))
    targets = torch.randint(5, (T, B), generator=torch.Generator().manual_seed(seed))
    loss, dV, dc, e = softmax_output(h, targets, V, c)
    given_ = tracked(h, V, c)
    expected = cross_entropy((given_[0] @ given_[1].T + given_[2]).flatten(0, 1), targets.flatten(), reduction="sum")
    assert_near([loss, e, dV, dc], [expected, *torch.autograd.grad(expected, given_)])


def cut(x, h, e, weights, k1, k2):
    """The gradient of each pass by autograd: h_(t-k2) is a constant, and only the latest steps have a loss."""
    for now in [*range(k1, len(x), k1), len(x)]:
        first = max(0, now - k2)
        given_ = tracked(*weights)
        again = rnn_forward(x[first:now], h[first], RNNWeights(*given_))[1:]
        new = now - (now - 1) // k1 * k1
        yield torch.autograd.grad((again[-new:] * e[now - new : now]).sum(), given_)


@settings(max_examples=25, deadline=None)
@given(**sizes, k1=st.integers(1, 5), more=st.integers(0, 5))
def test_truncated(T, B, seed, k1, more):
    x, h_0, e, weights = rnn_case(T, B, seed)
    h = rnn_forward(x, h_0, weights)
    passes = truncated_rnn_backward(x, h, e, weights, k1, k1 + more)
    for found, expected in zip(passes, cut(x, h, e, weights, k1, k1 + more), strict=True):
        assert_near(found, expected)


@pytest.mark.parametrize("k1", [1, 4, 9])
def test_truncated_nowhere_is_the_whole_gradient(k1):
    x, h_0, e, weights = rnn_case(9, 2, 1)
    h = rnn_forward(x, h_0, weights)
    passes = truncated_rnn_backward(x, h, e, weights, k1, 9)
    assert len(passes) == -(-9 // k1)
    assert_near([sum(parts) for parts in zip(*passes, strict=True)], rnn_backward(x, h, e, weights)[0])


def test_truncated_into_segments_is_what_detached_does():
    x, h_0, e, weights = rnn_case(12, 2, 2)
    network = recnn.RNN(D, H, dtype=F64)
    network.load_state_dict(
        dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), [*weights, 0 * weights.b], strict=True))
    )
    state = h_0.unsqueeze(0)
    for segment, errors in zip(x.split(4), e.split(4), strict=True):
        output, state = network(segment, recnn.detached(state))
        (output * errors).sum().backward()
    passes = truncated_rnn_backward(x, rnn_forward(x, h_0, weights), e, weights, 4, 4)
    cell = network.encoder.cells[0]
    expected = [cell.weight_ih.grad, cell.weight_hh.grad, cell.bias_ih.grad]
    assert_near([sum(parts) for parts in zip(*passes, strict=True)], expected)


def test_truncated_loses_no_errors():
    x, h_0, e, weights = rnn_case(3, 1, 0)
    with pytest.raises(ValueError, match="k1=3 and k2=2"):
        truncated_rnn_backward(x, rnn_forward(x, h_0, weights), e, weights, 3, 2)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@settings(max_examples=25, deadline=None)
@given(tree=trees(), seed=sizes["seed"])
def test_through_structure(nonlinearity, tree, seed):
    graph = recnn.tree_to_graph(tree)
    children, _ = children_of(graph)
    K = max(1, *map(len, children))
    x, e, U, b = drawn(seed, (len(children), H), (len(children), H), (H, K * H), (H,))
    h = tree_forward(x, children, U, b, nonlinearity)
    cell = recnn.RecursiveCell(H, H, K, nonlinearity, leaf="input").double()
    with torch.no_grad():
        cell.weight_hh.copy_(U)
        cell.bias_hh.copy_(b)
    (x_,) = tracked(x)
    states = recnn.propagate(cell, graph, x_).hidden
    expected = torch.autograd.grad((states * e).sum(), [cell.weight_hh, cell.bias_hh, x_], materialize_grads=True)
    inner = torch.tensor([bool(own) for own in children])
    assert_near([h[~inner], h[inner]], [x[~inner], states[inner]])
    assert_near(tree_backward(children, h, e, U, nonlinearity), expected)


def test_children_before_parents_in_a_forest_of_any_numbering():
    children = [[4, 2], [], [1], [], [], [3]]
    order = bottom_up(children)
    assert sorted(order) == list(range(6))
    assert all(order.index(child) < order.index(node) for node in range(6) for child in children[node])


def test_a_tree_deeper_than_the_stack():
    children, _ = children_of(recnn.tree_to_graph(deep_tree(3000)))
    x, U, b = drawn(0, (len(children), H), (H, H), (H,))
    h = tree_forward(x, children, U, b)
    assert tree_backward(children, h, torch.ones_like(h), U)[2].isfinite().all()


@settings(max_examples=25, deadline=None)
@given(**sizes)
def test_lstm(T, B, seed):
    x, h_0, c_0, e, weights, peepholes = lstm_case(T, B, seed)
    trace = lstm_forward(x, h_0, c_0, weights, peepholes)
    (dW, dU, db), dp, dx, dh_0, dc_0 = lstm_backward(x, trace, e, weights, peepholes)
    given_ = tracked(x, h_0, c_0, *weights, *peepholes)
    again = lstm_forward(*given_[:3], RNNWeights(*given_[3:6]), Peepholes(*given_[6:]))
    expected = torch.autograd.grad((e * again.h[1:]).sum(), given_)
    assert_near([dx, dh_0, dc_0, dW, dU, db, *dp], expected)


def test_lstm_as_the_network_does():
    x, h_0, c_0, e, weights, peepholes = lstm_case(12, 3, 0)
    network = recnn.LSTM(D, H, peepholes=True, dtype=F64)
    cell = network.encoder.cells[0]
    ours = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.peephole_i, cell.peephole_f, cell.peephole_o]
    with torch.no_grad():
        cell.bias_hh.zero_()
        for parameter, value in zip(ours, [*weights, *peepholes], strict=True):
            parameter.copy_(value)
    given_ = tracked(x, h_0, c_0)
    output, (_, c_n) = network(given_[0], tuple(part.unsqueeze(0) for part in given_[1:]))
    trace = lstm_forward(x, h_0, c_0, weights, peepholes)
    assert_near([trace.h[1:], trace.c[-1]], [output, c_n[0]])
    gradients, dp, *others = lstm_backward(x, trace, e, weights, peepholes)
    expected = torch.autograd.grad((e * output).sum(), [*ours, *given_])
    shaped = [expected[0], expected[1], expected[2], *(part.flatten() for part in expected[3:6]), *expected[6:]]
    assert_near([*gradients, *dp, *others], shaped)


def truncated_lstm(x, h_0, c_0, weights, peepholes):
    """The forward pass, detached where the truncated gradient does not flow."""
    h, c, states = h_0, c_0, []
    for x_t in x:
        a_i, a_f, a_g, a_o = (x_t @ weights.W.T + h.detach() @ weights.U.T + weights.b).chunk(4, dim=1)
        i, f = (torch.sigmoid(a + p * c.detach()) for a, p in ((a_i, peepholes.i), (a_f, peepholes.f)))
        c = f * c + i * torch.tanh(a_g)
        h = torch.sigmoid(a_o + peepholes.o * c.detach()) * torch.tanh(c)
        states.append(h)
    return torch.stack(states)


@settings(max_examples=25, deadline=None)
@given(**sizes)
def test_lstm_with_the_truncated_gradient_of_1997(T, B, seed):
    x, h_0, c_0, e, weights, peepholes = lstm_case(T, B, seed)
    trace = lstm_forward(x, h_0, c_0, weights, peepholes)
    (dW, dU, db), dp, dx, dh_0, dc_0 = lstm_backward(x, trace, e, weights, peepholes, truncated=True)
    given_ = tracked(x, h_0, c_0, *weights, *peepholes)
    states = truncated_lstm(*given_[:3], RNNWeights(*given_[3:6]), Peepholes(*given_[6:]))
    expected = torch.autograd.grad((e * states).sum(), given_, materialize_grads=True)
    assert_near([dx, dh_0, dc_0, dW, dU, db, *dp], expected)


def test_an_open_forget_gate_keeps_an_error():
    """With f = 1 and no recurrent weights, ∂L/∂c_0 equals the gradient with respect to the last cell state."""
    T, B = 50, 2
    x, h_0, c_0, e, weights, peepholes = lstm_case(T, B, 3)
    weights = RNNWeights(weights.W, 0 * weights.U, weights.b)
    peepholes = Peepholes(*(0 * p for p in peepholes))
    trace = lstm_forward(x, h_0, c_0, weights, peepholes)
    trace = LSTMTrace(trace.i, torch.ones_like(trace.f), *trace[2:])
    e[:-1] = 0
    dc_0 = lstm_backward(x, trace, e, weights, peepholes)[-1]
    o, c = trace.o[-1], trace.c[-1]
    assert_near([dc_0], [o * (1 - torch.tanh(c) ** 2) * e[-1]])
