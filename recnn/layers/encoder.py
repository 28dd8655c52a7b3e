"""Stacked layers of cells over a forest: bottom-up, top-down or bidirectional, with residuals and dropout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recnn.cells.base import Cell
from recnn.cells.weights import Borrower
from recnn.engines.propagate import Engine, nodes_with_input, propagate
from recnn.graphs.compiler import uncompiled
from recnn.graphs.devices import to_device_of, with_data
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
    """The trees that an `Encoder` runs over: a graph, or the chains of a batch of sequences."""

    @abstractmethod
    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        """Compute the states of all nodes with one cell in one direction.

        Args:
            cell: the cell.
            x: (N, D) inputs.
            direction: "up" or "down".
            initial: state of B rows before the first nodes, or None.
            everywhere: use the inputs of all nodes, instead of the nodes of `nodes_with_input`.
        """

    @abstractmethod
    def nodes_with_input(self) -> Tensor | None:
        """(N,) bool, True for nodes that have an input in the first layer; None if all have."""

    @abstractmethod
    def trees(self) -> Tensor:
        """(N,) index of the tree of each node."""


class _GraphForest(Forest):
    def __init__(self, graph: DGLGraph, engine: Engine, has_input: Tensor | None) -> None:
        self.graph, self.engine, self.has_input = graph, engine, has_input

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        with with_data(x):
            has_input = torch.ones(len(x), dtype=torch.bool) if everywhere else self.has_input
        return propagate(cell, self.graph, x, direction, initial, self.engine, has_input)

    def nodes_with_input(self) -> Tensor | None:
        return nodes_with_input(self.graph, self.has_input)

    def trees(self) -> Tensor:
        return torch.repeat_interleave(torch.arange(self.graph.batch_size), self.graph.batch_num_nodes())


class EncoderStates(NodeStates):
    """The result of an `Encoder`: `NodeStates` of its output, and the states of every layer.

    Attributes:
        layers: for each layer and in it for each direction, the state of the cell at all nodes, a NamedTuple of
            tensors (N, *), before merging and residual connections.
        directions: directions of each layer: "up", "down", or both in this order.
    """

    def __init__(self, graph: DGLGraph, state: Any, layers: list[list[Any]], directions: list[Direction]) -> None:
        super().__init__(graph, state)
        self.layers = layers
        self.directions = directions

    @uncompiled
    def final(self, layer: int = -1, direction: Direction = "up") -> Any:
        """The final state of a layer: at the B roots for "up", at the leaves (B of them on chains) for "down".

        Raises:
            ValueError: the encoder does not run in this direction.
        """
        state = self.layers[layer][self.directions.index(direction)]
        with with_data(state.hidden):
            ends = (self.graph.out_degrees() if direction == "up" else self.graph.in_degrees()) == 0
            rows = ends.nonzero().squeeze(1)
        rows = to_device_of(rows, state.hidden)
        return type(state)(*(part.index_select(0, rows) for part in state))


class Encoder(Borrower):
    """Multi-layer, optionally bidirectional network of a cell over a forest, a single graph or a batch.

    Input of the first layer is x, input of layer l the output of layer l - 1 at the same node. With
    ``direction="both"`` a layer has one cell for each direction, and their states are merged before the next layer: the
    deep bidirectional network of Irsoy and Cardie, "Opinion mining with deep recurrent neural networks", EMNLP 2014,
    section 3.2, over any forest. In the first layer nodes without a word have no input, unless the graph has no words
    at all; in later layers all nodes have.

    Args:
        cell: cell of the first layer, bottom-up if ``direction="both"``; the other layers and directions get new cells
            with the same options (see `Cell.another`). Or a list with such a cell for each layer, of any sizes; one
            whose input size does not fit is replaced by a new one.
        num_layers: number of layers. Default: the number of cells given.
        direction: "up" (from the leaves to the root), "down" or "both".
        merge: how the states of both directions are combined: "concat", "sum", "mul", "ave" (their mean), or "none",
            which stacks them, (N, 2, H).
        independent: stack the layers of each direction separately and merge only the output, instead of merging after
            each layer; always the case with ``merge="none"``.
        residual: add the input of each layer but the first to its output, if they have the same size.
        dropout: if non-zero, applies dropout with this probability to the outputs of each layer except the last.
        variational: drop the same entries at all nodes of a tree (Gal and Ghahramani 2016).

    Shapes:
        x: (N, D), in the order of the graph's nodes.
        h: (N, H) hidden states of the output; (N, 2 H) if concatenated, (N, 2, H) with ``merge="none"``.

    Raises:
        TypeError: ``cell`` is neither a cell nor a list of cells.
        ValueError: an argument has a wrong value.
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
                f"num_layers must be a positive integer, and equal to the number of cells in a list, got {layers!r}"
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

    @uncompiled
    def forward(
        self,
        graph: DGLGraph,
        x: Tensor,
        initial: Sequence[Any] | None = None,
        engine: Engine = "levels",
        has_input: Tensor | None = None,
    ) -> EncoderStates:
        """Compute the states of all nodes.

        Args:
            graph: a forest; see `recnn.propagate`.
            x: (N, D) inputs, in the order of the graph's nodes.
            initial: list with an initial state for each layer and in it for each direction (layer 0 up, layer 0 down,
                layer 1 up, ...): B rows, the state before the leaves ("up") or before the roots ("down"), or None.
            engine: see `recnn.propagate`.
            has_input: (N,) bool, nodes with an input in the first layer; see `recnn.propagate`.

        Raises:
            ValueError: x, an initial state or has_input has a wrong shape.
            GraphError: the graph does not fit the cell or the engine, see `recnn.propagate`.
        """
        state, layers = self.run(_GraphForest(graph, engine, has_input), x, initial)
        return EncoderStates(graph, state, layers, self.directions)

    def run(self, forest: Forest, x: Tensor, initial: Sequence[Any] | None = None) -> tuple[Any, list[list[Any]]]:
        """Compute the output state, and for each layer and direction the state of the cell at all nodes."""
        ways = len(self.directions)
        before = [None] * len(self.cells) if initial is None else list(initial)
        if len(before) != len(self.cells):
            raise ValueError(
                f"initial must have {len(self.cells)} states, one per layer and direction, got {len(before)}"
            )
        for cell in self.cells:
            cell.compute_weights()
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
        """Combine the states of the directions as ``merge`` defines."""
        return parts[0] if len(parts) == 1 else _MERGES[self.merge](*parts)

    def _dropped(self, x: Tensor, forest: Forest) -> Tensor:
        if not (self.training and self.dropout and self.variational):
            return F.dropout(x, self.dropout, self.training)
        with with_data(x):
            trees = forest.trees()
            count = int(trees.max()) + 1
        mask = F.dropout(x.new_ones(count, x.shape[1]), self.dropout)
        return x * mask.index_select(0, to_device_of(trees, x))
