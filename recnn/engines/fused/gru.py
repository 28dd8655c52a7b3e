"""Kernel of `GRUCell` with ``reset_after``."""

from collections.abc import Callable

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Columns, Kernel, from_sigmoid

_aten = torch.ops.aten


class GRUKernel(Kernel):
    """h = n + z ⊙ (s - n), n = tanh(x_n + r ⊙ h_n), s = Σ_k h_k; buffer blocks are r, z, h_n, x_n.

        dn   = dh ⊙ (1 - z) (1 - n²)       dz   = dh ⊙ (s - n) z (1 - z)
        dh_n = dn ⊙ r                      dr   = dn ⊙ h_n r (1 - r)

    and ds = dh ⊙ z. Each is dh times a factor; the block of x_n holds dn. ``extra`` holds n; h_n stays doubled.
    """

    fields = 1
    extra = 1
    input_blocks = (0, 1, -1, 2)
    recurrent_blocks = 3
    source_blocks = (0, 1, 2, 3)
    doubled_blocks = (2, 3)

    def columns(self, gates: Tensor) -> Columns:
        """Cut out r and z together, h_n, x_n, r, z."""
        r, z, h_n, x_n = gates.chunk(4, dim=1)
        return gates[:, : 2 * self.hidden_size], h_n, x_n, r, z

    def forward(self, columns: Columns, extra: Tensor, children: list[Tensor] | None, states: list[Tensor]) -> None:
        opened, h_n, x_n, r, z = columns
        opened.sigmoid_()
        from_sigmoid(torch.addcmul(x_n, r, h_n, out=extra).sigmoid_(), extra)
        if children is None:
            torch.addcmul(extra, z, extra, value=-1, out=states[0])
        else:
            torch.lerp(extra, self._sum(children), z, out=states[0])

    def factors(
        self,
        gates: Tensor,
        extra: Tensor,
        children: list[Tensor] | None,
        hidden: Callable[[], Tensor],
        made: Tensor,
    ) -> Tensor | None:
        r, z, h_n, _ = gates.chunk(4, dim=1)
        d_r, d_z, d_h, d_n = made.chunk(4, dim=1)
        _aten.tanh_backward.grad_input(1 - z, extra, grad_input=d_n)
        torch.mul(d_n, r, out=d_h)
        _aten.sigmoid_backward.grad_input((d_n * h_n).mul_(0.5), r, grad_input=d_r)
        beyond = -extra if children is None else self._sum(children) - extra
        _aten.sigmoid_backward.grad_input(beyond, z, grad_input=d_z)
        return None

    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        """Cut out the factors, and z."""
        return made.view(len(made), 4, -1), gates[:, self.hidden_size : 2 * self.hidden_size]

    def backward(self, columns: Columns, gradients: list[Tensor], children: list[Tensor] | None) -> None:
        factors, z = columns
        spread = gradients[0].unsqueeze(1)
        factors.mul_(spread)
        if children is not None:
            children[0].addcmul_(spread, z.unsqueeze(1))

    def _sum(self, children: list[Tensor]) -> Tensor:
        return children[0] if self.slots == 1 else children[0].unflatten(1, (self.slots, -1)).sum(1)
