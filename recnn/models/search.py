"""Generate sequences with a model of the next token: beam search and sampling.

The model is a function ``step(tokens, state)``: from the last tokens (W,) of W hypotheses and the state before them to
the log-probabilities (W, V) of the next tokens and the state after. A state can be any object; the initial state is
that of one hypothesis. Tokens and rows are in host memory on any device, so that a seed gives the same samples on all.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Generator, Tensor

from recnn.errors import ModelError

_S = TypeVar("_S")
_NO_TOKEN = "the model gives no token a probability: its weights are too large, or damaged"
StepFunction = Callable[[Tensor, _S], tuple[Tensor, _S]]


class Candidate(NamedTuple):
    """A generated sequence."""

    tokens: tuple[int, ...]
    """Tokens without the start token, and with the end token if the sequence has ended."""
    log_probability: float
    """Log-probability of the tokens under the model, including the end token."""

    def score(self, length_penalty: float = 0.0) -> float:
        """Length-normalised score, log P / ((5 + n) / 6)^α for n tokens.

        Wu et al., "Google's neural machine translation system", 2016, eq. 14. With α = 0 it is the log-probability,
        which favours short sequences.

        Args:
            length_penalty: α.
        """
        return self.log_probability / math.pow((5 + len(self.tokens)) / 6, length_penalty)


@torch.no_grad()
def beam_search(
    step: StepFunction[_S],
    state: _S,
    pick: Callable[[_S, Tensor], _S],
    start: int,
    end: int | None,
    beam_width: int,
    max_length: int,
    length_penalty: float = 0.0,
) -> list[Candidate]:
    """Search for the most probable sequences with a beam.

    At each step the most probable continuations of all hypotheses are kept. A hypothesis that ends becomes a candidate,
    and the beam is narrower by one from then on. With a width of 1 this is greedy search; with a width of the number of
    all sequences it is exhaustive.

    Args:
        step: the model, a function from last tokens and state to log-probabilities and state; see the module.
        state: state of one hypothesis before ``start``.
        pick: function that selects hypotheses of a state by their rows (W,), in which rows can be repeated.
        start: token before the first one generated.
        end: token that ends a sequence, or None.
        beam_width: number of hypotheses, and of candidates to return.
        max_length: largest number of tokens of a sequence, including the end; longer sequences are cut off.
        length_penalty: α of `Candidate.score`, from 0 to 10.

    Returns:
        The candidates, the best by `Candidate.score` first; fewer than ``beam_width`` if there are not as many
        sequences.

    Raises:
        ValueError: an argument is out of its range.
        ModelError: no sequence has a probability.
    """
    if beam_width < 1 or max_length < 1:
        raise ValueError(f"beam_width and max_length must be at least 1, got {beam_width} and {max_length}")
    if not 0 <= length_penalty <= 10:
        raise ValueError(f"length_penalty must be from 0 to 10, got {length_penalty}")
    found: list[Candidate] = []
    last, said, total = torch.tensor([start]), torch.empty(1, 0, dtype=torch.int64), torch.zeros(1, dtype=torch.float64)
    for _ in range(max_length):
        log_probabilities, state = step(last, state)
        totals = total.unsqueeze(1) + log_probabilities.cpu().double()
        total, place = totals.flatten().topk(min(beam_width - len(found), totals.numel()))
        rows, last = place // totals.shape[1], place % totals.shape[1]
        said = torch.cat([said[rows], last.unsqueeze(1)], dim=1)
        possible = total > -torch.inf
        ended = torch.zeros_like(possible) if end is None else last == end
        found += _candidates(said[possible & ended], total[possible & ended])
        going = possible & ~ended
        last, said, total = last[going], said[going], total[going]
        if not len(last):
            break
        state = pick(state, rows[going])
    found += _candidates(said, total)
    if not found:
        raise ModelError(_NO_TOKEN)
    return sorted(found, key=lambda candidate: candidate.score(length_penalty), reverse=True)


@torch.no_grad()
def sample(
    step: StepFunction[_S],
    state: _S,
    start: int,
    end: int | None,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: Generator | None = None,
) -> Candidate:
    """Sample a sequence token by token.

    Args:
        step: the model, a function from last tokens and state to log-probabilities and state; see the module.
        state: state of one hypothesis before ``start``.
        start: token before the first one generated.
        end: token that ends the sequence, or None.
        max_length: largest number of tokens, including the end.
        temperature: sampling temperature, see `restricted`.
        top_k: number of most probable tokens to sample from, see `restricted`.
        top_p: probability of the nucleus to sample from, see `restricted`.
        generator: random number generator on the CPU.

    Returns:
        The sequence, with its log-probability under the model, at temperature 1 and without restrictions.

    Raises:
        ValueError: an argument is out of its range.
        ModelError: no token has a probability.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    tokens: list[int] = []
    total, last = 0.0, start
    while len(tokens) < max_length and (last != end or not tokens):
        log_probabilities, state = step(torch.tensor([last]), state)
        row = log_probabilities[0].cpu().double()
        if not row.exp().sum() > 0:
            raise ModelError(_NO_TOKEN)
        probabilities = restricted(row, temperature, top_k, top_p).exp()
        last = int(torch.multinomial(probabilities, 1, generator=generator))
        total += float(row[last])
        tokens.append(last)
    return Candidate(tuple(tokens), total)


def restricted(
    log_probabilities: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Apply temperature, top-k and nucleus sampling to log-probabilities.

    Args:
        log_probabilities: (V,) log-probabilities of the tokens.
        temperature: divisor of the log-probabilities; below 1 probable tokens become more probable.
        top_k: keep only the k most probable tokens (Fan, Lewis and Dauphin 2018).
        top_p: keep only the nucleus: of the tokens left by top_k, the smallest number of most probable ones whose
            probabilities add up to at least p (Holtzman et al., "The curious case of neural text degeneration", 2020).
            Among equally probable tokens the first are kept.

    Returns:
        (V,) log-probabilities to sample from; -inf for tokens that are not kept.

    Raises:
        ValueError: an argument is out of its range.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, got {temperature}; for the most probable tokens use a beam of width 1"
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}")
    found, order = (log_probabilities / temperature).sort(descending=True, stable=True)
    found = found[:top_k].log_softmax(0)
    if top_p is not None and top_p < 1:
        probabilities = found.exp()
        found = found[probabilities.cumsum(0) - probabilities < top_p].log_softmax(0)
    return torch.full_like(log_probabilities, -torch.inf).scatter(0, order[: len(found)], found)


def _candidates(said: Tensor, total: Tensor) -> list[Candidate]:
    return [Candidate(tuple(tokens), value) for tokens, value in zip(said.tolist(), total.tolist(), strict=True)]
