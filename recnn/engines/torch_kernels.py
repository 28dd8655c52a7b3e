"""torch's own loops over sequences, for cells that have the equations of torch.nn: oneDNN's and cuDNN's among them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recnn.cells.base import Cell, has_equations_of
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.cells.recursive import RecursiveCell
from recnn.graphs.devices import is_autocast, is_fake, is_transformed

TorchFunction = Any
"""Function of `torch._VF`: lstm, gru, rnn_tanh or rnn_relu."""
LSTM_FUNCTION: TorchFunction = torch._VF.lstm


def function_for(cells: Sequence[Cell]) -> TorchFunction | None:
    """Return torch's function for a network of ``cells``, layer by layer and direction by direction; None if none is.

    The cells must have the equations of torch.nn, with the same options and sizes.
    """
    names = {_name(cell) for cell in cells}
    sizes = {(cell.hidden_size, cell.output_size, getattr(cell, "bias_ih", None) is None) for cell in cells}
    name = names.pop()
    return None if names or len(sizes) > 1 or name is None else getattr(torch._VF, name)


def _name(cell: Any) -> str | None:
    if getattr(cell, "gain_hh", None) is not None:  # layer-normalised
        return None
    if has_equations_of(cell, LSTMCell):
        own = cell.forget and cell.peephole_i is None and cell.leaf_rule == "cell" and not cell.forget_bias
        return "lstm" if own else None
    if has_equations_of(cell, GRUCell):
        return "gru" if cell.reset_after else None
    if has_equations_of(cell, RecursiveCell) and cell.leaf_rule == "cell" and cell.nonlinearity in ("tanh", "relu"):
        return f"rnn_{cell.nonlinearity}"
    return None


def is_quicker(x: Tensor, onednn: bool, learns: bool) -> bool:
    """Test if torch's function should run in place of `recnn.engines.fused`.

    On a CPU it is quicker without gradients; with gradients, where it calls oneDNN: for an LSTM in float32 over
    sequences of one length. Elsewhere our loop takes 0.4 to 0.8 of its time, as ``benchmarks/sequence_speed.py
    --engine levels`` shows (two cores, sizes 64 to 512, batches of 1 to 256; oneDNN takes 0.3 to 1.1 of ours, the more
    the larger the batch). On other devices torch's function has cuDNN or its like, and torch's compilers need it. It
    has no derivatives within `torch.func`, and oneDNN none of second order.

    Args:
        x: the inputs.
        onednn: the network is an LSTM without projections, and all sequences have the same length.
        learns: gradients are needed.
    """
    if torch.compiler.is_compiling() or is_fake(x):
        return True
    if is_transformed():
        return False
    if x.device.type != "cpu":
        return True
    if x.dtype not in (torch.float32, torch.float64) or is_autocast(x):  # oneDNN lacks them on some processors
        return False
    return not learns or (onednn and x.dtype == torch.float32)


def run(
    function: TorchFunction,
    cells: Sequence[Any],
    x: Tensor,
    batch_sizes: Tensor | None,
    hx: Sequence[Tensor] | None,
    dropout: float,
    training: bool,
    bidirectional: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Compute the outputs of the last layer and the final states of all layers.

    Args:
        function: what `function_for` returned for the cells.
        cells: the cells.
        x: inputs (T, B, D), or (N, D) in the order of a packed sequence.
        batch_sizes: those of the packed sequence; None for inputs (T, B, D).
        hx: initial states, (L * directions, B, H) for each field of the state; zeros if None.
        dropout: dropout probability between layers.
        training: apply dropout.
        bidirectional: the cells are those of two directions.

    Returns:
        The outputs in the layout of ``x``, and the final states in that of ``hx``.
    """
    batch = x.shape[1] if batch_sizes is None else int(batch_sizes[0])
    cells = [cell.prepared(batch, x) for cell in cells]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    found = [[getattr(cell, name, None) for name in names] for cell in cells]
    weights = [weight for group in found for weight in group if weight is not None]
    bias = found[0][2] is not None
    if hx is None:
        like = weights[0]
        hx = [like.new_zeros(len(cells), batch, *shape) for shape in cells[0].state_shapes()]
    state = tuple(hx) if len(hx) > 1 else hx[0]
    rest = bias, len(cells) // (1 + bidirectional), dropout, training, bidirectional
    arguments = (x, state, weights, *rest, False) if batch_sizes is None else (x, batch_sizes, state, weights, *rest)
    output, *final = function(*arguments)
    return output, tuple(final)
