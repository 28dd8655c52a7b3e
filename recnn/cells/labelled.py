"""Recursive networks that depend on the labels of phrases."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from recnn.cells.base import Cell, Children, Edges, HiddenState, Nodes, uniform


class UntiedRecursiveCell(Cell):
    """SU-RNN: separate weights for each combination of the children's labels, or for each label of the parent.

        h = tanh(W x + U^(B, C) [h_1; h_2] + b^(B, C))     by="children"
        h = tanh(W x + U^(A) [h_1; ...; h_K] + b^(A))      by="parent"

    Socher, Bauer, Manning and Ng, "Parsing with compositional vector grammars", ACL 2013, eq. 4 and figure 3, and the
    same untied by the parent's category. Either way, a production A -> B C selects one matrix U. A missing child and a
    node without a label have one more label, the last. Each U is initialised to the mean of the children plus noise, in
    the paper 0.5 [I I].

    Args:
        input_size: size D of the input vectors.
        hidden_size: size H of the hidden vectors.
        num_labels: number of labels; node data ``label`` is 0..num_labels-1, or -1 for none.
        arity: number K of children.
        by: select the weights by the labels of the "children", with (num_labels + 1)^K matrices U, or by the label of
            the "parent", with num_labels + 1.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_labels: int, arity: int = 2, by: str = "children"
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        if self.arity == "sum":
            raise ValueError("untied weights need children by position: arity must be an integer, got 'sum'")
        if by not in ("children", "parent"):
            raise ValueError(f"by must be 'children' or 'parent', got {by!r}")
        self.num_labels, self.by = num_labels, by
        kinds = (num_labels + 1) ** (arity if by == "children" else 1)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(kinds, hidden_size, arity * hidden_size))
        self.bias = nn.Parameter(torch.zeros(kinds, hidden_size))
        nn.init.uniform_(self.weight_ih, -(hidden_size**-0.5), hidden_size**-0.5)
        mean = torch.eye(hidden_size).repeat(1, arity) / arity
        self.weight_hh.data.uniform_(-0.001, 0.001).add_(mean)

    def inputs(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih)

    def message(self, child: HiddenState, edges: Edges) -> tuple[Tensor, ...]:
        """Return the vector, and the label minus the last label, so that a missing child, 0, has the last label."""
        label = torch.where(edges.label < 0, self.num_labels, edges.label)
        return child.hidden, label - self.num_labels

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        hidden, label = (children.stack(part) for part in messages)
        return hidden.flatten(1), label + self.num_labels

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        hidden, below = message  # (N, K H), (N, K)
        kind = torch.where(nodes.label < 0, self.num_labels, nodes.label)
        if self.by == "children":
            base = (self.num_labels + 1) ** torch.arange(below.shape[1], device=below.device)
            kind = (below * base).sum(1)
        return HiddenState(torch.tanh(nodes.inputs + self.bias[kind] + self._selected(kind, hidden)))

    def _selected(self, kind: Tensor, hidden: Tensor) -> Tensor:
        """Multiply each row of ``hidden`` (N, K H) by the matrix of its ``kind`` (N,)."""
        if kind.device.type != "cpu" or type(kind) is not Tensor:  # a copy of U for each node, but nothing to wait for
            return torch.bmm(self.weight_hh[kind], hidden.unsqueeze(2)).squeeze(2)
        total = hidden.new_zeros(len(hidden), self.hidden_size)
        for one in kind.unique().tolist():
            rows = (kind == one).nonzero().squeeze(1)
            total = total.index_add(0, rows, linear(hidden[rows], self.weight_hh[one]).to(total.dtype))
        return total


class LabelEmbeddingCell(Cell):
    """Recursive network with embeddings of the labels of a phrase and of its parts.

        h = tanh(W x + U [h_1; s_1; ...; h_K; s_K] + V s_A + b)

    the combination R(A, B, C, s_l, s_r) of Goldberg, "Neural network methods for natural language processing", 2017,
    section 18.2, with s_k and s_A the embeddings of the labels of child k and of the node. A missing child counts as 0,
    vector and label; a node without a label has the embedding 0.

    Args:
        input_size: size D of the input vectors.
        hidden_size: size H of the hidden vectors.
        num_labels: number of labels; node data ``label`` is 0..num_labels-1, or -1 for none.
        arity: number K of children with weights of their own, or "sum" for the sum of the children, Σ_k [h_k; s_k].
        label_size: size of the embeddings of labels.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_labels: int, arity: int = 2, label_size: int = 16
    ) -> None:
        super().__init__(input_size, hidden_size, arity)
        self.num_labels = num_labels
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, self.slots * (hidden_size + label_size)))
        self.weight_label = nn.Parameter(torch.empty(hidden_size, label_size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        uniform(self, hidden_size)
        self.labels = nn.Embedding(num_labels + 1, label_size, padding_idx=num_labels)

    def inputs(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih)

    def message(self, child: HiddenState, edges: Edges) -> tuple[Tensor, ...]:
        return (torch.cat([child.hidden, self._embedded(edges.label)], dim=1),)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        (both,) = messages
        return (children.sum(both) if self.arity == "sum" else children.stack(both).flatten(1),)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> HiddenState:
        (below,) = message
        own = linear(self._embedded(nodes.label), self.weight_label)
        return HiddenState(torch.tanh(nodes.inputs + linear(below, self.weight_hh, self.bias) + own))

    def _embedded(self, label: Tensor) -> Tensor:
        return self.labels(torch.where(label < 0, self.num_labels, label))  # type: ignore[no-any-return]
