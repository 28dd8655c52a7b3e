"""Reference implementations for the tests: one node at a time, children first.

`node_by_node` calls the functions of the cell for each node, to test the engines. `by_formula` does not call the cell
but computes the equations of the papers from its parameters, to test the cells.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

import recnn
from recnn.cells import Cell, Children, Edges, Nodes


class Child(NamedTuple):
    slot: int
    state: tuple[Tensor, ...]  # without a dimension for nodes
    label: int
    leaf: bool


class Node(NamedTuple):
    x: Tensor | None  # None without an input
    label: int
    children: list[Child]


def node_by_node(cell, graph, x, direction="up", initial=None):
    return _walk(cell, graph, x, direction, initial, _one_node)


def by_formula(cell, graph, x, direction="up", initial=None):
    return _walk(cell, graph, x, direction, initial, FORMULAS[type(cell)])


def _walk(cell, graph, x, direction, initial, step):
    below = [[] for _ in range(graph.num_nodes())]
    slots = graph.edata["slot"].tolist()
    edges = list(zip(*(ends.tolist() for ends in graph.edges()), slots, strict=True))
    for child, parent, slot in edges:
        first, second = (child, parent) if direction == "up" else (parent, child)
        below[second].append((slot, first))
    tree = torch.repeat_interleave(torch.arange(graph.batch_size), graph.batch_num_nodes())
    given, states = has_input(graph), {}
    while len(states) < len(below):
        for node in range(len(below)):
            if node in states or any(child not in states for _, child in below[node]):
                continue
            children = [
                Child(slot, states[child], int(graph.ndata["label"][child]), initial is None and not below[child])
                for slot, child in sorted(below[node])
            ]
            if not children and initial is not None:
                children = [Child(0, tuple(part[tree[node]] for part in initial), -1, False)]
            states[node] = step(cell, Node(x[node] if given[node] else None, int(graph.ndata["label"][node]), children))
    return cell.State(*(torch.stack([states[node][i] for node in range(len(below))]) for i in range(len(states[0]))))


def has_input(graph):
    """Tell of each node whether it has an input: it has a word, or its tree has no words."""
    if "word" not in graph.ndata:
        return [True] * graph.num_nodes()
    found, words = [], graph.ndata["word"].tolist()
    for size in graph.batch_num_nodes().tolist():
        tree = words[len(found) : len(found) + size]
        found += [word >= 0 or max(tree) < 0 for word in tree]
    return found


class _OneNode(Children):
    def __init__(self, slots: list[int], width: int) -> None:
        self.slots, self.width = slots, width

    def sum(self, messages: Tensor) -> Tensor:
        return sum(messages, torch.zeros(messages.shape[1:], dtype=messages.dtype)).unsqueeze(0)

    def stack(self, messages: Tensor) -> Tensor:
        none = torch.zeros(messages.shape[1:], dtype=messages.dtype)
        places = [messages[self.slots.index(k)] if k in self.slots else none for k in range(self.width)]
        return torch.stack(places).unsqueeze(0)


def _one_node(cell: Cell, node: Node) -> Any:
    parameter = next(cell.parameters())
    columns = cell.inputs(torch.zeros(1, cell.input_size, dtype=parameter.dtype))
    nodes = Nodes(
        torch.zeros_like(columns) if node.x is None else cell.inputs(node.x[None]),
        torch.tensor([node.label]),
        torch.tensor([0]),
    )
    count = len(node.children)
    slots = [child.slot for child in node.children]
    states = cell.empty_state(parameter, 0)
    if count:
        states = cell.State(*(torch.stack(parts) for parts in zip(*(c.state for c in node.children), strict=True)))
    edges = Edges(
        torch.tensor(slots, dtype=torch.int64),
        torch.tensor([child.label for child in node.children], dtype=torch.int64),
        torch.tensor([child.leaf for child in node.children], dtype=torch.bool),
        Nodes(nodes.inputs.expand(count, -1), nodes.label.expand(count), nodes.tree.expand(count)),
    )
    reduced = cell.reduce(cell.message(states, edges), _OneNode(slots, cell.slots))
    return tuple(part[0] for part in (cell.apply_node if count else cell.leaf)(nodes, reduced))


# The formulas. A missing x, bias or child counts as 0.


def _times(W: Tensor, x: Tensor | None) -> Tensor | float:
    return 0.0 if x is None else W @ x


def _vectors(cell: Cell, node: Node, field: int = 0) -> list[Tensor]:
    """A field of the children's states, one vector per slot; for child-sum, only the sum."""
    size = cell.state_shapes()[field]
    found = {child.slot: child.state[field] for child in node.children}
    zero = torch.zeros(size, dtype=torch.float64)
    return [sum(found.values(), zero)] if cell.arity == "sum" else [found.get(k, zero) for k in range(cell.arity)]


