"""Kernels of `LSTMCell`: Tai et al. 2015, eqs. 2-14; the derivative as in Graves 2012, section 4.6."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Columns, Kernel, from_sigmoid, tanh

_aten = torch.ops.aten


class _LSTMKernel(Kernel):
    """Common part for children by slot and child-sum: i, g, o and tanh(c), forward and backward."""

    fields = 2
    extra = 1  # t

    def forward(self, columns: Columns, extra: Tensor, children: list[Tensor] | None, states: list[Tensor]) -> None:
        gates, i, g, o, *forget = columns
        h, c = states
        gates.sigmoid_()
        self._remember(i, from_sigmoid(g, g), forget, children, c)
        torch.mul(o, tanh(c, extra), out=h)

    @abstractmethod
    def _remember(self, i: Tensor, g: Tensor, forget: list[Tensor], children: list[Tensor] | None, c: Tensor) -> None:
        """Compute c = i ⊙ g + Σ_k f_k ⊙ c_k."""

    def factors(
        self,
        gates: Tensor,
        extra: Tensor,
        children: list[Tensor] | None,
        hidden: Callable[[], Tensor],
        made: Tensor,
    ) -> Tensor | None:
        _, i, g, o, *_ = self.columns(gates)
        _, d_i, d_g, d_o, *_ = self.columns(made)
        _aten.sigmoid_backward.grad_input(g, i, grad_input=d_i)
        _aten.tanh_backward.grad_input(i, g, grad_input=d_g)
        _aten.sigmoid_backward.grad_input(extra, o, grad_input=d_o)
        self._forget_factors(gates, children, made)
        return _aten.tanh_backward(o, extra)  # type: ignore[no-any-return]

    @abstractmethod
    def _forget_factors(self, gates: Tensor, children: list[Tensor] | None, made: Tensor) -> None:
        """Fill the blocks of ``made`` other than those of i, g and o."""

    def backward(self, columns: Columns, gradients: list[Tensor], children: list[Tensor] | None) -> None:
        d_o, others, through, *forget = columns
        dh, dc = gradients
        dc.addcmul_(dh, through)
        spread = dc.unsqueeze(1)
        others.mul_(spread)
        d_o.mul_(dh)
        if children is not None and forget:
            children[1].addcmul_(forget[0], spread)


class LSTMKernel(_LSTMKernel):
    """Children by slot: c = i ⊙ g + Σ_k f_k ⊙ c_k, h = o ⊙ t, t = tanh(c). Blocks: i, f_1..f_K, g, o; sources: i, g, o.

    With dc' = dc + dh ⊙ o (1 - t²):

        di = dc' ⊙ g i (1 - i)     df_k = dc' ⊙ c_k f_k (1 - f_k)     dg = dc' ⊙ i (1 - g²)     do = dh ⊙ t o (1 - o)

    and dc_k = dc' ⊙ f_k. ``extra`` holds t.
    """

    def __init__(self, hidden_size: int, slots: int) -> None:
        super().__init__(hidden_size, slots)
        self.input_blocks = (0, *[1] * slots, 2, 3)
        self.recurrent_blocks = 3 + slots
        self.source_blocks = (0, slots + 1, slots + 2)
        self.doubled_blocks = (slots + 1,)

    def columns(self, gates: Tensor) -> Columns:
        """Cut out all gates together, i, g, o, and each f_k."""
        i, *forget, g, o = gates.chunk(gates.shape[1] // self.hidden_size, dim=1)
        return gates, i, g, o, *forget

    def _remember(self, i: Tensor, g: Tensor, forget: list[Tensor], children: list[Tensor] | None, c: Tensor) -> None:
        torch.mul(i, g, out=c)
        if children is not None:
            cells = children[1].split(self.hidden_size, dim=1) if self.slots > 1 else children[1:]
            for f, below in zip(forget, cells, strict=True):
                c.addcmul_(f, below)

    def _forget_factors(self, gates: Tensor, children: list[Tensor] | None, made: Tensor) -> None:
        f = slice(self.hidden_size, gates.shape[1] - 2 * self.hidden_size)
        if children is None:
            made[:, f] = 0
        else:
            _aten.sigmoid_backward.grad_input(children[1], gates[:, f], grad_input=made[:, f])

    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        """Cut out the factors of do, of the other gates, and of dc', and the f_k."""
        assert more is not None
        H, n = self.hidden_size, len(gates)
        factors = made[:, -H:], made[:, :-H].view(n, -1, H), more
        return factors if childless else (*factors, gates[:, H : (1 + self.slots) * H].view(n, self.slots, H))


class LSTMSumKernel(_LSTMKernel):
    """Child-sum form, Tai et al. 2015, eqs. 2-8: blocks are i, g, o, and W_f x + b_f, which all f_k share.

    `recnn.engines.fused.child_sum` computes Σ_k f_k ⊙ c_k; the rest is as in `LSTMKernel`.
    """

    gated = True
    input_blocks = (0, 1, 2, 3)
    recurrent_blocks = 3
    source_blocks = (0, 1, 2)
    doubled_blocks = (1,)

    def arranged(self, weights: Any) -> Any:
        """Reorder the gates from torch's i, f, g, o to i, g, o, f."""
        return self._in_order(weights, [0, 2, 3, 1])

    def disarranged(self, weights: Any) -> Any:
        """Inverse of `arranged`."""
        return self._in_order(weights, [0, 3, 1, 2])

    def _in_order(self, weights: Any, order: list[int]) -> Any:
        def moved(rows: Tensor | None) -> Tensor | None:
            if rows is None:
                return None
            blocks = rows.detach().view(4, -1).unbind()
            return torch.stack([blocks[block] for block in order]).view_as(rows)

        return type(weights)(*(moved(weight) for weight in weights))

    def columns(self, gates: Tensor) -> Columns:
        """Cut out the gates i, g, o together, and each of them."""
        H = self.hidden_size
        return gates[:, : 3 * H], *gates[:, : 3 * H].chunk(3, dim=1)

    def _remember(self, i: Tensor, g: Tensor, forget: list[Tensor], children: list[Tensor] | None, c: Tensor) -> None:
        if children is None:
            torch.mul(i, g, out=c)
        else:
            torch.addcmul(children[1], i, g, out=c)

    def _forget_factors(self, gates: Tensor, children: list[Tensor] | None, made: Tensor) -> None:
        made[:, 3 * self.hidden_size :] = 0  # right for nodes without children; for others `SumWalk` fills it

    def gradient_columns(self, gates: Tensor, made: Tensor, more: Tensor | None, childless: bool) -> Columns:
        """Cut out the factors of do, of di and dg, and of dc'."""
        assert more is not None
        H = self.hidden_size
        return made[:, 2 * H : 3 * H], made[:, : 2 * H].view(len(gates), 2, H), more
