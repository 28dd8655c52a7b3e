"""Gradients made visible: how far they reach, where they vanish or explode, and what bounds them.

The gradient with respect to a state inside a walk is found by a probe: zeros that are added to the state of each node,
so that ∂L/∂probe = ∂L/∂h, through all later nodes and layers, for any cell, and without a change to a cell or an
engine. The probes enter as further columns of the inputs, which bring them to their nodes in any order of the walk.
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
    """How large the gradient of something late is with respect to every state of one layer, in one direction.

    Attributes:
        where: the layer and the direction, in words.
        layer: from 0.
        direction: "up" or "down"; of a sequence "up" is from the first step to the last.
        distance: (N,) how many steps lie between each node and the end of the walk: up, its depth below the root (of a
            sequence T - 1 - t); down, the longest way to a leaf below it.
        norms: for each field of the state, (N,) in float64.
    """

    where: str
    layer: int
    direction: Direction
    distance: Tensor
    norms: dict[str, Tensor]

    def by_distance(self, field: str = "hidden") -> Tensor:
        """(steps,) the mean of the norms over the nodes at distance 0, 1, ..."""
        norms = self.norms[field]
        total = norms.new_zeros(int(self.distance.max()) + 1).index_add(0, self.distance, norms)
        return total / torch.bincount(self.distance)


def gradient_norms(
    network: nn.Module,
    *inputs: Any,
    late: Callable[[Any], Tensor] | None = None,
    norm: Literal["frobenius", "spectral"] = "frobenius",
) -> list[GradientNorms]:
    """The norms ‖∂s/∂h_n‖ of something late, s, with respect to the state of each node n of each layer.

    With s the last state of a sequence it is what Bengio, Simard and Frasconi, "Learning long-term dependencies with
    gradient descent is difficult", 1994, and Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent
    neural networks", ICML 2013, section 2, show to vanish or to explode with the number of steps between the two. The
    fields of a state count each by itself, as what a node hands on: ∂s/∂c_n leaves out that h_n, too, is made of c_n.

    Args:
        network: a `recnn.Recurrent` (RNN, LSTM, GRU), a `recnn.Encoder`, any module made of them, or a `recnn.Cell`.
        inputs: what it is called with; a cell with a graph and x, as an encoder of one layer.
        late: makes s of what the network returns: a scalar, such as a loss, or K numbers, whose Jacobian (K, H) at
            each node is measured. By default the hidden states where the last layer's walks end, summed over the trees
            of a batch, which do not see each other.
        norm: of the Jacobian: "frobenius", or "spectral", its largest singular value, for which all of it is kept,
            K · N · H numbers. Of a scalar both are the length of the gradient.

    Returns:
        One for each layer and direction, in the order of the walks.
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


