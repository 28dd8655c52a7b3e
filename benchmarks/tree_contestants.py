"""The ways to run a binary Tree-LSTM (Tai et al. 2015, eqs. 9-14) that tree_speed.py compares.

Made once and not timed: recnn's schedule of a forest, DGL's batched graph, and what pytorch-tree-lstm has functions
for, its evaluation orders and batched input.

    levels             recnn.propagate
    levels-sum         the same with a child-sum cell (Tai et al. 2015, eqs. 2-8)
    dgl                recnn.propagate(engine="dgl")
    dgl-example        the Tree-LSTM example of DGL: prop_nodes_topo with functions in Python
    pytorch-tree-lstm  as it ships, child-sum, so it is compared with levels-sum. It projects the inputs of inner nodes
                       too, which are 0
    dynet              automatic batching. Users build the graph of a batch anew for each step, so that is timed; the
                       published wheel uses one thread. One matrix a gate, which is quicker than slicing one product
    one-node           a loop over nodes in torch, children first
    floor              the matrix products that cannot be avoided, at the speed of one torch.mm over all inner nodes:
                       U [h_1; h_2] for inner nodes, W x for leaves without forget gates; in training three times as
                       much, but twice for W, as inputs need no gradient
"""

# ruff: noqa: D101, D102 - the text above says what each contestant is, and `Levels` what its methods are

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from _common import clock
from torch import Tensor, nn
from torch.nn.functional import linear

import recnn
from recnn.graphs import _dgl
from recnn.graphs._dgl import DGLGraph


class Forest(NamedTuple):
    """A batch of trees, numbered so that children come after parents."""

    graph: DGLGraph
    x: Tensor
    children: list[list[int]]


class Weights(NamedTuple):
    """Copies of a cell's weights by gate; f has the columns of both forget gates."""

    W: dict[str, Tensor]
    U: dict[str, Tensor]
    b: dict[str, Tensor]

    def joined(self, kind: str, gates: str) -> nn.Parameter:
        """One parameter of several gates."""
        return nn.Parameter(torch.cat([getattr(self, kind)[gate] for gate in gates]).detach().clone())


def weights_of(cell: recnn.LSTMCell) -> Weights:
    """The weights of an N-ary cell with two children."""
    H, parts = cell.hidden_size, [1, 2, 1, 1]
    b_ih = cell.bias_ih.chunk(4)
    b = [x.repeat(n) + h for x, n, h in zip(b_ih, parts, cell.bias_hh.split([n * H for n in parts]), strict=True)]
    U = cell.weight_hh.split([n * H for n in parts])
    return Weights(*(dict(zip("ifgo", rows, strict=True)) for rows in (cell.weight_ih.chunk(4), U, b)))


class Levels(nn.Module):
    """What is measured; the others derive from it. ``U`` holds the weights of the input gate in its first rows."""

    package = "torch"
    engine: Literal["levels", "dgl"] = "levels"
    same = True
    only_cpu = False

    def __init__(self, cell: recnn.LSTMCell, forests: list[Forest]) -> None:
        super().__init__()
        self.forests = forests
        self.make(cell)

    def make(self, cell: recnn.LSTMCell) -> None:
        """Take over the weights, and precompute."""
        self.cell, self.U = cell, cell.weight_hh

    def forward(self, forest: Forest) -> Tensor:
        """(N, H) the hidden vectors of all nodes."""
        hidden: Tensor = recnn.propagate(self.cell, forest.graph, forest.x, engine=self.engine).hidden
        return hidden

    def step(self, forest: Forest, train: bool) -> Any:
        """What is timed."""
        if train:
            self.zero_grad()
            return self(forest).square().sum().backward()
        with torch.no_grad():
            return self(forest)

    def gradient(self) -> Tensor:
        """That of ``U``."""
        return self.U.grad

    def seconds(self, train: bool) -> float:
        """Of a step, the mean over the forests."""
        device = self.forests[0].x.device
        start = clock(device)
        for forest in self.forests:
            self.step(forest, train)
        return (clock(device) - start) / len(self.forests)


