"""Sequences from a model that says how likely each next token is: by beam search, or drawn at random.

The model is a function ``step(tokens, state)``: W hypotheses, whose last tokens are (W,), to the log-probabilities
(W, V) of their next tokens and the state after it. A state may be anything; at first it is that of one hypothesis.
Tokens and rows are in host memory, wherever the model is, so that the same seed draws the same on every device.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Generator, Tensor

_S = TypeVar("_S")
StepFunction = Callable[[Tensor, _S], tuple[Tensor, _S]]


class Candidate(NamedTuple):
    """A sequence that was found."""

    tokens: tuple[int, ...]
    """Without the start, and with the end, if it came to one."""
    log_probability: float
    """Under the model, that of the end included."""

    def score(self, length_penalty: float = 0.0) -> float:
        """Log P / ((5 + n) / 6)^α of n tokens: Wu et al., "Google's neural machine translation system", 2016, eq. 14.

        With α = 0 short sequences have the advantage, for each token makes a sequence less probable.
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
    """The most probable sequences, as far as a search of this width sees, the best by their `Candidate.score` first.

    At each length the best continuations of all hypotheses are kept. One that ends leaves the beam, which is narrower
    by one from then on; so a beam of width 1 takes the most probable token each time, and one as wide as there are
    sequences finds them all.

    Args:
        step: the model, see above.
        state: before ``start``, of one hypothesis.
        pick: selects hypotheses of a state, by their rows (W,); one may be selected several times.
        start: the first token, which is given.
        end: the token after which a sequence goes no further, or None.
        beam_width: number of hypotheses, and of candidates returned, or as many as are possible.
        max_length: most tokens in a sequence, the end included; one that has come to none by then is cut off there.
        length_penalty: α, 0 to 10.
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
    """A sequence drawn token by token; its log-probability is that of the model, not of what it was drawn from.

    Args:
        step: the model, see above.
        state: before ``start``, of one hypothesis.
        start: the first token, which is given.
        end: the token after which the sequence goes no further, or None.
        max_length: most tokens, the end included.
        temperature: see `restricted`.
        top_k: see `restricted`.
        top_p: see `restricted`.
        generator: of the random numbers, in host memory.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")
    tokens: list[int] = []
    total, last = 0.0, start
    while len(tokens) < max_length and (last != end or not tokens):
        log_probabilities, state = step(torch.tensor([last]), state)
        row = log_probabilities[0].cpu().double()
        probabilities = restricted(row, temperature, top_k, top_p).exp()
        last = int(torch.multinomial(probabilities, 1, generator=generator))
        total += float(row[last])
        tokens.append(last)
    return Candidate(tuple(tokens), total)


def restricted(
    log_probabilities: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """(V,) the log-probabilities that are drawn from: those given, sharpened, and without the improbable tokens.

    Args:
        log_probabilities: (V,).
        temperature: divides them; below 1 the probable become more so.
        top_k: the k most probable tokens are left (Fan, Lewis and Dauphin 2018).
        top_p: of these, the fewest whose probabilities add up to p at least: the nucleus (Holtzman et al., "The
            curious case of neural text degeneration", 2020). Of tokens that are equally probable the first are taken.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}; a beam of width 1 is its limit")
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
