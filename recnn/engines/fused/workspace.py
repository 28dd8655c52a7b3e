"""Memory that one walk leaves for the next.

A training step needs the same few large buffers again and again. On a CPU each fresh one costs page faults, which can
take longer than the arithmetic in it (the CUDA allocator of torch keeps its memory by itself). What is too large to be
kept gets huge pages, where the system has them: five hundred times fewer faults.
"""

import mmap
from bisect import bisect_left, insort
from collections import defaultdict
from threading import Lock

import torch
from torch import Tensor

_LEAST_BYTES = 2**17
"""A smaller buffer is left to malloc, which keeps what is small."""
_MOST_BYTES = 256 * 2**20
"""How much memory is kept at the most."""
_HUGE_BYTES = 2**23
"""From here on huge pages are asked for."""


class Workspace:
    """A pool of buffers; what is not given back is freed as usual."""

    def __init__(self) -> None:
        self._free: defaultdict[torch.dtype, list[Tensor]] = defaultdict(list)  # by length
        self._bytes = 0
        self._lock = Lock()

    def empty(self, like: Tensor, rows: int, columns: int) -> Tensor:
        """A buffer (rows, columns) of anything, of the dtype and on the device of ``like``."""
        size = rows * columns
        if not like.is_cuda and size * like.element_size() >= _LEAST_BYTES:
            with self._lock:
                free = self._free[like.dtype]
                smallest = bisect_left(free, size, key=Tensor.numel)
                if smallest < len(free) and free[smallest].numel() <= 4 * size:
                    self._bytes -= free[smallest].nbytes
                    return free.pop(smallest)[:size].view(rows, columns)
            if size * like.element_size() >= _HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
                return _in_huge_pages(size, like.dtype).view(rows, columns)
        return torch.empty(rows, columns, dtype=like.dtype, device=like.device)

    def give_back(self, *buffers: Tensor) -> None:
        """Buffers that `empty` made and that nothing refers to any more."""
        for buffer in buffers:
            if buffer.is_cuda or buffer.nbytes < _LEAST_BYTES:
                continue
            with torch.inference_mode(False):  # the next walk may not be one
                whole = torch.empty(0, dtype=buffer.dtype).set_(buffer.untyped_storage())
            with self._lock:
                insort(self._free[buffer.dtype], whole, key=Tensor.numel)
                self._bytes += whole.nbytes
                while self._bytes > _MOST_BYTES:
                    longest = max((free for free in self._free.values() if free), key=lambda free: free[-1].nbytes)
                    self._bytes -= longest.pop().nbytes


def _in_huge_pages(size: int, dtype: torch.dtype) -> Tensor:
    memory = mmap.mmap(-1, size * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype)


workspace = Workspace()
