"""Engine for the common cells: forward and backward passes written by hand, without autograd's overhead per level.

`walk` is the loop over a schedule, with preallocated memory and one product per weight gradient for the whole forest;
`child_sum` is its variant for child-sum cells; a kernel is the pointwise part of one cell and its derivative. Cells
without a kernel run in `recnn.engines.levels`.
"""

import torch
from torch import Tensor
from torch.nn import Parameter

from recnn.cells.base import Cell, has_equations_of
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.recursive import RecursiveCell
from recnn.engines.fused.autograd import run as run
from recnn.engines.fused.gru import GRUKernel
from recnn.engines.fused.kernel import Kernel as Kernel
from recnn.engines.fused.lstm import LSTMKernel, LSTMSumKernel
from recnn.engines.fused.recursive import RecursiveKernel
from recnn.engines.fused.walk import Run as Run
from recnn.graphs.devices import is_autocast, is_transformed

_DEVICES = ("cpu", "cuda")
"""Devices on which the fused engine is tested; on others `recnn.engines.levels` runs."""


def can_run(x: Tensor) -> bool:
    """Test if the fused engine can run on inputs ``x``; it computes derivatives of real numbers only, once, backwards.

    It needs float32 or float64 (the gradients of complex numbers are conjugated, and half precision is rounded after
    each operation), no autocast, no transform of `torch.func`, no forward-mode differentiation, and plain tensors.
    """
    return (
        x.dtype in (torch.float32, torch.float64)
        and x.device.type in _DEVICES
        and type(x) in (Tensor, Parameter)
        and not is_autocast(x)
        and not is_transformed()
    )


def kernel_for(cell: Cell) -> Kernel | None:
    """Return the kernel of ``cell``; None if there is none for this cell with these options."""
    if getattr(cell, "gain_hh", None) is not None:  # layer-normalised
        return None
    if (
        has_equations_of(cell, LSTMCell)
        and cell.forget
        and cell.peephole_i is None
        and not cell.proj_size
        and not cell.forget_bias  # `LSTMCell.prepared` makes it part of a bias
        and cell.leaf_rule == "cell"
    ):
        return LSTMSumKernel(cell.hidden_size, 1) if cell.arity == "sum" else LSTMKernel(cell.hidden_size, cell.slots)
    if has_equations_of(cell, GRUCell) and cell.reset_after:
        return GRUKernel(cell.hidden_size, cell.slots)
    if has_equations_of(cell, RecursiveCell) and cell.leaf_rule == "cell" and cell.nonlinearity in ("tanh", "relu"):
        return RecursiveKernel(cell.hidden_size, cell.slots, cell.nonlinearity == "relu")
    return None
