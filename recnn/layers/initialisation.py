"""Weight initialisation of recurrent networks, for any module that contains cells."""

from typing import Literal

import torch
from torch import nn

from recnn.cells.base import Cell
from recnn.cells.lstm import LSTMCell


@torch.no_grad()
def initialise(
    module: nn.Module,
    input: Literal["glorot", "orthogonal", "uniform"] = "glorot",
    recurrent: Literal["glorot", "orthogonal", "identity", "uniform"] = "orthogonal",
    bias: float = 0.0,
    forget_bias: float | None = None,
) -> nn.Module:
    """Initialise the weights and biases of every `recnn.Cell` in ``module``.

    Each matrix of the equations is drawn separately: the block (H, D) of each gate in ``weight_ih``, and the block of
    each gate and child in ``weight_hh`` or ``weight_leaf``. Other weights (tensors, projections, peepholes, gains) keep
    their values.

    Args:
        module: the module, changed in place.
        input: rule for the input weights W: "glorot" (Glorot and Bengio 2010, uniform), "orthogonal" (Saxe et al. 2014)
            or "uniform" (in ±1/√H).
        recurrent: rule for the recurrent weights U: the same, or "identity", which with relu gives the IRNN of Le,
            Jaitly and Hinton 2015.
        bias: value of the biases; of a cell with two biases, b_ih gets this value and b_hh gets 0.
        forget_bias: value of the forget gates' part of b_ih in LSTM cells (1 in Jozefowicz et al. 2015). Default: as
            ``bias``.

    Returns:
        The module.

    Raises:
        ValueError: ``input`` or ``recurrent`` is not one of the rules; or a weight is computed from others.
    """
    rules = ("glorot", "orthogonal", "uniform")
    for name, value, known in (("input", input, rules), ("recurrent", recurrent, (*rules, "identity"))):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
    for owner in module.modules():
        if not isinstance(owner, Cell):
            continue
        for name in ("weight_ih", "weight_hh", "weight_leaf", "bias_ih", "bias_hh"):
            if not isinstance(getattr(owner, name, None), (nn.Parameter, type(None))):
                raise ValueError(
                    f"{name} of a {type(owner).__name__} is computed from other parameters, as by weight normalisation "
                    "or pruning: initialise it before"
                )
        for name, parameter in owner.named_parameters(recurse=False):
            if name == "weight_ih":
                _draw_blocks(parameter, input, owner.hidden_size, parameter.shape[1])
            elif name in ("weight_hh", "weight_leaf"):
                _draw_blocks(parameter.flatten(0, -2), recurrent, owner.hidden_size, parameter.shape[-1] // owner.slots)
            elif name.startswith("bias"):
                parameter.fill_(0 if name == "bias_hh" and getattr(owner, "bias_ih", None) is not None else bias)
        if isinstance(owner, LSTMCell) and owner.forget and owner.bias_ih is not None and forget_bias is not None:
            owner.bias_ih[owner.hidden_size : 2 * owner.hidden_size] = forget_bias
    return module


def _draw_blocks(weight: torch.Tensor, rule: str, rows: int, columns: int) -> None:
    for top in range(0, weight.shape[0], rows):
        for left in range(0, weight.shape[1], columns):
            _draw(weight[top : top + rows, left : left + columns], rule)


def _draw(block: torch.Tensor, rule: str) -> None:
    if rule == "glorot":
        nn.init.xavier_uniform_(block)
    elif rule == "orthogonal":
        nn.init.orthogonal_(block)
    elif rule == "identity":
        nn.init.eye_(block)
    else:
        nn.init.uniform_(block, -(block.shape[0] ** -0.5), block.shape[0] ** -0.5)
