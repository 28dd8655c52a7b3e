"""Tensors on a pretended device, to prove on a machine with a CPU only that nothing is left in host memory.

`Elsewhere` wraps a CPU tensor and reports the device "meta". Inside `elsewhere`, ``.to("meta")`` and factories with
``device="meta"`` make such tensors; operations compute on the wrapped values, but mixing them with tensors in host
memory is an error, as on any device. Reads of a value by the host (``.item()``, ``nonzero``, ``equal``, an
index that is a mask) are counted, and so are copies to host memory.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

THERE = torch.device("meta")
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}  # torch takes indices in host memory
PACKED = {aten._pack_padded_sequence.default, aten._pad_packed_sequence.default}  # lengths are in host memory
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default, aten._unique2.default}


class Elsewhere(torch.Tensor):
    @staticmethod
    def __new__(cls, values):
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=THERE,
        )
        self.values = values
        return self

    def __repr__(self):
        return f"Elsewhere({self.values})"

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return computed(operation, args, kwargs or {}, None)


class Mode(TorchDispatchMode):
    """Counts the reads, and takes ``device="meta"`` for the pretended device."""

    def __init__(self):
        super().__init__()
        self.reads = []
        self.copies = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return computed(operation, args, kwargs or {}, self)


def computed(operation, args, kwargs, mode):
    tensors = [part for part in tree_flatten((args, kwargs))[0] if isinstance(part, torch.Tensor)]
    away = [part for part in tensors if isinstance(part, Elsewhere)]
    device = kwargs.get("device")
    there = bool(away) if device is None else torch.device(device).type == THERE.type
    if away and operation not in COPIES | PACKED:
        for part in tensors[1:] if operation in INDEXED and isinstance(tensors[0], Elsewhere) else tensors:
            if not isinstance(part, Elsewhere) and part.dim() and operation not in INDEXED:
                raise RuntimeError(
                    f"{operation}: expected all tensors on the device, found {part.shape} in host memory"
                )
    masked = operation in INDEXED and any(part is not None and part.dtype == torch.bool for part in args[1])
    if away and mode is not None:
        mode.copies += operation is aten._to_copy.default and not there
    if away and (operation in READS or masked) and mode is not None:
        mode.reads.append(str(operation))
    if there and device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = operation(*unwrapped(args), **unwrapped(kwargs))
    if operation is aten.copy_.default:
        return args[0]
    if not there:
        return found
    if operation in PACKED:
        return Elsewhere(found[0]), found[1]
    wrapped = tree_map_only(torch.Tensor, Elsewhere, found)
    return return_and_correct_aliasing(operation, args, kwargs, wrapped) if away else wrapped


def unwrapped(values):
    return tree_map_only(Elsewhere, lambda part: part.values, values)


@contextmanager
def elsewhere():
    with Mode() as mode:
        yield mode


def back(part):
    """Copy a tensor to host memory."""
    return part.to("cpu")
