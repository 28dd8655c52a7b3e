"""Bounds on the size of a model, which hold while it is being built."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from parsers.errors import InputError


@contextmanager
def at_most(limit: int, problem: str) -> Iterator[None]:
    """Bound the number of parameters, of any size, of the modules that are made.

    Raises:
        ValueError: there are more than ``limit``; its message is ``problem``.
    """
    count = 0

    def check(parameter: Tensor) -> None:
        nonlocal count
        count += 1
        if count > limit:
            raise ValueError(problem)

    with _each_parameter(check):
        yield


@contextmanager
def within_memory() -> Iterator[None]:
    """Bound the size of the parameters of the modules that are made by the memory of this machine.

    Parameters take no memory until they are initialised, which is after they are counted here.

    Raises:
        InputError: they are larger, or memory for them cannot be allocated.
    """
    size, memory = 0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def check(parameter: Tensor) -> None:
        nonlocal size
        size += 0 if parameter.is_meta else parameter.nbytes  # settings are checked without memory
        if size > memory:
            raise InputError(f"the network is larger than the memory, {memory / 1e9:.0f} GB: use smaller sizes")

    try:
        with countable(), _each_parameter(check):
            yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):  # torch has no class for it on a CPU
            raise
        raise InputError("not enough memory: use smaller sizes") from None


@contextmanager
def countable() -> Iterator[None]:
    """Raise one error where torch raises several: for sizes whose product, or which themselves, are above 2^63.

    Raises:
        InputError: a tensor has such sizes.
    """
    try:
        yield
    except (RuntimeError, TypeError, OverflowError) as error:
        if "overflow" not in str(error).lower():
            raise
        raise InputError("the network would have more weights than can be counted: use smaller sizes") from None


@contextmanager
def _each_parameter(check: Callable[[Tensor], None]) -> Iterator[None]:
    """Call ``check`` with each parameter that modules of this thread are given."""
    thread = threading.get_ident()

    def hook(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        if parameter is not None and threading.get_ident() == thread:
            check(parameter)

    handle = register_module_parameter_registration_hook(hook)
    try:
        yield
    finally:
        handle.remove()
