"""Engine for the common cells: forward and backward passes written by hand, without autograd's overhead per level.

`walk` is the loop over a schedule, with preallocated memory and one product per weight gradient for the whole forest;
`child_sum` is its variant for child-sum cells; a kernel is the pointwise part of one cell and its derivative. Cells
without a kernel run in `recnn.engines.levels`.
"""

from recnn.cells.base import Cell
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.recursive import RecursiveCell
from recnn.engines.fused.autograd import run as run
from recnn.engines.fused.gru import GRUKernel
from recnn.engines.fused.kernel import Kernel as Kernel
from recnn.engines.fused.lstm import LSTMKernel, LSTMSumKernel
from recnn.engines.fused.recursive import RecursiveKernel
from recnn.engines.fused.walk import Run as Run


def kernel_for(cell: Cell) -> Kernel | None:
    """Return the kernel of ``cell``; None if there is none for this cell with these options."""
    if getattr(cell, "gain_hh", None) is not None:  # layer-normalised
        return None
    if type(cell) is LSTMCell and cell.forget and cell.peephole_i is None and not cell.proj_size:
        return LSTMSumKernel(cell.hidden_size, 1) if cell.arity == "sum" else LSTMKernel(cell.hidden_size, cell.slots)
    if type(cell) is GRUCell and cell.reset_after:
        return GRUKernel(cell.hidden_size, cell.slots)
    if type(cell) is RecursiveCell and cell.leaf_rule == "cell" and cell.nonlinearity in ("tanh", "relu"):
        return RecursiveKernel(cell.hidden_size, cell.slots, cell.nonlinearity == "relu")
    return None
