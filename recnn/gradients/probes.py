"""Gradients with respect to the states of a network: measure where they vanish or explode.

The gradient with respect to the state of a node is found by a *probe*: zeros that are added to the state, so that
∂L/∂probe = ∂L/∂h, through all later nodes and layers. Probes are passed as additional columns of the inputs; so this
works for any cell and any order of the nodes, without changes to cells and engines.

A *walk* is one run of one cell over all nodes: one layer in one direction.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from recnn.cells.base import Cell, Children, Edges, Nodes
from recnn.errors import GradientError
from recnn.gradients.norms import check_gradients, complaint, fault
from recnn.graphs.plan import Direction
from recnn.graphs.schedule import Schedule, schedule
from recnn.layers.encoder import Encoder, Forest


@dataclass(frozen=True, eq=False)
class GradientNorms:
    """Norms of the gradients with respect to the states of one layer in one direction, see `gradient_norms`.

    Attributes:
        where: name of the layer and direction, such as "layer 0, up".
        layer: index of the layer, from 0.
        direction: "up" or "down"; in a sequence "up" is from the first step to the last.
        distance: (N,) number of steps from each node to the end: for "up" its depth below the root (in a sequence
            T - 1 - t), for "down" its height, the number of edges to the deepest leaf below it.
        norms: norms (N,) in float64 for each field of the state, by the name of the field.
    """

    where: str
    layer: int
    direction: Direction
    distance: Tensor
    norms: dict[str, Tensor]

    def by_distance(self, field: str = "hidden") -> Tensor:
        """Compute the mean norm over the nodes at each distance 0, 1, ...

        Args:
            field: field of the state, such as "hidden" or "cell".
        """
        norms = self.norms[field]
        total = norms.new_zeros(int(self.distance.max()) + 1).index_add(0, self.distance, norms)
        return total / torch.bincount(self.distance)


def gradient_norms(
    network: nn.Module,
    *inputs: Any,
    late: Callable[[Any], Tensor] | None = None,
    norm: Literal["frobenius", "spectral"] = "frobenius",
) -> list[GradientNorms]:
    """Compute the norms ‖∂s/∂h_n‖ of the gradient of s, such as a loss, with respect to the state of each node n.

    With s the last state of a sequence, this gradient vanishes or explodes with the number of steps between n and the
    last: Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is difficult", 1994;
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, section 2. The
    fields of a state are treated as independent: ∂s/∂c_n does not include the path from c_n through h_n.

    Args:
        network: a `recnn.Recurrent` (RNN, LSTM, GRU), a `recnn.Encoder`, any module that contains them, or a
            `recnn.Cell`, which becomes an encoder of one layer.
        inputs: inputs of the network.
        late: function from the output of the network to s: a scalar, or a tensor of K numbers, for which the norm is
            that of the Jacobian (K, H) of each node. Default: the final hidden states of the last layer, summed over
            the trees of a batch.
        norm: norm of the Jacobian: "frobenius", or "spectral", its largest singular value, which needs memory for
            K · N · H numbers. For a scalar both are the Euclidean norm of the gradient.

    Returns:
        A `GradientNorms` for each layer and direction, in the order of computation.

    Raises:
        ValueError: ``network`` contains no `recnn.Encoder`, or ``norm`` is unknown.
        RuntimeError: the network is already being watched, see `watch`.
    """
    if norm not in ("frobenius", "spectral"):
        raise ValueError(f"norm must be 'frobenius' or 'spectral', got {norm!r}")
    network = Encoder(network) if isinstance(network, Cell) else network
    walks: list[_Walk] = []
    with torch.enable_grad(), _probed(network, walks.append):
        output = network(*inputs)
        s = (_ends(walks) if late is None else late(output)).flatten()
    probes = [walk.probes for walk in walks]
    jacobians = [_Jacobian(walk, norm) for walk in walks]
    for entry in s:
        gradients = torch.autograd.grad(entry, probes, retain_graph=True, materialize_grads=True)
        for jacobian, gradient in zip(jacobians, gradients, strict=True):
            jacobian.add(gradient)
    return [
        GradientNorms(walk.where, walk.layer, walk.direction, walk.distance, jacobian.norms())
        for walk, jacobian in zip(walks, jacobians, strict=True)
    ]


def gradient_times_state(network: nn.Module, *inputs: Any, late: Callable[[Any], Tensor]) -> list[Tensor]:
    """Compute h_n · ∂s/∂h_n for the state of each node n: to first order, what s would lose if the state were 0.

    The fields of a state are treated as independent, as in `gradient_norms`, and summed.

    Args:
        network: as in `gradient_norms`, but no cell.
        inputs: inputs of the network.
        late: function from the output of the network to the scalar s.

    Returns:
        (N,) for each layer and direction, in the order of computation.

    Raises:
        ValueError: ``network`` contains no `recnn.Encoder`.
        RuntimeError: the network is already being watched, see `watch`.
    """
    walks: list[_Walk] = []
    with torch.enable_grad(), _probed(network, walks.append):
        s = late(network(*inputs))
    gradients = torch.autograd.grad(s, [walk.probes for walk in walks], materialize_grads=True)
    states = (torch.cat([part.flatten(1) for part in walk.state], dim=1).detach() for walk in walks)
    return [(state * gradient).sum(1) for state, gradient in zip(states, gradients, strict=True)]


@contextmanager
def watch(network: nn.Module, max_state: float = math.inf, max_gradient: float = math.inf) -> Iterator[None]:
    """Context manager that raises an error at the first state or gradient that is NaN, infinite or too large.

        with recnn.watch(model, max_gradient=1e3):
            loss(model(graph), target).backward()

        GradientError: layer 1, up, step 3, node 17: the norm of the gradient of hidden is 4.1e+04, over 1000

    The states of a layer and direction are checked after its forward pass, and the error names the earliest step; the
    gradients with respect to them after its backward pass, and the error names the first in backward order. The
    gradients of the parameters are checked at the end of the block, as in `check_gradients`. For debugging: cells run
    in plain autograd, slower than usual.

    Args:
        network: a `recnn.Recurrent`, a `recnn.Encoder`, or any module that contains them.
        max_state: largest norm of a field of a state.
        max_gradient: largest norm of the gradient with respect to a field of a state, or to a parameter.

    Raises:
        GradientError: a state or gradient is NaN, infinite or too large. The message names the layer, direction, step,
            node and field. In a sequence the step is the time, counted from the end that is read first; in a tree, the
            height of the node for "up", its depth for "down".
        ValueError: ``network`` contains no `recnn.Encoder`.
        RuntimeError: the network is already being watched.
    """

    def look(walk: _Walk) -> None:
        walk.check(walk.state, walk.step, "", max_state)
        if walk.probes.requires_grad:
            walk.probes.register_hook(
                lambda gradient: walk.check(walk.split(gradient), walk.distance, "the gradient of ", max_gradient)
            )

    with _probed(network, look):
        yield
    check_gradients(network, max_gradient)


class _Walk:
    """One walk with probes: its states, and the step and distance of each node."""

    def __init__(
        self, where: str, layer: int, direction: Direction, state: Any, probes: Tensor, step: Tensor, distance: Tensor
    ) -> None:
        self.where, self.layer, self.direction = where, layer, direction
        self.state, self.probes, self.step, self.distance = state, probes, step, distance
        self.fields: tuple[str, ...] = state._fields
        self.sizes = [part[0].numel() for part in state]

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Split columns (*, S) into the fields of the state, each flattened."""
        return torch.split(rows, self.sizes, dim=-1)

    def check(self, parts: Any, order: Tensor, of: str, largest: float) -> None:
        """Raise an error for the first row, by ``order``, whose norm in a field is NaN, infinite or too large."""
        faults = [fault(part.flatten(1), largest, order) for part in parts]
        found = [(int(order[one[0]]), field, one) for field, one in enumerate(faults) if one is not None]
        if found:
            _, field, (row, norm) = min(found)
            place = f"{self.where}, step {int(self.step[row])}, node {row}"
            raise GradientError(f"{place}: {complaint(of + self.fields[field], row, norm, largest)}")


