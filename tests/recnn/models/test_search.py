"""Beam search and sampling, against enumeration and against the definitions."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recnn.models.search import Candidate, beam_search, restricted, sample

models = st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(0, 2**20))


class Table:
    """A model of V tokens whose probabilities depend on all previous tokens: a table with a row for each history.

    The start token is not part of the history. The state is the number of the history of each hypothesis, (W,), -1
    before the start token.
    """

    def __init__(self, size, max_length, seed, impossible=0.0):
        draw = torch.Generator().manual_seed(seed)
        scores = 2 * torch.randn(size ** (max_length + 1), size, generator=draw)
        scores[torch.rand(scores.shape, generator=draw) < impossible] = -torch.inf
        scores[scores.isneginf().all(1), 0] = 0.0
        self.size, self.table = size, scores.log_softmax(1)

    def __call__(self, tokens, state):
        assert tokens.dtype == torch.int64
        assert tokens.shape == state.shape
        state = torch.where(state < 0, 0, state * self.size + tokens + 1)
        return self.table[state], state

    def log_probability(self, tokens):
        state, total = 0, 0.0
        for token in tokens:
            total += float(self.table[state, token].double())
            state = state * self.size + token + 1
        return total

    def sequences(self, max_length, end):
        """All sequences: those that end, and those that are cut off."""
        for tokens in product(range(self.size), repeat=max_length):
            if end not in tokens:
                yield tokens
        for length in range(max_length if end is not None else 0):
            for tokens in product(range(self.size), repeat=length):
                if end not in tokens:
                    yield (*tokens, end)


def pick(state, rows):
    return state[rows]


START = torch.tensor([-1])


@settings(deadline=None, max_examples=60)
@given(models, st.booleans(), st.sampled_from([0.0, 0.6, 1.0]), st.sampled_from([0.0, 0.3]))
def test_a_beam_as_wide_as_there_are_sequences_finds_them_all(model, ends, penalty, impossible):
    size, max_length, seed = model
    table, end = Table(size, max_length, seed, impossible), 0 if ends else None
    found = beam_search(table, START, pick, 1, end, size**max_length, max_length, penalty)
    expected = {tokens: table.log_probability(tokens) for tokens in table.sequences(max_length, end)}
    expected = {tokens: value for tokens, value in expected.items() if value > -math.inf}
    assert {one.tokens: one.log_probability for one in found} == pytest.approx(expected)
    assert sum(math.exp(one.log_probability) for one in found) == pytest.approx(1)
    scores = [one.log_probability / ((5 + len(one.tokens)) / 6) ** penalty for one in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0].score(penalty) == pytest.approx(scores[0])


@settings(deadline=None, max_examples=60)
@given(models, st.integers(1, 5), st.booleans())
def test_any_beam_returns_as_many_sequences_as_it_is_wide(model, width, ends):
    size, max_length, seed = model
    table, end = Table(size, max_length, seed), 0 if ends else None
    found = beam_search(table, START, pick, 1, end, width, max_length)
    every = list(table.sequences(max_length, end))
    assert len(found) == len({one.tokens for one in found}) <= min(width, len(every))
    assert end is not None or len(found) == min(width, len(every))
    for one in found:
        assert one.tokens in every
        assert one.log_probability == pytest.approx(table.log_probability(one.tokens))


@settings(deadline=None, max_examples=30)
@given(models)
def test_a_beam_of_width_one_is_greedy(model):
    size, max_length, seed = model
    table = Table(size, max_length, seed)
    greedy, state = [], 0
    while len(greedy) < max_length and 0 not in greedy:
        greedy.append(int(table.table[state].argmax()))
        state = state * size + greedy[-1] + 1
    assert [one.tokens for one in beam_search(table, START, pick, 1, 0, 1, max_length)] == [tuple(greedy)]
    for kept in ({"temperature": 1e-6}, {"top_k": 1}, {"top_p": 1e-9}):
        assert sample(table, START, 1, 0, max_length, **kept).tokens == tuple(greedy)


def test_a_wider_beam_sees_past_the_first_token():
    table = Table(2, 2, 0)
    table.table[:3] = torch.tensor([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]).log()  # the best is 1 1: 0.36 > 0.3
    assert beam_search(table, START, pick, 0, None, 1, 2)[0].tokens[0] == 0
    best = beam_search(table, START, pick, 0, None, 2, 2)[0]
    assert best.tokens == (1, 1)
    assert math.exp(best.log_probability) == pytest.approx(0.36)


def test_the_length_penalty():
    assert Candidate((3, 4, 5, 6, 7, 8, 9), -6.0).score(1.0) == -3.0
    assert Candidate((3,), -6.0).score(0.7) == -6.0
    short, long = Candidate((0,), -1.0), Candidate((1,) * 7, -1.5)
    assert short.score() > long.score()
    assert short.score(1.0) < long.score(1.0)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**20), st.floats(0.2, 4), st.none() | st.integers(1, 14), st.floats(0.01, 1))
def test_what_is_drawn_from(size, seed, temperature, top_k, top_p):
    draw = torch.Generator().manual_seed(seed)
    given_scores = torch.randn(size, generator=draw, dtype=torch.float64).round(decimals=1).log_softmax(0)
    found = restricted(given_scores, temperature, top_k, top_p).exp().tolist()
    weights = [math.exp(value / temperature) for value in given_scores.tolist()]
    best = sorted(range(size), key=lambda token: -weights[token])[:top_k]
    share = [weights[token] / sum(weights[one] for one in best) for token in best]
    fewest = next((n for n in range(1, len(best) + 1) if sum(share[:n]) >= top_p - 1e-12), len(best))
    kept = best[:fewest]
    for token in range(size):
        expected = weights[token] / sum(weights[one] for one in kept) if token in kept else 0.0
        assert found[token] == pytest.approx(expected, abs=1e-12)


def test_without_restrictions_it_is_drawn_from_the_model():
    table = Table(3, 2, 5)
    torch.testing.assert_close(restricted(table.table[0]), table.table[0])
    draw = torch.Generator().manual_seed(0)
    drawn = [sample(table, START, 1, None, 2, generator=draw) for _ in range(4000)]
    for tokens in table.sequences(2, None):
        p = math.exp(table.log_probability(tokens))
        share = sum(one.tokens == tokens for one in drawn) / 4000
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / 4000) + 1e-3
    assert all(one.log_probability == pytest.approx(table.log_probability(one.tokens)) for one in drawn[:20])


def test_the_seed_decides():
    table = Table(4, 5, 1)

    def drawn(seed):
        draw = torch.Generator().manual_seed(seed)
        return [sample(table, START, 1, 0, 5, 2.0, generator=draw) for _ in range(20)]

    assert drawn(3) == drawn(3) != drawn(4)


def test_it_begins_with_what_may_be_the_end_as_well():
    table = Table(2, 3, 0)
    table.table[:] = torch.tensor([0.25, 0.75]).log()
    assert beam_search(table, START, pick, 0, 0, 1, 3)[0].tokens == (1, 1, 1)
    assert sample(table, START, 0, 0, 3, top_k=1).tokens == (1, 1, 1)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": math.nan}, "temperature must be above 0"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, "top_p must be above 0"),
        ({"max_length": 0}, "max_length must be at least 1"),
    ],
)
def test_wrong_arguments(wrong, problem):
    with pytest.raises(ValueError, match=problem):
        sample(Table(2, 2, 0), START, 0, 1, **{"max_length": 2, **wrong})
    if "max_length" in wrong:
        with pytest.raises(ValueError, match="width and max_length"):
            beam_search(Table(2, 2, 0), START, pick, 0, 1, 3, 0)
