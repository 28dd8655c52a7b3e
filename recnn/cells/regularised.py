"""Cells around a cell, of any kind, that keep it from overfitting: what they do ends with training."""

from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from recnn.cells.base import Cell, Children, Edges, Nodes


class _Around(Cell):
    """A cell that does what another does, but for what its subclass changes."""

    def __init__(self, cell: Cell, **probabilities: float) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.arity)
        for name, value in probabilities.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a probability, got {value!r}")
        self.cell = cell
        self.State = cell.State  # type: ignore[misc]  # of the cell, not of the class

    @property
    def output_size(self) -> int:
        """Of the cell within."""
        return self.cell.output_size

    def state_shapes(self) -> list[tuple[int, ...]]:
        return self.cell.state_shapes()

    def another(self, input_size: int) -> Cell:
        args, kwargs = self._arguments
        rest = {name: value for name, value in kwargs.items() if name != "cell"}
        return type(self)(self.cell.another(input_size), *args[1:], **rest)

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
        """A copy for training, whose cell within is prepared too; else what the cell within prepares."""
        inner = self.cell.prepared(trees, like)
        if not self.training:
            return inner
        made = copy(self)
        made._modules = {**self._modules, "cell": inner}
        return made


class DropoutCell(_Around):
    """Recurrent dropout: a parent sees its children's hidden vectors with entries dropped.

        h̃_k = h_k ⊙ m / (1 - p),    m ~ Bernoulli(1 - p)

    with one m for all nodes of a tree (``variational``, Gal and Ghahramani, "A theoretically grounded application of
    dropout in recurrent neural networks", NIPS 2016, eq. 7), or another one for each child. Memory cells pass whole.
    A single step draws anew; step with ``cell.prepared(B, x)`` to keep one m.

    Args:
        cell: what it is around.
        dropout: p.
        variational: whether m is the same all over a tree.
    """

    mask: Tensor | None = None  # (trees, H) of the walk it is prepared for

    def __init__(self, cell: Cell, dropout: float = 0.5, variational: bool = True) -> None:
        super().__init__(cell, dropout=dropout)
        self.dropout = dropout
        self.variational = variational

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """With the mask drawn; one that has a mask keeps it."""
        made = super().prepared(trees, like)
        if isinstance(made, DropoutCell) and self.variational and self.mask is None:
            made.mask = dropout(like.new_ones(trees, self.output_size), self.dropout)
        return made

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        """What the cell within makes of a child with dropped entries."""
        hidden = child.hidden
        if self.mask is not None:
            hidden = hidden * self.mask.index_select(0, edges.parent.tree)
        elif self.training and not self.variational:
            hidden = dropout(hidden, self.dropout)
        return self.cell.message(child._replace(hidden=hidden), edges)


class ZoneoutCell(_Around):
    """Zoneout: some entries of a node's state stay what its children's were (their sum, where there are several).

        h = d ⊙ h_(t-1) + (1 - d) ⊙ h̃,    d ~ Bernoulli(p);    p in place of d after training

    and the same of the memory cell with a probability of its own: Krueger et al., "Zoneout: regularizing RNNs by
    randomly preserving hidden activations", ICLR 2017, eqs. 4 and 5.

    Args:
        cell: what it is around; its state must be vectors of length H.
        hidden: p for the hidden vector.
        memory: p for the memory cell, if there is one.
    """

    def __init__(self, cell: Cell, hidden: float = 0.05, memory: float = 0.5) -> None:
        super().__init__(cell, hidden=hidden, memory=memory)
        self.probabilities = (hidden, memory)[: len(cell.State._fields)]
        if len(self.probabilities) != len(cell.State._fields):
            raise ValueError(f"zoneout is for states of a hidden vector and a memory cell, got {cell.State._fields}")

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """A copy, after training as well: zoneout then means an average."""
        made = copy(self)
        made._modules = {**self._modules, "cell": self.cell.prepared(trees, like)}
        return made

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        """The messages of the cell within, and the child's state."""
        return *self.cell.message(child, edges), *child

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        """What the cell within makes of its messages, and the sum of the children's states."""
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
