"""The projection W x + b, laid out in the blocks of columns of a kernel, and its gradients.

A block is H columns. Its input, or *feed*, is a block of rows of W, or none; where several blocks have the same feed
(a gate for each child), the product is computed once.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Kernel


def bias_of(kernel: Kernel, b_ih: Tensor | None, b_hh: Tensor | None, like: Tensor) -> Tensor:
    """Return (G,) the sum of both biases, in the blocks of the kernel."""
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
    """Compute the gradients of b_ih and b_hh from those of the gates of the inner nodes and the sources.

    Args:
        kernel: the kernel.
        inner: (n, G) gradients of the gates of the inner nodes.
        sources: gradients of the gates of the sources, in ``source_blocks``.
        source_blocks: blocks of the kernel.

    Returns:
        The gradient of b_ih, and that of all blocks, which begins with the gradient of b_hh.
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
    """Fill ``out`` (n, columns of ``blocks``) with W x + b for the inputs ``rows`` (n, D), doubled for tanh."""
    H, feeds = kernel.hidden_size, tuple(kernel.input_blocks[block] for block in blocks)
    biases = bias.view(-1, H)
    for begin, feed, count in _runs(feeds):
        here = biases[blocks[begin] : blocks[begin] + count].view(-1)  # adjacent in the kernel as in ``blocks``
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
    """Double the kernel's ``doubled_blocks`` of ``values`` (G, *), or of fewer rows, in place."""
    for block in kernel.doubled_blocks:
        values[block * kernel.hidden_size : (block + 1) * kernel.hidden_size].mul_(2)
    return values


def projection_gradients(
    kernel: Kernel, blocks: Sequence[int], made: Tensor, rows: Tensor, W: Tensor, d_W: Tensor, d_rows: Tensor | None
) -> None:
    """Fill ``d_W`` and ``d_rows`` (n, D) from the gradient ``made`` of the projection, which is overwritten."""
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
    """Group adjacent blocks with adjacent feeds, first uses only: (first block, first feed, number of blocks)."""
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
    """Return the blocks whose feed an earlier block has, each with the first such block."""
    return [(block, feeds.index(feed)) for block, feed in enumerate(feeds) if feed >= 0 and feeds.index(feed) < block]
