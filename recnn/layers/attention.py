"""Attention: which states of a memory a step of a decoder looks at, and what it sees there.

With a query q (a state of the decoder), the states m_1, ..., m_S of a memory and a score of the two:

    α_s = exp score(q, m_s) / Σ_s' exp score(q, m_s')        c = Σ_s α_s m_s

Shapes: B memories, S the most states of one, M the size of a state, T steps, H the size of a query.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """B memories, each with states of its own number, padded with zeros to the largest."""

    states: Tensor
    """(B, S, M)"""
    keys: Tensor
    """(B, S, K) what the score makes of the states alone, once for all steps."""
    mask: Tensor
    """(B, S) where there is a state."""


class Attention(nn.Module, ABC):
    """A score, and what follows from it.

    A memory of B = 1 does for any number of queries.
    """

    @abstractmethod
    def keys(self, states: Tensor) -> Tensor:
        """(N, M) to (N, K): what the score makes of the states alone."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """(B, T, H) and (B, S, K) to (B, T, S)."""

    def memory(self, states: Tensor, sizes: Tensor) -> Memory:
        """The memories of N states in all, one after the other.

        Args:
            states: (N, M).
            sizes: (B,) how many states each memory has, 1 at least.
        """
        sizes = sizes.to(states.device)
        place = torch.arange(int(sizes.max()), device=states.device).expand(len(sizes), -1)
        mask = place < sizes.unsqueeze(1)

        def padded(values: Tensor) -> Tensor:
            return values.new_zeros(*mask.shape, values.shape[1]).masked_scatter(mask.unsqueeze(2), values)

        return Memory(padded(states), padded(self.keys(states)), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The contexts c (B, T, M) and the weights α (B, T, S), which are 0 where there is no state."""
        scores = self.scores(query, memory.keys).masked_fill(~memory.mask.unsqueeze(1), -torch.inf)
        weights = scores.softmax(2)
        return weights @ memory.states, weights


class LuongAttention(Attention):
    """The score "general" of Luong, Pham and Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015, section 3.1, of the state h_t after the step:

        score(h_t, m) = h_t^T W_a m

    Args:
        query_size: H.
        state_size: M.
    """

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        self.W_a = nn.Linear(state_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        keys: Tensor = self.W_a(states)
        return keys

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.transpose(1, 2)


class BahdanauAttention(Attention):
    """The score of Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate",
    ICLR 2015, appendix A.1.2, of the state s before the step:

        score(s, m) = v_a^T tanh(W_a s + U_a m)

    Args:
        query_size: H.
        state_size: M.
        size: of the hidden layer; H if None.
    """

    def __init__(self, query_size: int, state_size: int, size: int | None = None) -> None:
        super().__init__()
        size = size or query_size
        self.W_a = nn.Linear(query_size, size, bias=False)
        self.U_a = nn.Linear(state_size, size, bias=False)
        self.v_a = nn.Linear(size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        keys: Tensor = self.U_a(states)
        return keys

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        scores: Tensor = self.v_a(torch.tanh(self.W_a(query).unsqueeze(2) + keys.unsqueeze(1))).squeeze(3)
        return scores
