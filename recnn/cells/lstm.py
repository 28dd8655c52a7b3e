"""Tree-LSTM; with one child per node, the LSTM."""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import linear

from recnn.cells.base import Arity, Cell, Children, Edges, Nodes, normalised, uniform


class LSTMState(NamedTuple):
    """The state of nodes in an LSTM."""

    hidden: Tensor
    """(N, H) hidden vectors, (N, P) if they are projected."""
    cell: Tensor
    """(N, H) memory cells."""


class LSTMCell(Cell, name="lstm"):
    """Long short-term memory over the children of a node, with a forget gate for each child.

    N-ary, Tai, Socher and Manning, "Improved semantic representations from tree-structured long short-term memory
    networks", ACL 2015, eqs. 9-14 (H_ = [h_1; ...; h_K], a missing child counting as 0):

        i   = σ(W_i x + U_i H_ + b_i)          f_k = σ(W_f x + U_fk H_ + b_fk)     k = 1..K
        g   = tanh(W_g x + U_g H_ + b_g)       o   = σ(W_o x + U_o H_ + b_o)
        c   = i ⊙ g + Σ_k f_k ⊙ c_k            h   = o ⊙ tanh(c)

    Child-sum (``arity="sum"``), eqs. 2-8: H_ = Σ_k h_k, but f_k = σ(W_f x + U_f h_k + b_f). With one child both are
    `torch.nn.LSTMCell`, with its names, shapes, order of gates and two biases (b = b_ih + b_hh; a sum of two equals one
    in what it can express, but learns at twice the rate).

    With ``leaf="linear"``, leaves have no input gate, as in the binary trees of Tai's code (``BinaryTreeLSTM.lua`` of
    treelstm), which is the published model of the Stanford Sentiment Treebank:

        c   = W_g x + b_ih,g       o   = σ(W_o x + b_ih,o)       h   = o ⊙ tanh(c)

    There the leaves have weights and biases of their own; here they have W and b_ih, and inner nodes, if only leaves
    have inputs, U and b_ih + b_hh, so that the weights of one give the other. ``forget_bias`` is a constant that is
    added before the σ of all f_k, as in the binary Tree-LSTM of TensorFlow Fold (1 there), f_k = σ(... + 1).

    Where other implementations differ: W x counts at inner nodes too, wherever they have an input; W_f is one for all
    k, U_fk sees all children.

    Args:
        input_size: size D of the input vectors.
        hidden_size: size H of the hidden vectors and memory cells.
        arity: number K of children with weights of their own, or "sum" for child-sum.
        bias: use the biases b_ih and b_hh.
        forget_gate: use forget gates; without them f_k = 1, the LSTM of Hochreiter and Schmidhuber 1997 (its error
            carousel).
        coupled: couple the forget gates to the input gate, f_k = 1 - i (Greff et al. 2017).
        peepholes: let i, f_k and o see the memory cells through diagonal weights (Gers and Schmidhuber 2000; Graves
            2012, eqs. 4.2-4.10): p_ik ⊙ c_k summed over k for i, p_fk ⊙ c_k for f_k, and the new cell, p_o ⊙ c, for o.
            (In the spirit of S-LSTM, Zhu et al. 2015, which has full matrices there.)
        proj_size: size P of projected hidden vectors h = W_hr (o ⊙ tanh(c)) (Sak et al. 2014); 0 for no projection.
        layer_norm: apply layer normalisation to W x and U H_, gate by gate, before the biases are added, and to c
            before its tanh (after Ba, Kiros and Hinton, "Layer normalization", 2016, eqs. 20-22, who normalise all
            gates together).
        leaf: states of the leaves: "cell" for eqs. 9-14, c = i ⊙ g; "linear" for c = W_g x + b_ih,g, which runs in the
            generic loop in place of the fused one. The first step of a sequence without an initial state is a leaf.
        forget_bias: constant added to the forget gates before their σ. Unlike ``forget_bias`` of `recnn.initialise`,
            it is not part of the weights. Default: 0

    Raises:
        ValueError: an argument has a wrong value, or the arguments do not fit together.
    """

    State = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        arity: Arity = 2,
        bias: bool = True,
        forget_gate: bool = True,
        coupled: bool = False,
        peepholes: bool = False,
        proj_size: int = 0,
        layer_norm: bool = False,
        leaf: Literal["cell", "linear"] = "cell",
        forget_bias: float = 0.0,
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        if not isinstance(proj_size, int) or not 0 <= proj_size < hidden_size:
            raise ValueError(f"proj_size must be an integer from 0 to hidden_size - 1, got {proj_size!r}")
        if coupled and not forget_gate:
            raise ValueError(
                "coupled=True computes the forget gate from the input gate: it needs forget_gate=True, got False"
            )
        self.forget = forget_gate and not coupled
        if leaf not in ("cell", "linear"):
            raise ValueError(f"leaf must be 'cell' or 'linear', got {leaf!r}")
        if isinstance(forget_bias, (bool, str)) or not math.isfinite(forget_bias):
            raise ValueError(f"forget_bias must be a finite number, got {forget_bias!r}")
        if forget_bias and not self.forget:
            raise ValueError(f"forget_bias={forget_bias!r} needs forget gates with weights of their own")
        self.leaf_rule = leaf
        self.forget_bias = float(forget_bias)
        self.coupled = coupled
        self.proj_size = proj_size
        H, K = hidden_size, self.slots
        forgets = K if self.forget else 0
        self.weight_ih = nn.Parameter(torch.empty((3 + self.forget) * H, input_size))
        self.weight_hh = nn.Parameter(torch.empty((3 + forgets) * H, K * (proj_size or H)))
        self.bias_ih = nn.Parameter(torch.empty((3 + self.forget) * H)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty((3 + forgets) * H)) if bias else None
        self.weight_hr = nn.Parameter(torch.empty(proj_size, H)) if proj_size else None
        self.peephole_i = nn.Parameter(torch.empty(K, H)) if peepholes else None
        self.peephole_f = nn.Parameter(torch.empty(K, H)) if peepholes and self.forget else None
        self.peephole_o = nn.Parameter(torch.empty(H)) if peepholes else None
        self.gain_ih = nn.Parameter(torch.empty(3 + self.forget, H)) if layer_norm else None
        self.gain_hh = nn.Parameter(torch.empty(3 + forgets, H)) if layer_norm else None
        self.gain_c = nn.Parameter(torch.empty(H)) if layer_norm else None
        self.bias_c = nn.Parameter(torch.empty(H)) if layer_norm else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights uniformly from ±1/√H, as torch.nn does; the gains of layer normalisation to 1."""
        uniform(self, self.hidden_size)

    @property
    def output_size(self) -> int:
        """Size of the hidden vector: P if it is projected, else H."""
        return self.proj_size or self.hidden_size

    def state_shapes(self) -> list[tuple[int, ...]]:
        return [(self.output_size,), (self.hidden_size,)]

    def prepared(self, trees: int, like: Tensor) -> Cell:
        """Return the cell for one pass; a copy with ``forget_bias`` in its biases, if there is one."""
        cell = super().prepared(trees, like)
        if not self.forget_bias:
            return cell
        rows, H = cell.weight_ih.shape[0], self.hidden_size
        bias = cell.weight_ih.new_zeros(rows) if cell.bias_ih is None else cell.bias_ih.clone()
        bias[H : 2 * H] += self.forget_bias
        made = cell.with_weights({"bias_ih": bias})
        made.forget_bias = 0.0
        return made

    def inputs(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih)

    def message(self, child: LSTMState, edges: Edges) -> tuple[Tensor, ...]:
        """Return the state of the child; for child-sum also f_k ⊙ c_k, as each child has a forget gate of its own."""
        if self.arity != "sum" or not self.forget:
            return child
        f = slice(self.hidden_size, 2 * self.hidden_size)
        gain = None if self.gain_ih is None else self.gain_ih[1:2]
        bias = None if self.bias_ih is None else self.bias_ih[f]
        a_f = _plus(normalised(edges.parent.inputs[:, f], gain), bias) + self._recurrent(child.hidden, 1, 2)
        a_f = a_f + self.forget_bias if self.forget_bias else a_f
        return *child, torch.sigmoid(_plus(a_f, self.peephole_f, child.cell)) * child.cell

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        if self.arity == "sum":
            hidden, cell, *kept = (children.sum(part) for part in messages)
            return hidden, cell.unsqueeze(1), *kept
        hidden, cell = (children.stack(part) for part in messages)  # (N, K, H)
        return hidden.flatten(1), cell

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> LSTMState:
        """Compute the equations above; for child-sum, Σ_k f_k ⊙ c_k is the third part of the message."""
        hidden, cell, *kept = message  # (N, K H), (N, K, H), (N, H)
        a_i, a_f, a_g, a_o = self._activations(nodes.inputs, hidden, cell)
        i = torch.sigmoid(a_i)
        return self._state(i * torch.tanh(a_g) + (kept[0] if kept else self._kept(i, a_f, cell)), a_o)

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> LSTMState:
        """Compute the states of leaves: the equations above, or c = W_g x + b_ih,g if ``leaf="linear"``."""
        if self.leaf_rule == "cell":
            return self.apply_node(nodes, message)
        a_x = _plus(normalised(nodes.inputs, self.gain_ih), self.bias_ih)
        return self._state(*a_x.chunk(3 + self.forget, dim=1)[-2:])

    def _state(self, c: Tensor, a_o: Tensor) -> LSTMState:
        """Compute the state from the memory cells and the pre-activation of the output gate."""
        o = torch.sigmoid(_plus(a_o, self.peephole_o, c))
        h = o * torch.tanh(self._normalised_cell(c))
        return LSTMState(h if self.weight_hr is None else linear(h, self.weight_hr), c)

    def _activations(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the pre-activations of i, f, g, o: (N, H), for f (N, K, H), or (N, 0, H) if not computed here."""
        H = self.hidden_size
        x_i, *x_f, x_g, x_o = _plus(normalised(inputs, self.gain_ih), self.bias_ih).chunk(3 + self.forget, dim=1)
        if self.forget and self.arity == "sum":  # the forget gates are in the messages
            h_i, (h_g, h_o) = self._recurrent(hidden, 0, 1), self._recurrent(hidden, 2, 4).chunk(2, dim=1)
            h_f = hidden[:, :0]
        else:
            forgets = self.slots if self.forget else 0
            h_i, h_f, h_g, h_o = self._recurrent(hidden, 0, 3 + forgets).split([H, forgets * H, H, H], dim=1)
        a_i = x_i + h_i if self.peephole_i is None else x_i + h_i + (self.peephole_i * cell).sum(1)
        a_f = h_f.unflatten(1, (-1, H))
        if h_f.shape[1]:
            a_f = _plus(x_f[0].unsqueeze(1) + a_f, self.peephole_f, cell)
            a_f = a_f + self.forget_bias if self.forget_bias else a_f
        return a_i, a_f, x_g + h_g, x_o + h_o

    def _kept(self, i: Tensor, a_f: Tensor, cell: Tensor) -> Tensor:
        """Compute Σ_k f_k ⊙ c_k, with f_k = σ(a_f), 1 - i if coupled, or 1 without forget gates."""
        if self.forget:
            return (torch.sigmoid(a_f) * cell).sum(1)
        return (1 - i if self.coupled else 1) * cell.sum(1)

    def _normalised_cell(self, c: Tensor) -> Tensor:
        return c if self.gain_c is None else F.layer_norm(c, (self.hidden_size,), self.gain_c, self.bias_c)

    def _recurrent(self, hidden: Tensor, begin: int, end: int) -> Tensor:
        """Compute U H_ + b_hh of the gates ``begin`` to ``end`` from hidden vectors (N, K H)."""
        rows = slice(begin * self.hidden_size, end * self.hidden_size)
        product = linear(hidden, self.weight_hh[rows])
        product = normalised(product, None if self.gain_hh is None else self.gain_hh[begin:end])
        return product if self.bias_hh is None else product + self.bias_hh[rows]


def _plus(x: Tensor, weight: Tensor | None, factor: Tensor | None = None) -> Tensor:
    """Return ``x + weight``, or ``x + weight * factor``; ``x`` if ``weight`` is None."""
    if weight is None:
        return x
    return x + (weight if factor is None else weight * factor)
