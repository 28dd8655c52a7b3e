"""Tree-GRU; with one child per node, the GRU."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from recnn.cells.base import Arity, Cell, Children, Edges, HiddenState, Nodes, normalised, uniform


class GRUCell(Cell, name="gru"):
    """Gated recurrent unit over the children of a node.

    With H_ = [h_1; ...; h_K] (N-ary, a missing child counting as 0) or H_ = Σ_k h_k (``arity="sum"``):

        r = σ(W_r x + b_ir + U_r H_ + b_hr)
        z = σ(W_z x + b_iz + U_z H_ + b_hz)
        n = tanh(W_n x + b_in + r ⊙ (U_n H_ + b_hn))        reset_after=True, torch and cuDNN
        n = tanh(W_n x + b_in + U_n (r ⊙ H_) + b_hn)        reset_after=False, Cho et al. 2014, eqs. 5-8
        h = (1 - z) ⊙ n + z ⊙ Σ_k h_k

    where the same r is applied to each child. With one child it is `torch.nn.GRUCell`, with its names, shapes, order of
    gates (r, z, n) and two biases, or the unit of Cho et al., "Learning phrase representations using RNN
    encoder-decoder", EMNLP 2014. The tree form is that of Kokkinos and Potamianos, "Structural attention neural
    networks for improved sentiment analysis", EACL 2017, eqs. 1-4, whose z is 1 - z here.

    Args:
        input_size: size D of the input vectors.
        hidden_size: size H of the hidden vectors.
        arity: number K of children with weights of their own, or "sum" for child-sum.
        bias: use the biases b_ih and b_hh.
        reset_after: apply the reset gate r after the product with U_n, as torch and cuDNN do; otherwise before it, as
            Cho et al. do.
        layer_norm: apply layer normalisation to the products with W and U, gate by gate, before the biases are added
            (after Ba, Kiros and Hinton, "Layer normalization", 2016).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        arity: Arity = 2,
        bias: bool = True,
        reset_after: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        self.reset_after = reset_after
        rows, columns = 3 * hidden_size, self.slots * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, columns))
        self.bias_ih = nn.Parameter(torch.empty(rows)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows)) if bias else None
        self.gain_ih = nn.Parameter(torch.empty(3, hidden_size)) if layer_norm else None
        self.gain_hh = nn.Parameter(torch.empty(3, hidden_size)) if layer_norm else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights uniformly from ±1/√H, as torch.nn does; the gains of layer normalisation to 1."""
        uniform(self, self.hidden_size)

    def inputs(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih)

    def message(self, child: HiddenState, edges: Edges) -> tuple[Tensor, ...]:
        return (child.hidden,)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        (hidden,) = messages
        return (children.sum(hidden).unsqueeze(1) if self.arity == "sum" else children.stack(hidden),)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        (hidden,) = message  # (N, K, H)
        inputs = normalised(nodes.inputs, self.gain_ih)
        x_r, x_z, x_n = (inputs if self.bias_ih is None else inputs + self.bias_ih).chunk(3, dim=1)
        if self.reset_after:
            h_r, h_z, h_n = self._recurrent(hidden, 0, 3).chunk(3, dim=1)
            n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
        else:
            h_r, h_z = self._recurrent(hidden, 0, 2).chunk(2, dim=1)
            reset = torch.sigmoid(x_r + h_r).unsqueeze(1) * hidden
            n = torch.tanh(x_n + self._recurrent(reset, 2, 3))
        z = torch.sigmoid(x_z + h_z)
        return HiddenState((1 - z) * n + z * hidden.sum(1))

    def _recurrent(self, hidden: Tensor, begin: int, end: int) -> Tensor:
        """Compute U H_ + b_hh of the gates ``begin`` to ``end`` from hidden vectors (N, K, H)."""
        rows = slice(begin * self.hidden_size, end * self.hidden_size)
        product = linear(hidden.flatten(1), self.weight_hh[rows])
        product = normalised(product, None if self.gain_hh is None else self.gain_hh[begin:end])
        return product if self.bias_hh is None else product + self.bias_hh[rows]
