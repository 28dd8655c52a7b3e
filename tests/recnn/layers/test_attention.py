"""Attention against the papers' formulas, computed for one sentence and one step at a time."""

import pytest
import torch

from recnn.layers.attention import BahdanauAttention, LuongAttention

torch.set_num_threads(1)
KINDS = [LuongAttention, BahdanauAttention]
H, M, SIZES = 4, 3, [5, 1, 3]


def made(kind):
    torch.manual_seed(0)
    return kind(H, M).double(), torch.randn(sum(SIZES), M).double(), torch.randn(len(SIZES), 2, H).double()


def score(attention, q, m):
    if isinstance(attention, LuongAttention):
        return q @ attention.W_a.weight @ m
    return attention.v_a.weight[0] @ torch.tanh(attention.W_a.weight @ q + attention.U_a.weight @ m)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_contexts_are_the_formulas(kind):
    attention, states, query = made(kind)
    contexts, weights = attention(query, attention.memory(states, torch.tensor(SIZES)))
    assert contexts.shape == (3, 2, M)
    assert weights.shape == (3, 2, 5)
    for sentence, own in enumerate(states.split(SIZES)):
        for step, q in enumerate(query[sentence]):
            scores = torch.stack([score(attention, q, m) for m in own])
            expected = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(weights[sentence, step, : len(own)], expected)
            torch.testing.assert_close(contexts[sentence, step], sum(a * m for a, m in zip(expected, own, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_has_no_weight_and_no_gradient(kind):
    attention, states, query = made(kind)
    memory = attention.memory(states, torch.tensor(SIZES))
    assert memory.mask.tolist() == [[True] * size + [False] * (5 - size) for size in SIZES]
    anything = torch.full_like(memory.states, 1e6).masked_fill(memory.mask.unsqueeze(2), 0)
    spoilt = memory._replace(
        states=(memory.states + anything).requires_grad_(),
        keys=(memory.keys + 1e6 * (~memory.mask.unsqueeze(2))).requires_grad_(),
    )
    contexts, weights = attention(query, spoilt)
    assert (weights.masked_select(~memory.mask.unsqueeze(1)) == 0).all()
    torch.testing.assert_close(weights.sum(2), torch.ones_like(weights[:, :, 0]))
    torch.testing.assert_close(contexts, attention(query, memory)[0])
    for gradient in torch.autograd.grad(contexts.square().sum(), [spoilt.states, spoilt.keys]):
        assert gradient.isfinite().all()
        assert (gradient[~memory.mask] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_memory_does_for_many_queries(kind):
    attention, states, query = made(kind)
    one = attention.memory(states[:5], torch.tensor([5]))
    three = attention.memory(states[:5].repeat(3, 1), torch.tensor([5, 5, 5]))
    for found, expected in zip(attention(query, one), attention(query, three), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    attention, states, query = made(kind)

    def contexts(states, query):
        return attention(query, attention.memory(states, torch.tensor(SIZES)))

    assert torch.autograd.gradcheck(contexts, (states.requires_grad_(), query.requires_grad_()))
