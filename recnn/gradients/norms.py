"""Norms of gradients and recurrent weights: what bounds them, and where one is NaN, infinite or too large."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from recnn.cells.gru import GRUCell
from recnn.cells.lstm import LSTMCell
from recnn.errors import GradientError


def check_gradients(module: nn.Module, max_norm: float = math.inf) -> None:
    """Look at the gradients of all parameters, after a backward pass.

    Raises:
        GradientError: one is NaN or infinite somewhere, or longer than ``max_norm``; it names the parameter.
    """
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            found = fault(_values(parameter).flatten().unsqueeze(0), max_norm)
            if found is not None:
                raise GradientError(f"{name}: {complaint('its gradient', *found, max_norm)}")


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients so that the norm of them together is at most ``max_norm``; return what it was.

        g ← g · max_norm / ‖g‖    if ‖g‖ > max_norm

    Pascanu et al. 2013, algorithm 1; `torch.nn.utils.clip_grad_norm_`, which takes no sparse gradients, such as those
    of word vectors. A norm that is NaN or infinite scales nothing.
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
    """The largest |eigenvalue| of a square matrix, or of each recurrent matrix of a module.

    The states of a linear network h = U h + W x grow or fade as ρ(U)^t. Through h = f(U h + W x), where γ is the
    largest slope of f (1 of tanh, 1/4 of σ), gradients vanish for sure if ρ(U) < 1/γ and U is normal, and can explode
    only above; of another U the largest singular value says so (Pascanu et al. 2013, section 2.1).

    Args:
        weight: (H, H); or a module, whose every cell, and every recurrent layer of torch.nn, is looked at.

    Returns:
        A float; of a module a dict of them by the name of the parameter, in brackets the gate, and the child if there
        are several: ``cells.0.weight_hh[f0, child 1]``. Blocks that are not square are left out.
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
    """The name, gate and child, and the matrix (H, H), of each product of a module with the states before."""
    H, K = module.hidden_size, getattr(module, "slots", 1)
    for name, parameter in module.named_parameters(prefix=path, recurse=False):
        if not name.rpartition(".")[2].startswith(("weight_hh", "weight_leaf")):
            continue
        weight = parameter.flatten(0, -2)
        gates = _gates(module, len(weight) // H)
        for gate, rows in zip(gates, weight.split(H), strict=True):
            for child, block in enumerate(rows.chunk(K, dim=1)):
                if block.shape[1] >= H:  # beside the states stand, in one cell, embeddings of labels
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
    """The entries of a gradient, as they can be changed in place; those of a sparse one that are there."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    parameter.grad = parameter.grad.coalesce()
    return parameter.grad.values()


def fault(rows: Tensor, max_norm: float, order: Tensor | None = None) -> tuple[int, float] | None:
    """Which of the rows (N, S) is too long, first in ``order``, and its norm; None if none is."""
    norm = torch.linalg.vector_norm(rows.detach().double(), dim=1)
    bad = (~(norm <= max_norm) | ~norm.isfinite()).nonzero().squeeze(1)
    if not len(bad):
        return None
    first = int(bad[0] if order is None else bad[order[bad].argmin()])
    return first, float(norm[first])


def complaint(what: str, row: int, norm: float, max_norm: float) -> str:
    """What to say of a row that `fault` found."""
    return f"the norm of {what} is {norm:.2g}, over {max_norm:g}" if math.isfinite(norm) else f"{what} is {norm}"