class _Jacobian:
    """Norms of the Jacobian ∂s/∂h_n at each node of a walk, accumulated row by row, one row for each entry of s."""

    def __init__(self, walk: _Walk, norm: str) -> None:
        self.walk, self.norm = walk, norm
        self.rows: list[Tensor] = []
        self.squares: list[Any] = [0.0] * len(walk.fields)

    def add(self, gradient: Tensor) -> None:
        """Add the next row of the Jacobian, (N, S)."""
        gradient = gradient.double()  # squares of small floats underflow in float32
        if self.norm == "spectral":
            self.rows.append(gradient)
        else:
            parts = self.walk.split(gradient)
            self.squares = [total + part.square().sum(1) for total, part in zip(self.squares, parts, strict=True)]

    def norms(self) -> dict[str, Tensor]:
        """The norms (N,) for each field."""
        if self.norm == "spectral":
            parts = self.walk.split(torch.stack(self.rows, dim=1))  # (N, K, H)
            found = [torch.linalg.matrix_norm(part, ord=2) for part in parts]
        else:
            found = [total.sqrt() for total in self.squares]
        return dict(zip(self.walk.fields, found, strict=True))


def _ends(walks: list[_Walk]) -> Tensor:
    """The final hidden states of the last layer, summed over the trees."""
    last = [walk for walk in walks if walk.layer == walks[-1].layer][-2:]
    last = last if last[0].direction != last[-1].direction else last[-1:]
    return torch.cat([walk.state.hidden[walk.distance == 0].sum(0) for walk in last])