def _sum_of_products(U: Tensor, vectors: list[Tensor]) -> Tensor:
    """Compute U_1 v_1 + ... + U_K v_K, where U = [U_1 ... U_K]."""
    return sum(U_k @ v for U_k, v in zip(U.chunk(len(vectors), dim=1), vectors, strict=True))


def _gates(parameter: Tensor | None, cell: Cell, count: int) -> list[Any]:
    return [0.0] * count if parameter is None else list(parameter.split(cell.hidden_size))


def _normed(v: Any, gains: Tensor | None, gate: int) -> Any:
    """Layer normalisation of one gate, Ba et al. 2016, eq. 4; a missing product stays 0."""
    if gains is None or not torch.is_tensor(v):
        return v
    return (v - v.mean()) / (v.var(correction=0) + 1e-5).sqrt() * gains[gate]


def recursive(cell, node):
    """Socher et al. 2011, eq. 2; Irsoy and Cardie 2014, section 3.1, for ``leaf="untied"``."""
    if cell.leaf_rule != "cell" and not node.children:
        return (torch.zeros(cell.hidden_size, dtype=torch.float64) if node.x is None else node.x,)
    total = (0.0 if node.x is None else node.x) if cell.weight_ih is None else _times(cell.weight_ih, node.x)
    total, below = _normed(total, cell.gain_ih, 0), 0.0
    for child in node.children:
        U = cell.weight_leaf if cell.leaf_rule == "untied" and child.leaf else cell.weight_hh
        k = 0 if cell.arity == "sum" else child.slot
        below = below + U.chunk(cell.slots, dim=1)[k] @ child.state[0]
    total = total + _normed(below, cell.gain_hh, 0)
    for bias in (cell.bias_ih, cell.bias_hh):
        total = total if bias is None else total + bias
    f = {"tanh": torch.tanh, "relu": lambda v: v.clamp(min=0)}.get(cell.nonlinearity, cell.nonlinearity)
    return (f(total if torch.is_tensor(total) else torch.zeros(cell.hidden_size, dtype=torch.float64)),)


def lstm(cell, node):
    """Tai et al. 2015, eqs. 9-14, and eqs. 2-8 for child-sum; Gers and Schmidhuber 2000 for peepholes."""
    K, gates = cell.slots, "ifgo" if cell.forget else "igo"
    W = dict(zip(gates, _gates(cell.weight_ih, cell, len(gates)), strict=True))
    b = dict(zip(gates, _gates(cell.bias_ih, cell, len(gates)), strict=True))
    places = ["i", *(f"f{k}" for k in range(K) if cell.forget), "g", "o"]
    U = dict(zip(places, _gates(cell.weight_hh, cell, len(places)), strict=True))
    b_hh = dict(zip(places, _gates(cell.bias_hh, cell, len(places)), strict=True))
    h, c = _vectors(cell, node), _vectors(cell, node, 1)
    peep = cell.peephole_i is not None

    def state(c, a_o):
        o = torch.sigmoid(a_o + (cell.peephole_o * c if peep else 0.0))
        hidden = o * torch.tanh(c if cell.gain_c is None else _normed(c, cell.gain_c[None], 0) + cell.bias_c)
        return (hidden if cell.weight_hr is None else cell.weight_hr @ hidden), c

    def of_input(gate):
        return _normed(_times(W[gate], node.x), cell.gain_ih, gates.index(gate)) + b[gate]

    if cell.leaf_rule == "linear" and not node.children:  # BinaryTreeLSTM.lua of treelstm, `new_leaf_module`
        zero = torch.zeros(cell.hidden_size, dtype=torch.float64)
        return state(zero + of_input("g"), zero + of_input("o"))

    def before(gate, place, hidden):
        product = _normed(_sum_of_products(U[place], hidden), cell.gain_hh, places.index(place))
        return of_input(gate) + product + b_hh[place]

    seen = sum(cell.peephole_i[k] * c[k] for k in range(K)) if peep else 0.0
    i = torch.sigmoid(before("i", "i", h) + seen)
    remembered = torch.zeros_like(i)
    for child in node.children:
        k = 0 if cell.arity == "sum" else child.slot
        h_k, c_k = child.state
        f = 1 - i if cell.coupled else torch.ones_like(i)
        if cell.forget:
            f = before("f", f"f{k}", [h_k] if cell.arity == "sum" else h)
            f = torch.sigmoid(f + cell.forget_bias + (cell.peephole_f[k] * c_k if peep else 0.0))
        remembered = remembered + f * c_k
    new = i * torch.tanh(before("g", "g", h)) + remembered
    return state(new, before("o", "o", h))


