"""Norms of gradients and spectral radii of recurrent weights: checks and clipping."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.errors import GradientError


def check_gradients(module: nn.Module, max_norm: float = math.inf) -> None:
    """Check the gradients of all parameters, after a backward pass.

    Args:
        module: its parameters without a gradient are skipped.
        max_norm: largest norm of the gradient of a parameter.

    Raises:
        GradientError: a gradient has an entry that is NaN or infinite, or a norm above ``max_norm``; the message names
            the parameter.
    """
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            found = fault(_values(parameter).flatten().unsqueeze(0), max_norm)
            if found is not None:
                raise GradientError(f"{name}: {complaint('its gradient', *found, max_norm)}")


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Clip the total norm of the gradients of ``parameters``, in place.

        g ← g · max_norm / ‖g‖    if ‖g‖ > max_norm

    Pascanu et al. 2013, algorithm 1. Unlike `torch.nn.utils.clip_grad_norm_` it also takes sparse gradients, such as
    those of word vectors. If the norm is NaN or infinite, the gradients stay as they are.

    Args:
        parameters: those without a gradient are skipped.
        max_norm: largest norm of all gradients together, as one vector g.

    Returns:
        The norm before clipping, a scalar.
    """
    gradients = [_values(parameter) for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.tensor(0.0)
    norm: Tensor = torch.stack([gradient.norm() for gradient in gradients]).norm()
    if max_norm < norm < math.inf:
        for gradient in gradients:
            gradient.mul_(max_norm / norm)
    return norm


def spectral_radius(weight: Tensor | nn.Module) -> Any:
    """Compute the spectral radius ρ, the largest |eigenvalue|, of a matrix or of all recurrent weights of a module.

    The states of a linear network h_t = U h_(t-1) + W x_t grow or decay as ρ(U)^t. In h_t = f(U h_(t-1) + W x_t), with
    γ the largest slope of f (1 for tanh, 1/4 for σ), ρ(U) < 1/γ is sufficient for gradients to vanish and ρ(U) > 1/γ
    necessary for them to explode, if U is normal; for any other U this holds for its largest singular value (Pascanu
    et al. 2013, section 2.1).

    Args:
        weight: matrix (H, H); or a module with cells, or with recurrent layers or cells of torch.nn.

    Returns:
        A float for a matrix. For a module, a dict of floats by the name of the parameter, followed in brackets by the
        gate and, if there are several, the child: ``cells.0.weight_hh[f0, child 1]``. Blocks that are not square, as
        with projections, are left out.
    """
    if isinstance(weight, Tensor):
        return float(torch.linalg.eigvals(weight.detach()).abs().max())
    return {
        name + (f"[{', '.join(labels)}]" if labels else ""): spectral_radius(block)
        for path, module in weight.named_modules()
        if hasattr(module, "hidden_size")
        for name, labels, block in _recurrent_blocks(path, module)
    }


def _recurrent_blocks(path: str, module: Any) -> Iterator[tuple[str, list[str], Tensor]]:
    """Name of the parameter, gate and child, and matrix (H, H), of each recurrent weight of a module."""
    H, K = module.hidden_size, getattr(module, "slots", 1)
    for name, parameter in module.named_parameters(prefix=path, recurse=False):
        if not name.rpartition(".")[2].startswith(("weight_hh", "weight_leaf")):
            continue
        weight = parameter.flatten(0, -2)
        gates = _gates(module, len(weight) // H)
        for gate, rows in zip(gates, weight.split(H), strict=True):
            for child, block in enumerate(rows.chunk(K, dim=1)):
                if block.shape[1] >= H:  # a LabelEmbeddingCell has further columns for label embeddings
                    labels = [gate] * bool(gate) + [f"child {child}"] * (K > 1)
                    yield name, labels, block[:, :H]


def _gates(module: Any, count: int) -> list[str]:
    if isinstance(module, LSTMCell):
        forget = module.slots if module.forget else 0
        return ["i", *(["f"] if forget == 1 else [f"f{k}" for k in range(forget)]), "g", "o"]
    if isinstance(module, (nn.LSTM, nn.LSTMCell)):
        return ["i", "f", "g", "o"]
    if isinstance(module, (GRUCell, nn.GRU, nn.GRUCell)):
        return ["r", "z", "n"]
    return [""] if count == 1 else [str(number) for number in range(count)]


def _values(parameter: nn.Parameter) -> Tensor:
    """The gradient of a parameter, to be changed in place; of a sparse gradient, its stored values."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    parameter.grad = parameter.grad.coalesce()
    return parameter.grad.values()


def fault(rows: Tensor, max_norm: float, order: Tensor | None = None) -> tuple[int, float] | None:
    """Find the first row of (N, S), by ``order`` (N,), whose norm is NaN, infinite or above ``max_norm``.

    Returns:
        Index of the row and its norm; None if there is no such row.
    """
    norm = torch.linalg.vector_norm(rows.detach().double(), dim=1)
    bad = (~(norm <= max_norm) | ~norm.isfinite()).nonzero().squeeze(1)
    if not len(bad):
        return None
    first = int(bad[0] if order is None else bad[order[bad].argmin()])
    return first, float(norm[first])


def complaint(what: str, row: int, norm: float, max_norm: float) -> str:
    """Message about a norm that `fault` found."""
    return f"the norm of {what} is {norm:.2g}, over {max_norm:g}" if math.isfinite(norm) else f"{what} is {norm}"
