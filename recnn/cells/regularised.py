"""Recurrent dropout and zoneout: wrappers of any cell against overfitting."""

from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from recnn.cells.base import Cell, Children, Edges, Nodes


class _Around(Cell):
    """Wrapper of a cell: by default each method calls that of the cell."""

    def __init__(self, cell: Cell, **probabilities: float) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.arity)
        for name, value in probabilities.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a probability, got {value!r}")
        self.cell = cell
        self.State = cell.State  # type: ignore[misc]  # the instance has the state of its cell

    @property
    def output_size(self) -> int:
        """Size of the hidden vector: that of the wrapped cell."""
        return self.cell.output_size

    def state_shapes(self) -> list[tuple[int, ...]]:
        return self.cell.state_shapes()

    def another(self, input_size: int) -> Cell:
        args, kwargs = self._arguments
        rest = {name: value for name, value in kwargs.items() if name != "cell"}
        return type(self)(self.cell.another(input_size), *args[1:], **rest)

    def compute_weights(self) -> None:
        super().compute_weights()
        self.cell.compute_weights()

    def inputs(self, x: Tensor) -> Tensor:
        return self.cell.inputs(x)

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        return self.cell.message(child, edges)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        return self.cell.reduce(messages, children)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        return self.cell.apply_node(nodes, message)

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        return self.cell.leaf(nodes, message)

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """Return a copy around the prepared cell in training, and the prepared cell alone in evaluation."""
        inner = self.cell.prepared(trees, like)
        if not self.training:
            return inner
        made = copy(self)
        made._modules = {**self._modules, "cell": inner}
        return made


class DropoutCell(_Around):
    """Recurrent dropout: dropout of the hidden vectors that a node receives from its children.

        h̃_k = h_k ⊙ m / (1 - p),    m ~ Bernoulli(1 - p)

    with one mask m for all nodes of a tree (``variational``, Gal and Ghahramani, "A theoretically grounded application
    of dropout in recurrent neural networks", NIPS 2016, eq. 7), or a new one for each child. Memory cells are not
    dropped, and in evaluation nothing is. Each single step (`forward`) draws a new mask; to keep one over several
    steps, call ``cell.prepared(B, x)`` once and step with the cell that it returns.

    Args:
        cell: cell to wrap.
        dropout: probability p of dropping an entry.
        variational: use the same mask at all nodes of a tree.
    """

    mask: Tensor | None = None  # (B, H), set by `prepared`

    def __init__(self, cell: Cell, dropout: float = 0.5, variational: bool = True) -> None:
        super().__init__(cell, dropout=dropout)
        self.dropout = dropout
        self.variational = variational

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """Return a copy with a new mask in training; a cell that has a mask already keeps it."""
        made = super().prepared(trees, like)
        if isinstance(made, DropoutCell) and self.variational and self.mask is None:
            made.mask = dropout(like.new_ones(trees, self.output_size), self.dropout)
        return made

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        """Return the messages of the wrapped cell for children with dropped entries."""
        hidden = child.hidden
        if self.mask is not None:
            hidden = hidden * self.mask.index_select(0, edges.parent.tree)
        elif self.training and not self.variational:
            hidden = dropout(hidden, self.dropout)
        return self.cell.message(child._replace(hidden=hidden), edges)


class ZoneoutCell(_Around):
    """Zoneout: random entries of a node's state keep the value of its child (of several children, their sum).

        h = d ⊙ h_(t-1) + (1 - d) ⊙ h̃,    d ~ Bernoulli(p);    p in place of d in evaluation

    where h̃ is the new hidden vector; the same for the memory cell, with its own probability. Krueger et al., "Zoneout:
    regularizing RNNs by randomly preserving hidden activations", ICLR 2017, eqs. 4 and 5.

    Args:
        cell: cell to wrap, with a state of a hidden vector, or a hidden vector and a memory cell.
        hidden: probability p for the hidden vector.
        memory: probability p for the memory cell, if there is one.
    """

    def __init__(self, cell: Cell, hidden: float = 0.05, memory: float = 0.5) -> None:
        super().__init__(cell, hidden=hidden, memory=memory)
        self.probabilities = (hidden, memory)[: len(cell.State._fields)]
        if len(self.probabilities) != len(cell.State._fields):
            raise ValueError(
                f"zoneout needs a state of at most a hidden vector and a memory cell, got {cell.State._fields}"
            )

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """Return a copy around the prepared cell, in evaluation too, where zoneout is a weighted mean."""
        made = copy(self)
        made._modules = {**self._modules, "cell": self.cell.prepared(trees, like)}
        return made

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        """Return the messages of the wrapped cell, and the state of the child."""
        return *self.cell.message(child, edges), *child

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        """Combine the messages of the wrapped cell, and sum the states of the children."""
        own = len(self.probabilities)
        return *self.cell.reduce(messages[:-own], children), *(children.sum(part) for part in messages[-own:])

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        own = len(self.probabilities)
        return self._zoned(self.cell.apply_node(nodes, message[:-own]), message[-own:])

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        own = len(self.probabilities)
        return self._zoned(self.cell.leaf(nodes, message[:-own]), message[-own:])

    def _zoned(self, state: Any, before: tuple[Tensor, ...]) -> Any:
        mixed = []
        for new, old, p in zip(state, before, self.probabilities, strict=True):
            mixed.append(torch.where(torch.rand_like(new) < p, old, new) if self.training else torch.lerp(new, old, p))
        return type(state)(*mixed)