class Reference(Levels):
    engine = "dgl"


class LevelsSum(Levels):
    same = False

    def make(self, cell: recnn.LSTMCell) -> None:
        self.cell = recnn.LSTMCell(cell.input_size, cell.hidden_size, "sum").to(cell.weight_ih.device)


class Example(Levels):
    only_cpu = True  # as DGL's wheels are

    def make(self, cell: recnn.LSTMCell) -> None:
        weights = weights_of(cell)
        self.W_iou, self.U, self.b_iou = (weights.joined(kind, "iog") for kind in "WUb")
        self.U_f, self.b_f = weights.joined("U", "f"), weights.joined("b", "f")
        self.masks = {id(f): (f.graph.ndata["word"] >= 0).float().unsqueeze(1) for f in self.forests}

    def forward(self, forest: Forest) -> Tensor:
        graph, n, H = forest.graph, len(forest.x), len(self.U_f) // 2
        with graph.local_scope():
            graph.ndata["iou"] = linear(forest.x, self.W_iou) * self.masks[id(forest)]
            graph.ndata["h"], graph.ndata["c"] = torch.zeros(n, H), torch.zeros(n, H)
            _dgl.prop_nodes_topo(graph, self.message, self.reduce, apply_node_func=self.apply_node)
            hidden: Tensor = graph.ndata["h"]
        return hidden

    def message(self, edges: Any) -> dict[str, Tensor]:
        return {"h": edges.src["h"], "c": edges.src["c"]}

    def reduce(self, nodes: Any) -> dict[str, Tensor]:
        hidden = nodes.mailbox["h"].flatten(1)
        f = torch.sigmoid(linear(hidden, self.U_f, self.b_f)).view(nodes.mailbox["c"].shape)
        return {"iou": linear(hidden, self.U), "c": (f * nodes.mailbox["c"]).sum(1)}

    def apply_node(self, nodes: Any) -> dict[str, Tensor]:
        i, o, u = (nodes.data["iou"] + self.b_iou).chunk(3, 1)
        c = torch.sigmoid(i) * torch.tanh(u) + nodes.data["c"]
        return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}


class ChildSum(Levels):
    package = "treelstm"
    same = False

    def make(self, cell: recnn.LSTMCell) -> None:
        import treelstm

        device = cell.weight_ih.device
        self.net = treelstm.TreeLSTM(cell.input_size, cell.hidden_size).to(device)
        self.given: dict[int, dict[str, Tensor]] = {}
        for forest in self.forests:
            rows, trees = forest.x.split(forest.graph.batch_num_nodes().tolist()), []
            for tree, x in zip(_dgl.unbatch(forest.graph), rows, strict=True):
                children, parents = tree.edges()
                edges = torch.stack([parents, children], 1)
                orders = treelstm.calculate_evaluation_orders(edges.tolist(), len(x))
                node_order, edge_order = (torch.from_numpy(order) for order in orders)
                order = {"node_order": node_order, "edge_order": edge_order}
                trees.append({"features": x, "adjacency_list": edges, **order})
            given = treelstm.batch_tree_input(trees)
            self.given[id(forest)] = {name: part.to(device) for name, part in given.items() if name != "tree_sizes"}

    def forward(self, forest: Forest) -> Tensor:
        hidden: Tensor = self.net(**self.given[id(forest)])[0]
        return hidden


class OneNode(Levels):
    def make(self, cell: recnn.LSTMCell) -> None:
        weights = weights_of(cell)
        self.W, self.b_leaf = (weights.joined(kind, "iog") for kind in "Wb")
        self.U, self.b = (weights.joined(kind, "iogf") for kind in "Ub")

    def forward(self, forest: Forest) -> Tensor:
        h: list[Any] = [None] * len(forest.x)
        c = list(h)
        for node in reversed(range(len(h))):
            if below := forest.children[node]:
                left, right = below
                gates = linear(torch.cat([h[left], h[right]]), self.U, self.b)
                i, o, u, f, g = gates.chunk(5)
                c[node] = torch.sigmoid(i) * torch.tanh(u)
                c[node] = c[node] + torch.sigmoid(f) * c[left] + torch.sigmoid(g) * c[right]
            else:
                i, o, u = linear(forest.x[node], self.W, self.b_leaf).chunk(3)
                c[node] = torch.sigmoid(i) * torch.tanh(u)
            h[node] = torch.sigmoid(o) * torch.tanh(c[node])
        return torch.stack(h)


