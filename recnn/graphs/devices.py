"""Devices: their choice, index tensors on the device of the values that they index, tensors without data, autocast."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes

from parsers.errors import InputError
from recnn.settings import Device


def chosen_device(name: Device | str | torch.device) -> torch.device:
    """Return the device of a setting, see `recnn.settings.Device`, or of any name that torch knows.

    Raises:
        InputError: there is no such device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: there is no CUDA device that torch can use")
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    return torch.device(name)


def is_fake(tensor: Tensor) -> bool:
    """Test if a tensor has no data, because it was made in torch's FakeTensorMode."""
    return getattr(tensor, "fake_mode", None) is not None


def is_autocast(tensor: Tensor) -> bool:
    """Test if autocast is enabled on the device of a tensor."""
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def is_transformed() -> bool:
    """Test if a transform of `torch.func` or forward-mode differentiation is active."""
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def with_data(like: Tensor) -> AbstractContextManager[Any]:
    """Context manager in which the structure of a graph is computed with data, also if ``like`` has none.

    While a model is exported, it is computed at once, and its tensors are constants of the exported program.
    """
    if torch.compiler.is_exporting():
        return _disable_current_modes()
    return unset_fake_temporarily() if is_fake(like) else nullcontext()


def to_device_of(index: Tensor, like: Tensor) -> Tensor:
    """Return ``index`` on the device of ``like``, without waiting for the copy."""
    return all_to_device_of([index], like)[0]


@torch.inference_mode(False)  # copies that are kept may be used in training later
def all_to_device_of(indices: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """Return tensors of one dtype and dimension on the device of ``like``, by one copy that is not waited for."""
    if is_fake(like) and not torch.compiler.is_exporting():
        return [like.fake_mode.from_tensor(index) for index in indices]  # type: ignore[attr-defined]
    if all(index.device == like.device for index in indices):
        return list(indices)
    with with_data(like):
        joined = torch.cat(list(indices)) if len(indices) > 1 else indices[0]
        if like.device.type == "cuda":
            joined = joined.pin_memory()
        return list(joined.to(like.device, non_blocking=True).split([len(index) for index in indices]))
