"""Recursive neural tensor network (RNTN)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from recnn.cells.base import Arity, Cell, Children, Edges, HiddenState, Nodes, uniform


class TensorCell(Cell, name="tensor"):
    """RNTN: a recursive network whose children also interact through a tensor.

        h = tanh(W x + s^T V^[1:H] s + U s + b),    s = [h_1; ...; h_K]

    Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts, "Recursive deep models for semantic compositionality over a
    sentiment treebank", EMNLP 2013, section 4.3; each slice V^[d] of the tensor gives one entry of the vector. A
    missing child counts as 0. In the paper, leaves are word vectors, h = x, and there is no W: ``leaf="input"``; an
    input at an inner node is then added as it is.

    Args:
        input_size: size D of the input vectors; must equal ``hidden_size`` if ``leaf="input"``.
        hidden_size: size H of the hidden vectors.
        arity: number K of children with weights of their own, or "sum" for s = Σ_k h_k.
        bias: use the bias b.
        leaf: states of the leaves: "cell" for the equation above, "input" for their inputs.
    """

    def __init__(
        self, input_size: int, hidden_size: int, arity: Arity = 2, bias: bool = True, leaf: str = "cell"
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        if leaf not in ("cell", "input"):
            raise ValueError(f"leaf must be 'cell' or 'input', got {leaf!r}")
        if leaf == "input" and input_size != hidden_size:
            raise ValueError(f'leaf="input" needs input_size == hidden_size, got {input_size} and {hidden_size}')
        H, columns = hidden_size, self.slots * hidden_size
        self.leaf_rule = leaf
        self.weight_ih = nn.Parameter(torch.empty(H, input_size)) if leaf == "cell" else None
        self.weight_hh = nn.Parameter(torch.empty(H, columns))
        self.tensor = nn.Parameter(torch.empty(H, columns, columns))
        self.bias = nn.Parameter(torch.empty(H)) if bias else None
        uniform(self, hidden_size)
        nn.init.uniform_(self.tensor, -1 / columns, 1 / columns)  # the quadratic form has columns² terms

    def inputs(self, x: Tensor) -> Tensor:
        return x if self.weight_ih is None else linear(x, self.weight_ih)

    def message(self, child: HiddenState, edges: Edges) -> tuple[Tensor, ...]:
        return (child.hidden,)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        (hidden,) = messages
        return (children.sum(hidden) if self.arity == "sum" else children.stack(hidden).flatten(1),)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        (s,) = message  # (N, K H)
        by_tensor = linear(s, self.tensor.flatten(0, 1)).view(len(s), self.hidden_size, -1)  # (N, H, K H)
        quadratic = torch.bmm(by_tensor, s.unsqueeze(2)).squeeze(2)
        return HiddenState(torch.tanh(nodes.inputs + quadratic + linear(s, self.weight_hh, self.bias)))

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        return HiddenState(nodes.inputs) if self.leaf_rule == "input" else self.apply_node(nodes, message)