class DyNet(Levels):
    package = "dynet"
    only_cpu = True

    def make(self, cell: recnn.LSTMCell) -> None:
        import dynet_config

        dynet_config.set(mem=1024, autobatch=1)  # must come before the import of dynet
        import dynet

        self.dy, self.model = dynet, dynet.ParameterCollection()
        weights = weights_of(cell)
        split = {kind: self._by_gate(getattr(weights, kind), cell.hidden_size) for kind in ("W", "U", "b")}
        self.leaf = [(split["b"][gate][0], split["W"][gate][0]) for gate in "iog"]
        self.inner = [pair for gate in "iogf" for pair in zip(split["b"][gate], split["U"][gate], strict=True)]
        self.tables = {id(f): self.model.lookup_parameters_from_numpy(f.x.numpy()) for f in self.forests}

    def _by_gate(self, weights: dict[str, Tensor], H: int) -> dict[str, list[Any]]:
        made = self.model.parameters_from_numpy
        return {gate: [made(part.detach().numpy()) for part in rows.split(H)] for gate, rows in weights.items()}

    def build(self, forest: Forest) -> list[Any]:
        """The expressions of all hidden vectors."""
        dy, table = self.dy, self.tables[id(forest)]
        dy.renew_cg()
        h: list[Any] = [None] * len(forest.x)
        c = list(h)
        for node in reversed(range(len(h))):
            below = forest.children[node]
            x = dy.concatenate([h[child] for child in below]) if below else dy.lookup(table, node, update=False)
            gates = [dy.affine_transform([b, U, x]) for b, U in (self.inner if below else self.leaf)]
            i, o, u, *forget = gates
            c[node] = dy.cmult(dy.logistic(i), dy.tanh(u))
            for child, f in zip(below, forget, strict=True):
                c[node] = c[node] + dy.cmult(dy.logistic(f), c[child])
            h[node] = dy.cmult(dy.logistic(o), dy.tanh(c[node]))
        return h

    def forward(self, forest: Forest) -> Tensor:
        hidden = self.build(forest)
        self.dy.forward(hidden)
        return torch.from_numpy(np.stack([h.npvalue() for h in hidden]))

    def step(self, forest: Forest, train: bool) -> None:
        hidden = self.build(forest)
        if not train:
            self.dy.forward(hidden)
            return
        for parameter in self.model.parameters_list():
            parameter.scale_gradient(0)
        loss = self.dy.esum([self.dy.squared_norm(h) for h in hidden])
        loss.forward()
        loss.backward()

    def gradient(self) -> Tensor:
        return torch.from_numpy(self.inner[0][1].grad_as_array())


class Floor(Levels):
    same = False

    def seconds(self, train: bool) -> float:
        D, H, spent, done, needed = self.cell.input_size, self.cell.hidden_size, 0.0, 0, 0
        for forest in self.forests:
            inner = sum(map(bool, forest.children))
            leaves = len(forest.children) - inner
            device = forest.x.device
            a, b = torch.ones(inner, 2 * H, device=device), torch.ones(2 * H, 5 * H, device=device)
            start = clock(device)
            torch.mm(a, b)
            spent += clock(device) - start
            done += inner * 2 * H * 5 * H
            needed += (2 if train else 1) * leaves * D * 3 * H + (3 if train else 1) * inner * 2 * H * 5 * H
        return spent * needed / done / len(self.forests)


CONTESTANTS: dict[str, type[Levels]] = {
    "levels": Levels,
    "levels-sum": LevelsSum,
    "dgl": Reference,
    "dgl-example": Example,
    "pytorch-tree-lstm": ChildSum,
    "dynet": DyNet,
    "one-node": OneNode,
    "floor": Floor,
}
