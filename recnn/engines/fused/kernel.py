"""What a kernel is: the pointwise part of a cell, forward and backward, on plain tensors.

The engine fills a buffer of pre-activations, G columns in blocks of H, with W x + U H_ + b. A kernel turns them, in
place, into whatever it wants to keep, and into states. Of a block that is to go through tanh it gets twice that, for
tanh(x) = 2 σ(2x) - 1 is several times faster than tanh on a CPU, and one σ over a whole buffer faster than one for each
gate; the absolute error stays that of rounding. Going back, every pre-activation's gradient is the gradient of
a state times a factor that is known beforehand; the kernel makes the factors for all nodes at once, and in the loop
only multiplies.

Cutting views out of tensors costs about as much as the arithmetic of a small level, so the columns that a kernel
works on are cut once for all levels, by `Kernel.columns`, and then by rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Columns = tuple[Tensor, ...]


class Kernel(ABC):
    """For a hidden size H and K children.

    Attributes:
        fields: how many tensors (N, H) the state has.
        input_blocks: for each of the G / H blocks, which block of rows of W feeds it; -1 for none.
        recurrent_blocks: how many blocks U feeds; they are the first ones.
        source_blocks: the blocks that a node without children needs.
        doubled_blocks: the blocks that the engine doubles.
        gated: whether each child of a set has a gate of its own; see `recnn.engines.fused.child_sum`.
        extra: how many further columns, in blocks of H, the backward pass needs of each node.
    """

    fields: int
    input_blocks: tuple[int, ...]
    recurrent_blocks: int
    source_blocks: tuple[int, ...]
    doubled_blocks: tuple[int, ...] = ()
    gated: bool = False
    extra: int = 0

    def __init__(self, hidden_size: int, slots: int) -> None:
        self.hidden_size = hidden_size
        self.slots = slots

    def arranged(self, weights: Any) -> Any:
        """The `Weights` of the cell with their rows in the order of the kernel."""
        return weights

    def disarranged(self, weights: Any) -> Any:
        """The same back."""
        return weights

    @abstractmethod
    def columns(self, gates: Tensor) -> Columns:
        """The views of a buffer, (n, G) or with the source blocks only, that `forward` takes."""

    @abstractmethod
    def forward(self, columns: Columns, extra: Tensor, children: list[Tensor] | None, states: list[Tensor]) -> None:
        """Write ``states``, each (n, H), and what the backward pass needs into the buffer and ``extra``.

        Args:
            columns: of the pre-activations of n nodes.
            extra: (n, extra * H).
            children: (n, K * H) for each field of the state; None for nodes without children.
            states: where to write.
        """

    @abstractmethod
    def factors(
        self,
        gates: Tensor,
        extra: Tensor,
        children: list[Tensor] | None,
        hidden: Callable[[], Tensor],
        made: Tensor,
    ) -> Tensor | None:
        """Fill ``made``, of the shape of ``gates``, with what `backward` multiplies by; for all nodes at once.

        Args:
            gates: what `forward` left.
            extra: what `forward` left.
            children: as in `forward`.
            hidden: gives the hidden states (n, H).
            made: 0 for blocks that a node without children does not need.

        Returns:
            A further factor (n, H), if `backward` wants one.
        """

    @abstractmethod
    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        """The views of ``gates``, and of the factors ``made`` and ``more``, that `backward` takes."""

    @abstractmethod
    def backward(self, columns: Columns, gradients: list[Tensor], children: list[Tensor] | None) -> None:
        """Turn the factors into the gradients of the pre-activations.

        Args:
            columns: of n nodes.
            gradients: of the states, each (n, H); may be overwritten.
            children: to which the gradients of the children's states are added that do not pass through U, each
                (n, K, H); None for nodes without children.
        """


_MINUS_ONE = torch.tensor(-1.0)


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """Tanh by σ; ``out`` may be ``x``."""
    return from_sigmoid(torch.add(x, x, out=out).sigmoid_(), out)


def from_sigmoid(s: Tensor, out: Tensor) -> Tensor:
    """2 s - 1, which for s = σ(2x) is tanh(x); ``out`` may be ``s``."""
    return torch.add(_MINUS_ONE, s, alpha=2, out=out)