@contextmanager
def watch(network: nn.Module, max_state: float = math.inf, max_gradient: float = math.inf) -> Iterator[None]:
    """Within it, the first state or gradient that is NaN, infinite or too long is an error that names its place.

        with recnn.watch(model, max_gradient=1e3):
            loss(model(graph), target).backward()

        GradientError: layer 1, up, step 3, node 17: the norm of the gradient of hidden is 4.1e+04, over 1000

    A walk's states are looked at when it ends, and the bad one with the fewest steps before it is named; the gradients
    with respect to them when the backward pass leaves the layer, and the one that it came to first is named. At the end
    of the block the gradients of the parameters follow, as in `check_gradients`. All cells run in plain autograd here,
    slower than in their own loops: this is for finding out.

    Args:
        network: a `recnn.Recurrent`, a `recnn.Encoder`, or any module made of them.
        max_state: the longest that a state may be.
        max_gradient: the longest that the gradient with respect to a state, or that of a parameter, may be.

    Raises:
        GradientError: see above. A step is one before which so many others had to be done: of a sequence the time,
            counted from where it is read; going up a tree, the height of the node; going down, its depth.
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
    """One walk of one cell with probes: its states, and where each of them stands."""

    def __init__(
        self, where: str, layer: int, direction: Direction, state: Any, probes: Tensor, step: Tensor, distance: Tensor
    ) -> None:
        self.where, self.layer, self.direction = where, layer, direction
        self.state, self.probes, self.step, self.distance = state, probes, step, distance
        self.fields: tuple[str, ...] = state._fields
        self.sizes = [part[0].numel() for part in state]

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """(*, S) to the fields of the state, each flat."""
        return torch.split(rows, self.sizes, dim=-1)

    def check(self, parts: Any, order: Tensor, of: str, largest: float) -> None:
        """Raise an error if a row of a field is no number or too long, at the one that is first in ``order``."""
        faults = [fault(part.flatten(1), largest, order) for part in parts]
        found = [(int(order[one[0]]), field, one) for field, one in enumerate(faults) if one is not None]
        if found:
            _, field, (row, norm) = min(found)
            place = f"{self.where}, step {int(self.step[row])}, node {row}"
            raise GradientError(f"{place}: {complaint(of + self.fields[field], row, norm, largest)}")


class _Jacobian:
    """The norms of ∂s/∂h_n at each node of a walk, from the rows of the Jacobian, one for each entry of s."""

    def __init__(self, walk: _Walk, norm: str) -> None:
        self.walk, self.norm = walk, norm
        self.rows: list[Tensor] = []
        self.squares: list[Any] = [0.0] * len(walk.fields)

    def add(self, gradient: Tensor) -> None:
        """Take the next row, (N, S)."""
        gradient = gradient.double()  # in which the square of a small float is not 0
        if self.norm == "spectral":
            self.rows.append(gradient)
        else:
            parts = self.walk.split(gradient)
            self.squares = [total + part.square().sum(1) for total, part in zip(self.squares, parts, strict=True)]

    def norms(self) -> dict[str, Tensor]:
        """(N,) for each field."""
        if self.norm == "spectral":
            parts = self.walk.split(torch.stack(self.rows, dim=1))  # (N, K, H)
            found = [torch.linalg.matrix_norm(part, ord=2) for part in parts]
        else:
            found = [total.sqrt() for total in self.squares]
        return dict(zip(self.walk.fields, found, strict=True))


def _ends(walks: list[_Walk]) -> Tensor:
    """The hidden states where the walks of the last layer end, summed over the trees."""
    last = [walk for walk in walks if walk.layer == walks[-1].layer][-2:]
    last = last if last[0].direction != last[-1].direction else last[-1:]
    return torch.cat([walk.state.hidden[walk.distance == 0].sum(0) for walk in last])


@contextmanager
def _probed(network: nn.Module, report: Callable[[_Walk], None]) -> Iterator[None]:
    """Within it, all walks of all encoders in ``network`` have probes and are reported."""
    encoders = [(name, module) for name, module in network.named_modules() if isinstance(module, Encoder)]
    if not encoders:
        raise ValueError(
            f"a {type(network).__name__} has no recnn.Encoder in it, whose states could be seen; recnn.RNN, LSTM and "
            "GRU load the weights of torch.nn's"
        )
    if any("run" in vars(encoder) for _, encoder in encoders):
        raise RuntimeError("the network is being watched already")
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
        if graph is not None and not everywhere and "word" in graph.ndata:
            x = x.masked_fill((graph.ndata["word"] < 0).unsqueeze(1).to(x.device), 0)  # what no input counts as
        made = _ProbedCell(cell)
        probes = x.new_zeros(len(x), made.width, requires_grad=torch.is_grad_enabled())
        state = self.forest.walk(made, torch.cat([x, probes], dim=1), direction, initial, everywhere=True)
        if graph is not None:
            depth, height = _depth_and_height(schedule(graph))
            upward = direction == "up"
        else:  # chains hang from their first steps, so that reading from there goes down
            depth, height = _depth_and_height(self.forest.schedule)
            upward = direction == "down"
        step, distance = (height, depth) if upward else (depth, height)
        layer = self.walks // self.ways
        self.walks += 1
        self.report(_Walk(f"{self.prefix}layer {layer}, {direction}", layer, direction, state, probes, step, distance))
        return state

    def trees(self) -> Tensor:
        return self.forest.trees()  # type: ignore[no-any-return]


def _depth_and_height(levels: Schedule) -> tuple[Tensor, Tensor]:
    """(N,) twice, in the order of the nodes: edges to the root, and to the deepest leaf below."""
    sizes = levels.order.new_tensor([end - begin for begin, end in pairwise(levels.offsets)])
    depth = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
    height = torch.zeros_like(depth)
    for begin, end in reversed(list(pairwise(levels.offsets[1:]))):
        height.scatter_reduce_(0, levels.parent[begin:end], height[begin:end] + 1, "amax")
    return depth[levels.rank], height[levels.rank]


class _ProbedCell(Cell):
    """A cell that adds the last columns of its inputs to the states that it makes."""

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
