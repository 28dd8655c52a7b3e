"""Matrix-vector recursive network (MV-RNN)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from recnn.cells.base import Cell, Children, Edges, Nodes


class MatrixVectorState(NamedTuple):
    """The state of nodes in an MV-RNN."""

    hidden: Tensor
    """(N, H) vectors, the meaning of the phrase."""
    matrix: Tensor
    """(N, H, H) matrices, which multiply the vector of the sibling."""


class MatrixVectorCell(Cell, name="matrix-vector"):
    """MV-RNN: every node has a vector, and a matrix that modifies its sibling's vector.

        h = tanh(W [B a; A b] + b_h)        M = W_M [A; B]

    for children with vectors a, b and matrices A, B: Socher, Huval, Manning and Ng, "Semantic compositionality through
    recursive matrix-vector spaces", EMNLP 2012, eqs. 2 and 3. A word's matrix is A = P Q + diag(d) of low rank R (their
    eq. 6), so the input of a word is its vector, d, P and Q, concatenated: D = 2 H + 2 H R. A missing child has a
    vector of 0 and the identity as its matrix, so the vector of an only child is not modified. Inputs at inner nodes
    are ignored. The arity is 2.

    Args:
        hidden_size: size H of the vectors; the matrices are (H, H).
        rank: rank R of P Q; 0 for diagonal matrices of words.
    """

    State = MatrixVectorState

    def __init__(self, hidden_size: int, rank: int = 3) -> None:
        if not isinstance(rank, int) or rank < 0:
            raise ValueError(f"rank must be an integer of at least 0, got {rank!r}")
        super().__init__(2 * hidden_size + 2 * hidden_size * rank, hidden_size, arity=2)
        self.rank = rank
        H = hidden_size
        self.weight = nn.Parameter(torch.empty(H, 2 * H))
        self.bias = nn.Parameter(torch.zeros(H))
        self.weight_matrix = nn.Parameter(torch.empty(H, 2 * H))
        for weight in (self.weight, self.weight_matrix):  # as in the paper: near the mean of both children
            half = torch.cat([torch.eye(H), torch.eye(H)], dim=1) / 2
            weight.data.copy_(half + torch.empty(H, 2 * H).uniform_(-0.001, 0.001))

    def inputs(self, x: Tensor) -> Tensor:
        return x

    def state_shapes(self) -> list[tuple[int, ...]]:
        return [(self.hidden_size,), (self.hidden_size, self.hidden_size)]

    def leaf(self, nodes: Nodes, message: tuple[Tensor, ...]) -> MatrixVectorState:
        """Return the vectors of words, and their matrices P Q + diag(d)."""
        H, R = self.hidden_size, self.rank
        vector, diagonal, left, right = nodes.inputs.split([H, H, H * R, H * R], dim=1)
        low_rank = torch.bmm(left.reshape(len(left), H, R), right.reshape(len(left), R, H))
        return MatrixVectorState(vector, low_rank + torch.diag_embed(diagonal))

    def message(self, child: MatrixVectorState, edges: Edges) -> tuple[Tensor, ...]:
        """Return the vector, and the matrix minus the identity, so that a missing child, 0, has the identity."""
        return child.hidden, child.matrix - torch.eye(self.hidden_size).to(child.matrix)

    def reduce(self, messages: tuple[Tensor, ...], children: Children) -> tuple[Tensor, ...]:
        vector, matrix = (children.stack(part) for part in messages)
        return vector, matrix + torch.eye(self.hidden_size).to(matrix)

    def apply_node(self, nodes: Nodes, message: tuple[Tensor, ...]) -> MatrixVectorState:
        vector, matrix = message  # (N, 2, H), (N, 2, H, H)
        modified = torch.matmul(matrix.flip(1), vector.unsqueeze(3)).squeeze(3)  # B a, A b
        hidden = torch.tanh(linear(modified.flatten(1), self.weight, self.bias))
        return MatrixVectorState(hidden, torch.matmul(self.weight_matrix, matrix.flatten(1, 2)))
