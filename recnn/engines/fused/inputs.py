"""The inputs of the nodes of a walk: from rows of x to the gates, and their gradients."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from recnn.engines.fused.kernel import Kernel
from recnn.engines.fused.memory import buffer
from recnn.engines.fused.projection import double, project, projection_gradients


class Inputs(ABC):
    """Inputs of n nodes, in the order of their gates.

    Args:
        x: inputs.
        kernel: the kernel.
        blocks: blocks of the kernel that the inputs are projected to, C columns.
    """

    def __init__(self, x: Tensor, kernel: Kernel, blocks: Sequence[int]) -> None:
        self.x, self.kernel, self.blocks = x, kernel, blocks

    @abstractmethod
    def project(self, W: Tensor, bias: Tensor, out: Tensor) -> None:
        """Fill ``out`` (n, C) with W x + b, doubled for tanh; b at nodes without an input."""

    @abstractmethod
    def gradients(self, made: Tensor, W: Tensor, d_W: Tensor, d_x: Tensor | None) -> None:
        """Compute the gradients of W and of x from ``made`` (n, C), that of the projection, which is overwritten.

        Args:
            made: the gradient of the result of `project`.
            W: the weight.
            d_W: gradient of W, to be filled.
            d_x: gradient of x, zeros to be filled; None if it is not needed.
        """


class GatheredInputs(Inputs):
    """Inputs of nodes with rows of x that are brought into the order of the nodes, and then projected.

    Args:
        order: (n,) or more rows, those of the nodes first; None for 0, 1, ...
        absent: (n, 1) True for nodes without an input; None if all have one.
        n: number of nodes.
        allocate: function that allocates a buffer that the backward pass needs too.
    """

    def __init__(
        self,
        x: Tensor,
        kernel: Kernel,
        blocks: Sequence[int],
        order: Tensor | None,
        absent: Tensor | None,
        n: int,
        allocate: Callable[[int, int], Tensor],
    ) -> None:
        super().__init__(x, kernel, blocks)
        self.order, self.absent = None if order is None else order[:n], absent
        self.rows = x[:n] if order is None and absent is None else allocate(n, x.shape[1])

    def project(self, W: Tensor, bias: Tensor, out: Tensor) -> None:
        rows = self.x[: len(self.rows)]
        if self.order is not None:
            rows = torch.index_select(self.x, 0, self.order, out=self.rows)
        if self.absent is not None:
            torch.where(self.absent, self.x.new_zeros(()), rows, out=self.rows)
        project(self.kernel, self.blocks, self.rows, W, bias, out)

    def gradients(self, made: Tensor, W: Tensor, d_W: Tensor, d_x: Tensor | None) -> None:
        d_rows = d_x
        if d_x is not None:
            d_rows = d_x[: len(self.rows)] if self.order is None else buffer(self.x, *self.rows.shape)
        projection_gradients(self.kernel, self.blocks, made, self.rows, W, d_W, d_rows)
        if d_x is not None and d_rows is not None:
            if self.absent is not None:
                d_rows.masked_fill_(self.absent, 0)
            if self.order is not None:
                d_x.index_add_(0, self.order, d_rows)  # a row may be that of several nodes


class SharedInputs(Inputs):
    """Inputs of more nodes than x has rows: each row is projected, and the products are brought to the nodes.

    Args:
        row: (n,) row of x of each node; the number of rows for a node without an input.
    """

    def __init__(self, x: Tensor, kernel: Kernel, blocks: Sequence[int], row: Tensor) -> None:
        super().__init__(x, kernel, blocks)
        self.row = row

    def project(self, W: Tensor, bias: Tensor, out: Tensor) -> None:
        table = buffer(self.x, len(self.x) + 1, out.shape[1])  # the last row is that of x = 0
        project(self.kernel, self.blocks, self.x, W, bias, table[:-1])
        of_blocks = double(self.kernel, bias.clone()).view(-1, self.kernel.hidden_size)
        for block, part in zip(self.blocks, table[-1].view(len(self.blocks), -1), strict=True):
            part.copy_(of_blocks[block])
        torch.index_select(table, 0, self.row, out=out)

    def gradients(self, made: Tensor, W: Tensor, d_W: Tensor, d_x: Tensor | None) -> None:
        of_table = made.new_zeros(len(self.x) + 1, made.shape[1]).index_add_(0, self.row, made)
        projection_gradients(self.kernel, self.blocks, of_table[:-1], self.x, W, d_W, d_x)
