"""Layers of cells over any forest: up, down or both ways, merged, with skip connections and dropout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recnn.cells.base import Cell
from recnn.engines.propagate import Engine, propagate
from recnn.graphs.plan import Direction
from recnn.graphs.states import NodeStates

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

Merge = Literal["concat", "sum", "mul", "ave", "none"]
_MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda up, down: torch.cat([up, down], dim=1),
    "sum": torch.add,
    "mul": torch.mul,
    "ave": lambda up, down: (up + down) / 2,
    "none": lambda up, down: torch.stack([up, down], dim=1),
}


class Forest(ABC):
    """What the layers walk over."""

    @abstractmethod
    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        """The states of all nodes; ``everywhere`` if all have inputs, else where the forest says so."""

    @abstractmethod
    def trees(self) -> Tensor:
        """(N,) the tree of each node."""


class _GraphForest(Forest):
    def __init__(self, graph: DGLGraph, engine: Engine) -> None:
        self.graph, self.engine = graph, engine

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        has_input = torch.ones(len(x), dtype=torch.bool) if everywhere else None
        return propagate(cell, self.graph, x, direction, initial, self.engine, has_input)

    def trees(self) -> Tensor:
        return torch.repeat_interleave(torch.arange(self.graph.batch_size), self.graph.batch_num_nodes())


class EncoderStates(NodeStates):
    """What `Encoder` makes of a graph: `NodeStates` of the output, and the states of every layer.

    Attributes:
        layers: for each layer, and in it for each direction, the cell's state at all nodes, a NamedTuple of (N, *).
        directions: "up", "down", or both in this order.
    """

    def __init__(self, graph: DGLGraph, state: Any, layers: list[list[Any]], directions: list[Direction]) -> None:
        super().__init__(graph, state)
        self.layers = layers
        self.directions = directions

    def final(self, layer: int = -1, direction: Direction = "up") -> Any:
        """Where a layer's walk ends: its state at the B roots, or, going down, at the leaves (on chains, B too)."""
        ends = self.graph.out_degrees() == 0 if direction == "up" else self.graph.in_degrees() == 0
        state = self.layers[layer][self.directions.index(direction)]
        return type(state)(*(part[ends] for part in state))


