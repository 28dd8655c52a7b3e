"""Plain recursive network; with one child per node, the simple recurrent network (Elman)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from recnn.cells.base import Arity, Cell, Children, Edges, HiddenState, Nodes, normalised, uniform

_NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class RecursiveCell(Cell, name="recursive"):
    """Recursive network: the vector of a node is a nonlinear layer over the vectors of its children.

        h = f(W x + b_ih + U [h_1; ...; h_K] + b_hh)       by position
        h = f(W x + b_ih + U (h_1 + ... + h_k) + b_hh)     arity="sum"

    Missing children and inputs count as 0. With one child this is `torch.nn.RNNCell` (Elman 1990), with its names,
    shapes and two biases. With ``leaf="input"`` it is the network of Socher, Lin, Ng and Manning, "Parsing natural
    scenes and natural language with recursive neural networks", ICML 2011, eqs. 2 and 4: the state of a leaf is its
    word vector, h = x, and above it h = f(U [h_1; h_2] + b_hh); there is no W, and an input at an inner node is added
    as it is. With ``leaf="untied"``, leaves also have h = x, and children that are leaves are multiplied by separate
    weights, U_leaf, in place of their part of U (Irsoy and Cardie, "Deep recursive neural networks for compositionality
    in language", NIPS 2014, section 3.1).

    Args:
        input_size: size D of the input vectors; must equal ``hidden_size`` unless ``leaf="cell"``.
        hidden_size: size H of the hidden vectors.
        arity: number K of children with weights of their own, or "sum" for the sum of the children.
        nonlinearity: activation function f: "tanh", "relu", or any function of a tensor.
        bias: use the biases b_ih and b_hh; only b_hh unless ``leaf="cell"``.
        leaf: states of the leaves: "cell" for the equation above, "input" for their inputs, "untied" for their inputs
            and the weights U_leaf above them.
        layer_norm: apply layer normalisation to W x and U [h_1; ...; h_K] before the biases are added (after Ba, Kiros
            and Hinton, "Layer normalization", 2016); only with ``leaf="cell"``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        arity: Arity = 2,
        nonlinearity: Literal["tanh", "relu"] | Callable[[Tensor], Tensor] = "tanh",
        bias: bool = True,
        leaf: Literal["cell", "input", "untied"] = "cell",
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        if leaf != "cell" and input_size != hidden_size:
            raise ValueError(f"leaf={leaf!r} needs input_size == hidden_size, got {input_size} and {hidden_size}")
        if leaf != "cell" and layer_norm:
            raise ValueError(f"layer_norm=True takes leaf='cell', got leaf={leaf!r}")
        if isinstance(nonlinearity, str) and nonlinearity not in _NONLINEARITIES:
            raise ValueError(f"nonlinearity must be 'tanh', 'relu' or a function, got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        self.leaf_rule = leaf
        H, columns = hidden_size, self.slots * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(H, input_size)) if leaf == "cell" else None
        self.weight_hh = nn.Parameter(torch.empty(H, columns))
        self.weight_leaf = nn.Parameter(torch.empty(H, columns)) if leaf == "untied" else None
        self.bias_ih = nn.Parameter(torch.empty(H)) if bias and leaf == "cell" else None
        self.bias_hh = nn.Parameter(torch.empty(H)) if bias else None
        self.gain_ih = nn.Parameter(torch.empty(1, H)) if layer_norm else None
        self.gain_hh = nn.Parameter(torch.empty(1, H)) if layer_norm else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights uniformly from ±1/√H, as torch.nn does; the gains of layer normalisation to 1."""
        uniform(self, self.hidden_size)

    def inputs(self, x: Tensor) -> Tensor:
        return x if self.weight_ih is None else linear(x, self.weight_ih)

    def message(self, child: HiddenState, edges: Edges) -> tuple[Tensor, ...]:
        if self.weight_leaf is None:
            return (child.hidden,)
        leaf = edges.leaf.unsqueeze(1)
        return child.hidden.masked_fill(leaf, 0), child.hidden.masked_fill(~leaf, 0)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        if self.arity == "sum":
            return tuple(children.sum(part) for part in messages)
        return tuple(children.stack(part).flatten(1) for part in messages)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        product = linear(message[0], self.weight_hh)
        total = normalised(nodes.inputs, self.gain_ih) + normalised(product, self.gain_hh)
        if self.bias_hh is not None:
            total = total + self.bias_hh
        if self.bias_ih is not None:
            total = total + self.bias_ih
        if self.weight_leaf is not None:
            total = total + linear(message[1], self.weight_leaf)
        return HiddenState(self.f(total))

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        return self.apply_node(nodes, message) if self.leaf_rule == "cell" else HiddenState(nodes.inputs)

    def f(self, x: Tensor) -> Tensor:
        """Apply the nonlinearity."""
        return _NONLINEARITIES[self.nonlinearity](x) if isinstance(self.nonlinearity, str) else self.nonlinearity(x)
