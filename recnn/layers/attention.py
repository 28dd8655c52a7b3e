"""Attention of a decoder to the states of an encoder.

With a query q (a state of the decoder), the states m_1, ..., m_S of a memory and a score of the two:

    α_s = exp score(q, m_s) / Σ_s' exp score(q, m_s')        c = Σ_s α_s m_s

Shapes: B memories, S states in the longest memory, M size of a state, K size of a key, T steps, H size of a query.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recnn.graphs.devices import to_device_of


class Memory(NamedTuple):
    """The states of B encoded inputs, padded with zeros to the length of the longest."""

    states: Tensor
    """(B, S, M) states."""
    keys: Tensor
    """(B, S, K) keys, the result of `Attention.keys`, computed once for all steps."""
    mask: Tensor
    """(B, S) True at states, False at padding."""


class Attention(nn.Module, ABC):
    """Base class of attention layers: a subclass defines the score by `keys` and `scores`.

    A memory with B = 1 is shared by a batch of any number of queries.
    """

    @abstractmethod
    def keys(self, states: Tensor) -> Tensor:
        """Project states (N, M) to keys (N, K), the part of the score that does not depend on the query."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Compute the scores (B, T, S) of queries (B, T, H) with keys (B, S, K)."""

    def memory(self, states: Tensor, sizes: Tensor) -> Memory:
        """Make a `Memory` from the concatenated states of B inputs.

        Args:
            states: (N, M) states of all inputs, one input after the other.
            sizes: (B,) number of states of each input, at least 1.
        """
        # Sizes are usually in host memory, where the largest is known without waiting for the device.
        mask = torch.arange(int(sizes.max()), device=sizes.device) < sizes.unsqueeze(1)
        mask = to_device_of(mask, states)

        def padded(values: Tensor) -> Tensor:
            return values.new_zeros(*mask.shape, values.shape[1]).masked_scatter(mask.unsqueeze(2), values)

        return Memory(padded(states), padded(self.keys(states)), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Compute the contexts c (B, T, M) and the weights α (B, T, S), which are 0 at padding.

        Args:
            query: (B, T, H) states of the decoder.
            memory: the states to attend to.
        """
        scores = self.scores(query, memory.keys).masked_fill(~memory.mask.unsqueeze(1), -torch.inf)
        weights = scores.softmax(2)
        return weights @ memory.states, weights


class LuongAttention(Attention):
    """Multiplicative attention: the score "general" of the decoder's state h_t after the step.

        score(h_t, m) = h_t^T W_a m

    Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", EMNLP 2015, section
    3.1.

    Args:
        query_size: size H of the queries.
        state_size: size M of the states in the memory.
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
    """Additive attention: a score of the decoder's state s before the step.

        score(s, m) = v_a^T tanh(W_a s + U_a m)

    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015,
    appendix A.1.2.

    Args:
        query_size: size H of the queries.
        state_size: size M of the states in the memory.
        size: size K of the hidden layer; H if None.
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