class Encoder(nn.Module):
    """Stacked layers of a cell over a forest, a single graph or a batch of any kind.

    Layer l reads the output of layer l - 1 at every node, the first reads x. With ``direction="both"`` a layer has a
    cell that goes up and one that goes down, and their states are merged before the next layer: the deep bidirectional
    network of Irsoy and Cardie, "Opinion mining with deep recurrent neural networks", EMNLP 2014, section 3.2, over any
    forest. Inner nodes without a word have no input in the first layer; from the second on every node has one.

    Args:
        cell: the cell of the first layer, going up if both ways; the others are made as it was, with weights of their
            own (see `Cell.another`). Or a list with one such cell for each layer, of any sizes.
        num_layers: L; not needed with a list of cells.
        direction: "up", "down" or "both".
        merge: how two directions become one: "concat", "sum", "mul", "average", or "none", which keeps them apart,
            (N, 2, H).
        independent: whether the two directions are stacks of their own, merged only at the output; so they are if
            they are not merged.
        residual: whether each layer that reads what it writes, in size, adds what it read to what it wrote.
        dropout: the probability of an entry to be dropped between layers.
        variational: whether the same entries are dropped at all nodes of a tree (Gal and Ghahramani 2016).

    Shapes:
        x: (N, D), in the order of the graph's nodes.
        h: (N, H), or (N, 2 H) or (N, 2, H).
    """

    def __init__(
        self,
        cell: Cell | Sequence[Cell],
        num_layers: int | None = None,
        direction: Literal["up", "down", "both"] = "up",
        merge: Merge = "concat",
        independent: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(cell, type) or not isinstance(cell, (Cell, Sequence)):
            raise TypeError(f"cell must be a recnn.Cell, or a list of them, got {cell!r}")
        given = [cell] if isinstance(cell, Cell) else list(cell)
        layers = len(given) if num_layers is None else num_layers
        if not isinstance(layers, int) or layers < 1 or (len(given) > 1 and layers != len(given)):
            raise ValueError(
                f"num_layers must be a positive integer, and the number of cells in a list, got {layers!r}"
            )
        if merge not in _MERGES:
            raise ValueError(f"merge must be one of {', '.join(map(repr, _MERGES))}, got {merge!r}")
        if direction not in ("up", "down", "both"):
            raise ValueError(f"direction must be 'up', 'down' or 'both', got {direction!r}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a probability, got {dropout!r}")
        self.directions: list[Direction] = ["up", "down"] if direction == "both" else [direction]
        self.merge = merge
        self.independent = len(self.directions) == 2 and (independent or merge == "none")
        self.residual = residual
        self.dropout = dropout
        self.variational = variational
        self.num_layers = layers
        wide = 2 if merge == "concat" and direction == "both" and not self.independent else 1
        cells: list[Cell] = []
        for layer in range(layers):
            pattern = given[min(layer, len(given) - 1)]
            reads = wide * cells[-1].output_size if layer else pattern.input_size
            fits = layer < len(given) and pattern.input_size == reads
            cells.append(pattern if fits else pattern.another(reads))
            cells.extend(pattern.another(reads) for _ in self.directions[1:])
        self.cells: Sequence[Cell] = nn.ModuleList(cells)  # type: ignore[assignment]

    def forward(
        self, graph: DGLGraph, x: Tensor, initial: Sequence[Any] | None = None, engine: Engine = "levels"
    ) -> EncoderStates:
        """The states of all nodes.

        Args:
            graph: a forest; see `recnn.propagate`.
            x: (N, D).
            initial: for each layer, and in it for each direction, a state of B rows that comes before the leaves (up)
                or the roots (down), or None.
            engine: see `recnn.propagate`.
        """
        state, layers = self.run(_GraphForest(graph, engine), x, initial)
        return EncoderStates(graph, state, layers, self.directions)

    def run(self, forest: Forest, x: Tensor, initial: Sequence[Any] | None = None) -> tuple[Any, list[list[Any]]]:
        """The state of the output, and for each layer and direction the cell's state at all nodes of a forest."""
        ways = len(self.directions)
        before = [None] * len(self.cells) if initial is None else list(initial)
        if len(before) != len(self.cells):
            raise ValueError(f"initial must have {len(self.cells)} states, layer by layer, got {len(before)}")
        layers: list[list[Any]] = []
        read = [x] * ways
        for layer in range(self.num_layers):
            if layer:
                read = [self._dropped(part, forest) for part in (read if self.independent else read[:1])]
                read = read if self.independent else read * ways
            at = ways * layer
            states = [
                forest.walk(self.cells[at + way], read[way], direction, before[at + way], everywhere=layer > 0)
                for way, direction in enumerate(self.directions)
            ]
            layers.append(states)
            written = [state.hidden for state in states]
            if not self.independent:
                written = [self.merged(written)] * ways
            if self.residual and layer:
                written = [w + r if w.shape == r.shape else w for w, r in zip(written, read, strict=True)]
            read = written
        hidden = self.merged(read) if self.independent else read[0]
        rest = (self.merged(parts) for parts in list(zip(*layers[-1], strict=True))[1:])
        return type(layers[-1][0])(hidden, *rest), layers

    def merged(self, parts: Sequence[Tensor]) -> Tensor:
        """The directions as one."""
        return parts[0] if len(parts) == 1 else _MERGES[self.merge](*parts)

    def _dropped(self, x: Tensor, forest: Forest) -> Tensor:
        if not (self.training and self.dropout and self.variational):
            return F.dropout(x, self.dropout, self.training)
        trees = forest.trees().to(x.device)
        mask = F.dropout(x.new_ones(int(trees.max()) + 1, x.shape[1]), self.dropout)
        return x * mask.index_select(0, trees)
