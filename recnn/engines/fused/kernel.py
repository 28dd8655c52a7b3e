"""Interface of a kernel: the pointwise part of a cell, forward and backward, on plain tensors.

The engine fills a buffer of pre-activations, G columns in blocks of H, with W x + U H_ + b. A kernel computes the
states from them, and overwrites them with values for the backward pass. Blocks that go through tanh are doubled,
because 2 σ(2x) - 1 = tanh(x) is several times faster than tanh on a CPU, and one σ over a whole buffer is faster than
one for each gate; the absolute error remains that of rounding. In the backward pass, the gradient of a pre-activation
is the gradient of a state times a factor that does not depend on gradients; the kernel computes the factors of all
nodes at once, and in the loop only multiplies.

Cutting views out of tensors costs about as much as the arithmetic of a small level, so the columns of a kernel are cut
once for all levels, by `Kernel.columns`, and then by rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Columns = tuple[Tensor, ...]


class Kernel(ABC):
    """Pointwise part of a cell with hidden size H and K children.

    Attributes:
        fields: number of tensors (N, H) of the state.
        input_blocks: for each of the G / H blocks, the block of rows of W that is its input; -1 for none.
        recurrent_blocks: number of blocks, from the first, to which U H_ is added.
        source_blocks: blocks that are needed at nodes without children.
        doubled_blocks: blocks that the engine doubles, for tanh.
        gated: child-sum with a gate for each child; see `recnn.engines.fused.child_sum`.
        extra: number of further blocks of H columns that are kept for the backward pass.
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
        """Bring the rows of the cell's `Weights` into the order of the kernel."""
        return weights

    def disarranged(self, weights: Any) -> Any:
        """Inverse of `arranged`."""
        return weights

    @abstractmethod
    def columns(self, gates: Tensor) -> Columns:
        """Cut the views for `forward` out of a buffer (n, G), or one of the source blocks only."""

    @abstractmethod
    def forward(self, columns: Columns, extra: Tensor, children: list[Tensor] | None, states: list[Tensor]) -> None:
        """Compute the states of n nodes, and keep values for the backward pass in the buffer and in ``extra``.

        Args:
            columns: views of the pre-activations; may be overwritten.
            extra: (n, extra * H), to be filled.
            children: states of the children, (n, K * H) for each field; None for nodes without children.
            states: states, (n, H) for each field, to be filled.
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
        """Compute the factors of `backward`, for all nodes at once.

        Args:
            gates: the buffer after `forward`.
            extra: ``extra`` after `forward`.
            children: as in `forward`.
            hidden: function that returns the hidden states (n, H).
            made: factors in the shape of ``gates``, to be filled; 0 in blocks without effect at nodes without children.

        Returns:
            A further factor (n, H) if `backward` needs one, else None.
        """

    @abstractmethod
    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        """Cut the views for `backward` out of ``gates`` and the factors ``made`` and ``more``."""

    @abstractmethod
    def backward(self, columns: Columns, gradients: list[Tensor], children: list[Tensor] | None) -> None:
        """Compute the gradients of the pre-activations: multiply the factors in place.

        Args:
            columns: views of the factors of n nodes.
            gradients: gradients of the states, (n, H) for each field; may be overwritten.
            children: gradients of the children's states, (n, K, H) for each field, to which those that do not pass
                through U are added; None for nodes without children.
        """


_MINUS_ONE = torch.tensor(-1.0)


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """Compute tanh by σ; ``out`` may be ``x``."""
    return from_sigmoid(torch.add(x, x, out=out).sigmoid_(), out)


def from_sigmoid(s: Tensor, out: Tensor) -> Tensor:
    """Compute 2 s - 1, which is tanh(x) for s = σ(2x); ``out`` may be ``s``."""
    return torch.add(_MINUS_ONE, s, alpha=2, out=out)