def gru(cell, node):
    """Cho et al. 2014, eqs. 5-8; with ``reset_after`` the reset gate is where torch has it."""
    W, U = _gates(cell.weight_ih, cell, 3), _gates(cell.weight_hh, cell, 3)
    b, b_hh = _gates(cell.bias_ih, cell, 3), _gates(cell.bias_hh, cell, 3)
    h = _vectors(cell, node)

    def of_input(j):
        return _normed(_times(W[j], node.x), cell.gain_ih, j) + b[j]

    def of_children(j, vectors):
        return _normed(_sum_of_products(U[j], vectors), cell.gain_hh, j) + b_hh[j]

    r, z = (torch.sigmoid(of_input(j) + of_children(j, h)) for j in (0, 1))
    below = r * of_children(2, h) if cell.reset_after else of_children(2, [r * h_k for h_k in h])
    n = torch.tanh(of_input(2) + below)
    return ((1 - z) * n + z * sum(h),)


def tensor(cell, node):
    """Socher et al. 2013, section 4.3: one slice of the tensor for each entry of the vector."""
    if cell.leaf_rule == "input" and not node.children:
        return (torch.zeros(cell.hidden_size, dtype=torch.float64) if node.x is None else node.x,)
    s = torch.cat(_vectors(cell, node))
    x = (0.0 if node.x is None else node.x) if cell.weight_ih is None else _times(cell.weight_ih, node.x)
    quadratic = torch.stack([s @ cell.tensor[d] @ s for d in range(cell.hidden_size)])
    return (torch.tanh(x + quadratic + cell.weight_hh @ s + (0.0 if cell.bias is None else cell.bias)),)


def matrix_vector(cell, node):
    """Socher et al. 2012, eqs. 2, 3 and 6."""
    H, R = cell.hidden_size, cell.rank
    if not node.children:
        x = torch.zeros(cell.input_size, dtype=torch.float64) if node.x is None else node.x
        vector, diagonal, left, right = x.split([H, H, H * R, H * R])
        return vector, left.reshape(H, R) @ right.reshape(R, H) + torch.diag(diagonal)
    a, b = _vectors(cell, node)
    below = {child.slot: child.state[1] for child in node.children}
    A, B = (below.get(k, torch.eye(H, dtype=torch.float64)) for k in range(2))
    return torch.tanh(cell.weight @ torch.cat([B @ a, A @ b]) + cell.bias), cell.weight_matrix @ torch.cat([A, B])


def untied(cell, node):
    """Socher et al. 2013 (CVG), eq. 4: weights by the labels of the children; no label counts as the last."""
    L = cell.num_labels
    label = {child.slot: child.label % (L + 1) for child in node.children}  # -1 is the last
    kind = node.label % (L + 1)
    if cell.by == "children":
        kind = sum(label.get(k, L) * (L + 1) ** k for k in range(cell.arity))
    below = cell.weight_hh[kind] @ torch.cat(_vectors(cell, node))
    return (torch.tanh(_times(cell.weight_ih, node.x) + below + cell.bias[kind]),)


def label_embedding(cell, node):
    """Goldberg 2017, section 18.2: children are [vector; embedding of the label], plus the label of the parent."""

    def embedded(label):
        return cell.labels.weight[label] if label >= 0 else torch.zeros(cell.labels.embedding_dim, dtype=torch.float64)

    both = [torch.cat([child.state[0], embedded(child.label)]) for child in node.children]
    parts = cell.weight_hh.chunk(cell.slots, dim=1)
    total = cell.bias + _times(cell.weight_ih, node.x) + cell.weight_label @ embedded(node.label)
    for child, vector in zip(node.children, both, strict=True):
        total = total + parts[0 if cell.arity == "sum" else child.slot] @ vector
    return (torch.tanh(total),)


FORMULAS = {
    recnn.RecursiveCell: recursive,
    recnn.LSTMCell: lstm,
    recnn.GRUCell: gru,
    recnn.TensorCell: tensor,
    recnn.MatrixVectorCell: matrix_vector,
    recnn.UntiedRecursiveCell: untied,
    recnn.LabelEmbeddingCell: label_embedding,
}