@contextmanager
def _probed(network: nn.Module, report: Callable[[_Walk], None]) -> Iterator[None]:
    """Context manager that adds probes to all walks of all encoders in ``network`` and reports each walk."""
    encoders = [(name, module) for name, module in network.named_modules() if isinstance(module, Encoder)]
    if not encoders:
        raise ValueError(
            f"expected a network that contains a recnn.Encoder, got a {type(network).__name__} without one; for "
            "networks of torch.nn, load their state dicts into recnn.RNN, LSTM or GRU"
        )
    if any("run" in vars(encoder) for _, encoder in encoders):
        raise RuntimeError("the network is already being watched")
    try:
        for name, encoder in encoders:
            encoder.run = _run_with_probes(name, encoder, report)  # type: ignore[method-assign]
        yield
    finally:
        for _, encoder in encoders:
            vars(encoder).pop("run", None)


def _run_with_probes(name: str, encoder: Encoder, report: Callable[[_Walk], None]) -> Any:
    run = encoder.run
    prefix = f"{name}, " if name and name != "encoder" else ""

    def probed(forest: Forest, x: Tensor, initial: Any = None) -> Any:
        return run(_ProbedForest(forest, prefix, len(encoder.directions), report), x, initial)

    return probed


class _ProbedForest(Forest):
    def __init__(self, forest: Any, prefix: str, ways: int, report: Callable[[_Walk], None]) -> None:
        self.forest, self.prefix, self.ways, self.report = forest, prefix, ways, report
        self.walks = 0

    def walk(self, cell: Cell, x: Tensor, direction: Direction, initial: Any, everywhere: bool) -> Any:
        graph = getattr(self.forest, "graph", None)  # None for chains
        present = None if everywhere else self.nodes_with_input()
        row = None if everywhere else getattr(self.forest, "row", None)
        if row is not None:
            place = row.masked_fill(row < 0, len(x)).to(x.device)
            x = torch.cat([x, x.new_zeros(1, x.shape[1])]).index_select(0, place)
        elif present is not None:  # a node without an input counts as x = 0
            x = x.masked_fill(~present.unsqueeze(1).to(x.device), 0)
        made = _ProbedCell(cell)
        probes = x.new_zeros(len(x), made.width, requires_grad=torch.is_grad_enabled())
        state = self.forest.walk(made, torch.cat([x, probes], dim=1), direction, initial, everywhere=True)
        if graph is not None:
            depth, height = _depth_and_height(schedule(graph))
            upward = direction == "up"
        else:  # the first step is the root of a chain, so "up" of a sequence is "down" here
            depth, height = _depth_and_height(self.forest.schedule)
            upward = direction == "down"
        step, distance = (height, depth) if upward else (depth, height)
        layer = self.walks // self.ways
        self.walks += 1
        self.report(_Walk(f"{self.prefix}layer {layer}, {direction}", layer, direction, state, probes, step, distance))
        return state

    def nodes_with_input(self) -> Tensor | None:
        return self.forest.nodes_with_input()  # type: ignore[no-any-return]

    def trees(self) -> Tensor:
        return self.forest.trees()  # type: ignore[no-any-return]


def _depth_and_height(levels: Schedule) -> tuple[Tensor, Tensor]:
    """Number of edges to the root, and to the deepest leaf below, of each node, both (N,) in the order of the nodes."""
    sizes = levels.order.new_tensor([end - begin for begin, end in pairwise(levels.offsets)])
    depth = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
    height = torch.zeros_like(depth)
    for begin, end in reversed(list(pairwise(levels.offsets[1:]))):
        height.scatter_reduce_(0, levels.parent[begin:end], height[begin:end] + 1, "amax")
    return depth[levels.rank], height[levels.rank]


class _ProbedCell(Cell):
    """A cell that adds the last columns of its inputs, the probes, to the states of another cell."""

    def __init__(self, cell: Cell) -> None:
        sizes = [math.prod(shape) for shape in cell.state_shapes()]
        super().__init__(cell.input_size + sum(sizes), cell.hidden_size, cell.arity)
        self.cell, self.sizes, self.width = cell, sizes, sum(sizes)
        self.State = cell.State  # type: ignore[misc]  # of the cell, not of the class

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    def state_shapes(self) -> list[tuple[int, ...]]:
        return self.cell.state_shapes()

    def prepared(self, trees: int, like: Tensor) -> Cell:
        made = copy(self)
        made._modules = {**self._modules, "cell": self.cell.prepared(trees, like[:, : -self.width])}
        return made

    def inputs(self, x: Tensor) -> Tensor:
        return torch.cat([self.cell.inputs(x[:, : -self.width]), x[:, -self.width :]], dim=1)

    def message(self, child: Any, edges: Edges) -> tuple[Tensor, ...]:
        return self.cell.message(child, edges._replace(parent=self._own(edges.parent)))

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        return self.cell.reduce(messages, children)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        return self._with_probe(self.cell.apply_node(self._own(nodes), message), nodes)

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> Any:
        return self._with_probe(self.cell.leaf(self._own(nodes), message), nodes)

    def _own(self, nodes: Nodes) -> Nodes:
        return nodes._replace(inputs=nodes.inputs[:, : -self.width])

    def _with_probe(self, state: Any, nodes: Nodes) -> Any:
        probe = nodes.inputs[:, -self.width :].split(self.sizes, dim=1)
        return type(state)(*(part + zeros.reshape(part.shape) for part, zeros in zip(state, probe, strict=True)))
