"""Norms of gradients and spectral radii of recurrent weights: checks and clipping."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from recnn.cells.base import Cell
from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.errors import GradientError
from recnn.layers.recurrent import Recurrent


def check_gradients(module: nn.Module, max_norm: float = math.inf) -> None:
    """Check the gradients of all parameters, after a backward pass.

    Args:
        module: its parameters without a gradient are skipped.
        max_norm: largest norm of the gradient of a parameter.

    Raises:
        GradientError: a gradient has an entry that is NaN or infinite, or a norm above ``max_norm``; the message names
            the parameter.
        ValueError: ``max_norm`` is negative or NaN.
    """
    _check_max_norm(max_norm)
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            found = fault(_values(parameter).flatten().unsqueeze(0), max_norm)
            if found is not None:
                raise GradientError(f"{name}: {complaint('its gradient', *found, max_norm)}")


@torch.no_grad()
def clip_gradients(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Clip the total norm of the gradients of ``parameters``, in place.

        g ← g · max_norm / ‖g‖    if ‖g‖ > max_norm

    Pascanu et al. 2013, algorithm 1. Unlike `torch.nn.utils.clip_grad_norm_` it also takes sparse gradients, such as
    those of word vectors, and counts a parameter that is given twice only once. If the norm is NaN or infinite, the
    gradients stay as they are.

    Args:
        parameters: a parameter or an iterable of them; those without a gradient are skipped.
        max_norm: largest norm of all gradients together, as one vector g.

    Returns:
        The norm before clipping, a scalar.

    Raises:
        TypeError: ``parameters`` is neither a tensor nor an iterable of tensors.
        ValueError: ``max_norm`` is negative or NaN.
    """
    _check_max_norm(max_norm)
    if isinstance(parameters, nn.Module) or not isinstance(parameters, (Tensor, Iterable)):
        raise TypeError(f"parameters must be a tensor or an iterable of tensors, got a {type(parameters).__name__}")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for one in given:
        if not isinstance(one, Tensor):
            raise TypeError(f"parameters must be tensors, got a {type(one).__name__}")
    gradients = [_values(one) for one in {id(one): one for one in given}.values() if one.grad is not None]
    if not gradients:
        return torch.tensor(0.0)
    norm: Tensor = torch.stack([_norm(gradient).to(gradients[0].device) for gradient in gradients]).norm()
    if max_norm < norm < math.inf:
        for gradient in gradients:
            gradient.mul_((max_norm / norm).to(gradient.device))
    return norm


def _norm(gradient: Tensor) -> Tensor:
    """Norm of a gradient; in half precision its square would overflow."""
    norm: Tensor = torch.linalg.vector_norm(gradient, dtype=torch.promote_types(gradient.dtype, torch.float32))
    return norm


def _check_max_norm(max_norm: Any) -> None:
    if isinstance(max_norm, (str, bytes)) or not float(max_norm) >= 0:
        raise ValueError(f"max_norm must be a number of at least 0, got {max_norm!r}")


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
        gate and, if there are several, the child: ``weight_hh_l0[f]``, ``cells.0.weight_hh[f0, child 1]``. Blocks that
        are not square, as with projections, are left out.
    """
    if isinstance(weight, Tensor):
        return float(torch.linalg.eigvals(weight.detach()).abs().max())
    names: dict[Tensor, str] = {parameter: name for name, parameter in weight.named_parameters()}
    return {
        names.get(parameter, name) + (f"[{', '.join(labels)}]" if labels else ""): spectral_radius(block)
        for path, module in weight.named_modules()
        if hasattr(module, "hidden_size") and not isinstance(module, Recurrent)
        for name, parameter, labels, block in _recurrent_blocks(path, module)
    }


def _recurrent_blocks(path: str, module: Any) -> Iterator[tuple[str, Tensor, list[str], Tensor]]:
    """Parameter and its name, gate and child, and matrix (H, H), of each recurrent weight of a module."""
    H, K = module.hidden_size, getattr(module, "slots", 1)
    if isinstance(module, Cell):
        weights = {f"{path}.{name}" if path else name: weight for name, weight in module.weights()}
    else:
        weights = dict(module.named_parameters(prefix=path, recurse=False))
    for name, parameter in weights.items():
        if not name.rpartition(".")[2].startswith(("weight_hh", "weight_leaf")):
            continue
        weight = parameter.flatten(0, -2)
        gates = _gates(module, len(weight) // H)
        for gate, rows in zip(gates, weight.split(H), strict=True):
            for child, block in enumerate(rows.chunk(K, dim=1)):
                if block.shape[1] >= H:  # a LabelEmbeddingCell has further columns for label embeddings
                    labels = [gate] * bool(gate) + [f"child {child}"] * (K > 1)
                    yield name, parameter, labels, block[:, :H]


def _gates(module: Any, count: int) -> list[str]:
    if isinstance(module, LSTMCell):
        forget = module.slots if module.forget else 0
        return ["i", *(["f"] if forget == 1 else [f"f{k}" for k in range(forget)]), "g", "o"]
    if isinstance(module, (nn.LSTM, nn.LSTMCell)):
        return ["i", "f", "g", "o"]
    if isinstance(module, (GRUCell, nn.GRU, nn.GRUCell)):
        return ["r", "z", "n"]
    return [""] if count == 1 else [str(number) for number in range(count)]


def _values(parameter: Tensor) -> Tensor:
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
