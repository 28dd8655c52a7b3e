"""Kernel of `RecursiveCell` with tanh or relu."""

from collections.abc import Callable

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Columns, Kernel, from_sigmoid


class RecursiveKernel(Kernel):
    """h = f(p); dp = dh ⊙ f'(p), where f'(p) is 1 - h² for tanh, and 1 or 0 for relu."""

    fields = 1
    input_blocks = source_blocks = (0,)
    recurrent_blocks = 1

    def __init__(self, hidden_size: int, slots: int, relu: bool) -> None:
        super().__init__(hidden_size, slots)
        self.relu = relu
        self.doubled_blocks = () if relu else (0,)

    def columns(self, gates: Tensor) -> Columns:
        return (gates,)

    def forward(self, columns: Columns, extra: Tensor, children: list[Tensor] | None, states: list[Tensor]) -> None:
        if self.relu:
            torch.clamp_min(columns[0], 0, out=states[0])
        else:
            from_sigmoid(columns[0].sigmoid_(), states[0])

    def factors(
        self,
        gates: Tensor,
        extra: Tensor,
        children: list[Tensor] | None,
        hidden: Callable[[], Tensor],
        made: Tensor,
    ) -> Tensor | None:
        h = hidden()
        if self.relu:
            made.copy_(h > 0)
        else:
            torch.mul(h, h, out=made).neg_().add_(1)
        return None

    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        return (made,)

    def backward(self, columns: Columns, gradients: list[Tensor], children: list[Tensor] | None) -> None:
        columns[0].mul_(gradients[0])
