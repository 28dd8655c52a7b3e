"""Reading of weights in the format of safetensors: first the header, then the tensors, into memory of their own.

The library would map the file into memory, where later changes of the file change the tensors, and reading what was cut
off kills the process. Format: https://github.com/huggingface/safetensors#format.
"""

import json
import math
import os
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

_HEADER_LIMIT = 100_000_000  # bytes, as in the library
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


class Entry(NamedTuple):
    """A tensor in a file."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    begin: int
    """Place of its first byte in the file."""
    size: int
    """Number of its bytes."""


def read_header(file: BinaryIO) -> dict[str, Entry]:
    """Read the names, shapes and types of the tensors in a file.

    Raises:
        ValueError: the file is not of this format, or does not have the size that its header states.
    """
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if total < 8 or length > min(total - 8, _HEADER_LIMIT):
        raise ValueError("not a safetensors file (its header is cut off)")
    try:
        found = json.loads(file.read(length), object_pairs_hook=_distinct)
        found.pop("__metadata__", None)
        entries = {name: _entry(8 + length, **fields) for name, fields in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a safetensors file ({(str(error) or 'nested too deeply').splitlines()[0]})") from None
    end = 8 + length
    for entry in sorted(entries.values(), key=lambda entry: (entry.begin, entry.size)):
        if entry.begin != end:
            raise ValueError("not a safetensors file (its tensors overlap or leave gaps)")
        end += entry.size
    if end != total:
        raise ValueError(f"not a whole safetensors file: {total:,} bytes, expected {end:,}")
    return entries


def read_tensor(file: BinaryIO, entry: Entry) -> Tensor:
    """Read a tensor.

    Raises:
        ValueError: the file has become shorter since its header was read.
    """
    tensor = torch.empty(entry.shape, dtype=entry.dtype)
    if entry.size:
        file.seek(entry.begin)
        content = tensor.reshape(-1).view(torch.uint8).numpy().data
        if file.readinto(content) != entry.size:  # type: ignore[attr-defined]
            raise ValueError("the file was cut off while it was read")
    return tensor


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _entry(start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> Entry:
    begin, end = data_offsets
    numbers = [*shape, begin, end]
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise ValueError("expected shapes and places of integers")
    if dtype not in _TYPES:
        raise ValueError(f"a tensor is of the type {dtype!r:.40}, expected one of {', '.join(_TYPES)}")
    if end - begin != math.prod(shape) * _TYPES[dtype].itemsize:
        raise ValueError("the size of a tensor is not that of its shape")
    return Entry(tuple(shape), _TYPES[dtype], start + begin, end - begin)
