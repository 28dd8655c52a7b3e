"""W x + b, laid out in the blocks of columns that a kernel works on, and its gradients.

A block is H columns. Each is fed by a block of rows of W, or by none; where one block of rows feeds two (a gate for
each child), the product is made once.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Kernel


def bias_of(kernel: Kernel, b_ih: Tensor | None, b_hh: Tensor | None, like: Tensor) -> Tensor:
    """(G,) the sum of both biases in the blocks of the kernel."""
    bias = like.new_zeros(len(kernel.input_blocks), kernel.hidden_size)
    if b_ih is not None:
        feeds = b_ih.view(-1, kernel.hidden_size)
        for begin, feed, count in _runs(kernel.input_blocks):
            bias[begin : begin + count] = feeds[feed : feed + count]
        for block, first in _repeats(kernel.input_blocks):
            bias[block] = bias[first]
    if b_hh is not None:
        blocks = b_hh.view(-1, kernel.hidden_size)
        bias[: len(blocks)].add_(blocks)
    return bias.view(-1)


def bias_gradients(kernel: Kernel, inner: Tensor, sources: Tensor, source_blocks: Sequence[int]) -> tuple[Tensor, ...]:
    """The gradients of b_ih and b_hh from those of the gates, (n, G) of inner nodes and of the blocks of sources.

    That of b_hh is the first columns, as many as it has.
    """
    H = kernel.hidden_size
    total, beside = inner.sum(0).view(-1, H), sources.sum(0).view(-1, H)
    for begin, block, count in _runs(tuple(source_blocks)):
        total[block : block + count].add_(beside[begin : begin + count])
    d_ih = total.new_empty(max(kernel.input_blocks) + 1, H)
    for begin, feed, count in _runs(kernel.input_blocks):
        d_ih[feed : feed + count] = total[begin : begin + count]
    for block, first in _repeats(kernel.input_blocks):
        d_ih[kernel.input_blocks[first]].add_(total[block])
    return d_ih.view(-1), total.view(-1)


def project(kernel: Kernel, blocks: Sequence[int], rows: Tensor, W: Tensor, bias: Tensor, out: Tensor) -> None:
    """Fill ``out`` (n, columns of ``blocks``) with W x + b for the n ``rows`` (n, D), some of it doubled."""
    H, feeds = kernel.hidden_size, tuple(kernel.input_blocks[block] for block in blocks)
    biases = bias.view(-1, H)
    for begin, feed, count in _runs(feeds):
        here = biases[blocks[begin] : blocks[begin] + count].view(-1)  # runs of blocks are runs of the kernel's too
        torch.addmm(here, rows, W[feed * H : (feed + count) * H].t(), out=out[:, begin * H : (begin + count) * H])
    for block, first in _repeats(feeds):
        more = biases[blocks[block]] - biases[blocks[first]]
        torch.add(out[:, first * H : (first + 1) * H], more, out=out[:, block * H : (block + 1) * H])
    for block, feed in enumerate(feeds):
        column = out[:, block * H : (block + 1) * H]
        if feed < 0:
            column[:] = biases[blocks[block]]
        if blocks[block] in kernel.doubled_blocks:
            torch.add(column, column, out=column)


def double(kernel: Kernel, values: Tensor) -> Tensor:
    """``values`` (G, *), or fewer blocks, those doubled in place that the kernel wants so."""
    for block in kernel.doubled_blocks:
        values[block * kernel.hidden_size : (block + 1) * kernel.hidden_size].mul_(2)
    return values


def projection_gradients(
    kernel: Kernel, blocks: Sequence[int], made: Tensor, rows: Tensor, W: Tensor, d_W: Tensor, d_rows: Tensor | None
) -> None:
    """Fill ``d_W`` and ``d_rows`` (n, D) from the gradient ``made`` of `project`'s result, which is used up."""
    H, feeds = kernel.hidden_size, tuple(kernel.input_blocks[block] for block in blocks)
    for block, first in _repeats(feeds):
        made[:, first * H : (first + 1) * H].add_(made[:, block * H : (block + 1) * H])
    for feed in set(kernel.input_blocks) - set(feeds) - {-1}:
        d_W[feed * H : (feed + 1) * H].zero_()
    for begin, feed, count in _runs(feeds):
        part, weight = made[:, begin * H : (begin + count) * H], slice(feed * H, (feed + count) * H)
        torch.mm(part.t(), rows, out=d_W[weight])
        if d_rows is not None:
            torch.addmm(d_rows, part, W[weight], beta=int(begin > 0), out=d_rows)


@cache
def _runs(feeds: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Blocks that neighbouring blocks of rows feed for the first time: (first block, first feed, how many)."""
    runs: list[tuple[int, int, int]] = []
    seen: set[int] = set()
    for block, feed in enumerate(feeds):
        if feed >= 0 and feed not in seen:
            seen.add(feed)
            if runs and (block, feed) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
                runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
            else:
                runs.append((block, feed, 1))
    return runs


def _repeats(feeds: Sequence[int]) -> list[tuple[int, int]]:
    """Blocks whose feed has fed another before, and which."""
    return [(block, feeds.index(feed)) for block, feed in enumerate(feeds) if feed >= 0 and feeds.index(feed) < block]
