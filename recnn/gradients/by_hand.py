"""Backpropagation through time and through structure, written out equation by equation, without autograd.

For teaching and testing, not for training: each function is a loop over the equations in its docstring. The networks
are those of `recnn.RNN`, of `recnn.LSTM` with peepholes, and of `recnn.RecursiveCell` over trees; the gradients equal
those of autograd.

The backward functions take e_t, the direct gradient of the loss with respect to h_t, without the part through later
steps (zeros if the loss does not depend on h_t directly); `softmax_output` computes it for the cross entropy. Two
gradients are computed at each step:

    ε_t = ∂L/∂h_t = e_t + the gradient through later steps        δ_t = ∂L/∂a_t, with h_t = f(a_t)

Shapes: T steps, B sequences, D input size, H hidden size. Vectors are rows, so that the sum of δ_t x_t^T over sequences
is ``delta.T @ x``. States and gates of the steps t = 1..T are at index t; index 0 is the initial state.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Nonlinearity = Literal["tanh", "relu"]


class RNNWeights(NamedTuple):
    """The parameters of a recurrent network, or the gradients with respect to them."""

    W: Tensor
    """(G H, D) input weights; G = 1, or 4 in an LSTM: i, f, g, o."""
    U: Tensor
    """(G H, H) recurrent weights."""
    b: Tensor
    """(G H,) bias."""


def f(a: Tensor, nonlinearity: Nonlinearity) -> Tensor:
    """Apply the nonlinearity, tanh or relu."""
    return torch.tanh(a) if nonlinearity == "tanh" else a.clamp(min=0)


def f_prime(h: Tensor, nonlinearity: Nonlinearity) -> Tensor:
    """Compute the derivative f'(a) from h = f(a): 1 - h² for tanh; 1 where h > 0, else 0, for relu."""
    return 1 - h * h if nonlinearity == "tanh" else (h > 0).to(h.dtype)


# The output


def softmax_output(h: Tensor, targets: Tensor, V: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the cross entropy of a softmax output layer at each step, and its gradients.

        ŷ_t = softmax(V h_t + c)                  L = -Σ_t log ŷ_t[target_t]
        ∂L/∂(V h_t + c) = ŷ_t - y_t               y_t is 1 at the target, else 0
        ∂L/∂V = Σ_t (ŷ_t - y_t) h_t^T             ∂L/∂c = Σ_t (ŷ_t - y_t)             e_t = V^T (ŷ_t - y_t)

    Args:
        h: (T, B, H) states h_1 to h_T.
        targets: (T, B) target classes.
        V: (C, H) weights of the output layer.
        c: (C,) bias of the output layer.

    Returns:
        L (summed over steps and sequences), ∂L/∂V, ∂L/∂c, and e (T, B, H).
    """
    y_hat = torch.softmax(h @ V.T + c, dim=2)
    of_target = y_hat.gather(2, targets.unsqueeze(2))
    wrong = y_hat.scatter_add(2, targets.unsqueeze(2), -torch.ones_like(of_target))  # ŷ - y
    rows = wrong.flatten(0, 1)
    return -of_target.log().sum(), rows.T @ h.flatten(0, 1), rows.sum(0), wrong @ V


# The vanilla recurrent network


def rnn_forward(x: Tensor, h_0: Tensor, weights: RNNWeights, nonlinearity: Nonlinearity = "tanh") -> Tensor:
    """Compute the states of the RNN of Elman 1990, a_t = W x_t + U h_(t-1) + b, h_t = f(a_t).

    Args:
        x: (T, B, D) inputs.
        h_0: (B, H) initial state.
        weights: W, U, b.
        nonlinearity: f, "tanh" or "relu".

    Returns:
        (T + 1, B, H) states h_0 to h_T.
    """
    W, U, b = weights
    h = [h_0]
    for x_t in x:
        h.append(f(x_t @ W.T + h[-1] @ U.T + b, nonlinearity))
    return torch.stack(h)


def rnn_backward(
    x: Tensor, h: Tensor, e: Tensor, weights: RNNWeights, nonlinearity: Nonlinearity = "tanh"
) -> tuple[RNNWeights, Tensor, Tensor]:
    """Backpropagation through time (Rumelhart, Hinton and Williams 1986; Werbos 1990).

        ε_t = e_t + U^T δ_(t+1)        δ_t = f'(a_t) ⊙ ε_t                      t = T..1, δ_(T+1) = 0
        ∂L/∂W = Σ_t δ_t x_t^T          ∂L/∂U = Σ_t δ_t h_(t-1)^T                ∂L/∂b = Σ_t δ_t
        ∂L/∂x_t = W^T δ_t              ∂L/∂h_0 = U^T δ_1

    ∂h_T/∂h_t is a product of T - t factors diag(f') U; this is why gradients vanish or explode.

    Args:
        x: (T, B, D) inputs.
        h: (T + 1, B, H) states, the result of `rnn_forward`.
        e: (T, B, H) direct gradients e_1 to e_T.
        weights: W, U, b.
        nonlinearity: f, "tanh" or "relu".

    Returns:
        The gradients of the weights, of x (T, B, D) and of h_0 (B, H).
    """
    W, U, b = weights
    dW, dU, db, dx = torch.zeros_like(W), torch.zeros_like(U), torch.zeros_like(b), torch.zeros_like(x)
    from_later = torch.zeros_like(h[0])  # U^T δ_(t+1)
    for t in range(len(x), 0, -1):
        epsilon = e[t - 1] + from_later
        delta = f_prime(h[t], nonlinearity) * epsilon
        dW += delta.T @ x[t - 1]
        dU += delta.T @ h[t - 1]
        db += delta.sum(0)
        dx[t - 1] = delta @ W
        from_later = delta @ U
    return RNNWeights(dW, dU, db), dx, from_later


def truncated_rnn_backward(
    x: Tensor, h: Tensor, e: Tensor, weights: RNNWeights, k1: int, k2: int, nonlinearity: Nonlinearity = "tanh"
) -> list[RNNWeights]:
    """Truncated backpropagation through time: every k1 steps, a backward pass over the last k2 steps.

    At t = k1, 2 k1, ... and at T, the direct gradients e of the steps since the last pass are propagated back through
    the last k2 steps, with h_(t-k2) as a constant; each e is used in one pass only. This is BPTT(h; h') of Williams and
    Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories", 1990, with
    h = k2 and h' = k1; the names k1 and k2 are those of Sutskever's thesis, 2013. If k1 = k2 divides T, the sequence is
    cut into segments (`recnn.detached`); k1 = 1 gives a gradient at every step; with k2 = T the gradients of the passes
    add up to the full gradient.

    Args:
        x: (T, B, D) inputs.
        h: (T + 1, B, H) states, the result of `rnn_forward`; if weights are updated between the passes, the states that
            were computed with the weights of their time.
        e: (T, B, H) direct gradients e_1 to e_T.
        weights: W, U, b.
        k1: number of steps between two passes.
        k2: number of steps of a pass, at least k1.
        nonlinearity: f, "tanh" or "relu".

    Returns:
        The gradients of the weights, pass by pass.

    Raises:
        ValueError: not 1 <= k1 <= k2.
    """
    if not 1 <= k1 <= k2:
        raise ValueError(f"expected 1 <= k1 <= k2, so that no step is left out, got k1={k1} and k2={k2}")
    T, passes = len(x), []
    for before in range(0, T, k1):
        now = min(before + k1, T)
        first = max(0, now - k2)
        new = e[first:now].clone()
        new[: before - first] = 0  # used in an earlier pass
        gradients, _, _ = rnn_backward(x[first:now], h[first : now + 1], new, weights, nonlinearity)
        passes.append(gradients)
    return passes


# The recursive network


def bottom_up(children: Sequence[Sequence[int]]) -> list[int]:
    """Order the nodes of a forest so that each comes after all its children."""
    below = {child for own in children for child in own}
    order = [node for node in range(len(children)) if node not in below]
    for node in order:  # grows while it is iterated over: from the roots, level by level
        order.extend(children[node])
    return order[::-1]


def tree_forward(
    x: Tensor, children: Sequence[Sequence[int]], U: Tensor, b: Tensor, nonlinearity: Nonlinearity = "tanh"
) -> Tensor:
    """Compute the states of the plain recursive network over trees.

    The state of a leaf is its input; that of a parent p with children c_1..c_K is

        a_p = U [h_(c_1); ...; h_(c_K)] + b        h_p = f(a_p)

    Goller and Kuechler, "Learning task-dependent distributed representations by backpropagation through structure",
    1996; Socher et al. 2011; `recnn.RecursiveCell` with ``leaf="input"``.

    Args:
        x: (N, H) inputs; only the rows of leaves are used.
        children: children of each of N nodes, by slot, at most K; `recnn.graphs.structure.children_of` computes them
            from a graph.
        U: (H, K H) weights.
        b: (H,) bias.
        nonlinearity: f, "tanh" or "relu".

    Returns:
        (N, H) states.
    """
    H = len(b)
    h = x.clone()
    for p in bottom_up(children):
        if children[p]:
            a = b.clone()
            for k, child in enumerate(children[p]):
                a += U[:, k * H : (k + 1) * H] @ h[child]
            h[p] = f(a, nonlinearity)
    return h


def tree_backward(
    children: Sequence[Sequence[int]], h: Tensor, e: Tensor, U: Tensor, nonlinearity: Nonlinearity = "tanh"
) -> tuple[Tensor, Tensor, Tensor]:
    """Backpropagation through structure (Goller and Kuechler 1996): top-down, from each parent to its children.

        ε_root = e_root                ε_(c_k) = e_(c_k) + U_k^T δ_p             c_k the child of p in slot k
        δ_p = f'(a_p) ⊙ ε_p            ∂L/∂U_k = Σ_p δ_p h_(c_k)^T               ∂L/∂b = Σ_p δ_p
        ∂L/∂x_leaf = ε_leaf

    As in a sequence, each node has at most one successor, its parent; but it can have several predecessors.

    Args:
        children: children of each node, by slot.
        h: (N, H) states, the result of `tree_forward`.
        e: (N, H) direct gradients.
        U: (H, K H) weights.
        nonlinearity: f, "tanh" or "relu".

    Returns:
        The gradients of U, of b, and of x (N, H), 0 at inner nodes.
    """
    H = len(U)
    dU, db, dx = torch.zeros_like(U), torch.zeros_like(U[:, 0]), torch.zeros_like(h)
    epsilon = e.clone()
    for p in reversed(bottom_up(children)):
        if not children[p]:
            dx[p] = epsilon[p]
            continue
        delta = f_prime(h[p], nonlinearity) * epsilon[p]
        db += delta
        for k, child in enumerate(children[p]):
            slot = slice(k * H, (k + 1) * H)
            dU[:, slot] += torch.outer(delta, h[child])
            epsilon[child] += U[:, slot].T @ delta
    return dU, db, dx


# The LSTM


class Peepholes(NamedTuple):
    """The peephole weights of an LSTM, each (H,), or the gradients with respect to them."""

    i: Tensor
    f: Tensor
    o: Tensor


class LSTMTrace(NamedTuple):
    """Gates, cell inputs, cell states and outputs of an LSTM, each (T + 1, B, H); index 0 is the initial state.

    At index 0, i, f, g and o are zeros.
    """

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor
    h: Tensor


def lstm_forward(x: Tensor, h_0: Tensor, c_0: Tensor, weights: RNNWeights, peepholes: Peepholes) -> LSTMTrace:
    """Compute the states of the LSTM with forget gates and peepholes, Graves 2012, eqs. 4.2-4.10, one cell per block.

        i_t = σ(W_i x_t + U_i h_(t-1) + p_i ⊙ c_(t-1) + b_i)              input gates
        f_t = σ(W_f x_t + U_f h_(t-1) + p_f ⊙ c_(t-1) + b_f)              forget gates
        g_t = tanh(W_g x_t + U_g h_(t-1) + b_g)                           cell inputs
        c_t = f_t ⊙ c_(t-1) + i_t ⊙ g_t                                   cell states
        o_t = σ(W_o x_t + U_o h_(t-1) + p_o ⊙ c_t + b_o)                  output gates
        h_t = o_t ⊙ tanh(c_t)                                             cell outputs

    Graves writes ι, φ, ω for the gates, a for the arguments of their σ, s for c and b_c for h.

    Args:
        x: (T, B, D) inputs.
        h_0: (B, H) initial hidden state.
        c_0: (B, H) initial cell state.
        weights: W, U, b, in the order i, f, g, o.
        peepholes: p_i, p_f, p_o.
    """
    W, U, b = weights
    none = torch.zeros_like(h_0)
    steps = [(none, none, none, none, c_0, h_0)]
    for x_t in x:
        *_, c_before, h_before = steps[-1]
        a_i, a_f, a_g, a_o = (x_t @ W.T + h_before @ U.T + b).chunk(4, dim=1)
        i = torch.sigmoid(a_i + peepholes.i * c_before)
        f = torch.sigmoid(a_f + peepholes.f * c_before)
        g = torch.tanh(a_g)
        c = f * c_before + i * g
        o = torch.sigmoid(a_o + peepholes.o * c)
        steps.append((i, f, g, o, c, o * torch.tanh(c)))
    return LSTMTrace(*(torch.stack(parts) for parts in zip(*steps, strict=True)))


def lstm_backward(
    x: Tensor, trace: LSTMTrace, e: Tensor, weights: RNNWeights, peepholes: Peepholes, truncated: bool = False
) -> tuple[RNNWeights, Peepholes, Tensor, Tensor, Tensor]:
    """Backpropagation through time of the LSTM, in the order of Graves 2012, chapter 4, after eq. 4.10.

    From t = T to 1,

        ε_h,t = e_t + U_i^T δ_i,t+1 + U_f^T δ_f,t+1 + U_g^T δ_g,t+1 + U_o^T δ_o,t+1            cell outputs
        δ_o,t = σ'(a_o,t) ⊙ tanh(c_t) ⊙ ε_h,t                                                  output gates
        ε_c,t = o_t ⊙ tanh'(c_t) ⊙ ε_h,t + f_t+1 ⊙ ε_c,t+1                                     cell states
                + p_i ⊙ δ_i,t+1 + p_f ⊙ δ_f,t+1 + p_o ⊙ δ_o,t
        δ_g,t = i_t ⊙ tanh'(a_g,t) ⊙ ε_c,t                                                     cell inputs
        δ_f,t = σ'(a_f,t) ⊙ c_(t-1) ⊙ ε_c,t                                                    forget gates
        δ_i,t = σ'(a_i,t) ⊙ g_t ⊙ ε_c,t                                                        input gates

    where all terms at T + 1 are 0, σ' = σ (1 - σ) and tanh' = 1 - tanh²; ε_c is ∂L/∂c (Graves's ε_s) and ε_h is ∂L/∂h
    (his ε_c). With δ = [δ_i; δ_f; δ_g; δ_o] the gradients of the weights are

        ∂L/∂W = Σ_t δ_t x_t^T        ∂L/∂U = Σ_t δ_t h_(t-1)^T        ∂L/∂b = Σ_t δ_t
        ∂L/∂p_i = Σ_t δ_i,t ⊙ c_(t-1)        ∂L/∂p_f = Σ_t δ_f,t ⊙ c_(t-1)        ∂L/∂p_o = Σ_t δ_o,t ⊙ c_t

    From cell state to cell state the gradient is multiplied by f_t+1 and by no matrix: where f is 1, it is unchanged.

    Args:
        x: (T, B, D) inputs.
        trace: the result of `lstm_forward`.
        e: (T, B, H) direct gradients e_1 to e_T.
        weights: W, U, b.
        peepholes: p_i, p_f, p_o.
        truncated: propagate gradients back in time through the cell states only: the terms with U in ε_h and those with
            p in ε_c are left out, as in Hochreiter and Schmidhuber 1997 and, for the peepholes, in Gers, Schraudolph
            and Schmidhuber 2002.

    Returns:
        The gradients of the weights, the peepholes, x (T, B, D), h_0 and c_0 (B, H).
    """
    W, U, b = weights
    i, f, g, o, c, h = trace
    dW, dU, db, dx = torch.zeros_like(W), torch.zeros_like(U), torch.zeros_like(b), torch.zeros_like(x)
    dp_i, dp_f, dp_o = (torch.zeros_like(p) for p in peepholes)
    h_from_later = c_from_later = torch.zeros_like(h[0])
    p_i, p_f, p_o = (torch.zeros_like(p) for p in peepholes) if truncated else peepholes
    for t in range(len(x), 0, -1):
        tanh_c = torch.tanh(c[t])
        epsilon_h = e[t - 1] + h_from_later
        delta_o = o[t] * (1 - o[t]) * tanh_c * epsilon_h
        epsilon_c = o[t] * (1 - tanh_c * tanh_c) * epsilon_h + c_from_later + p_o * delta_o
        delta_g = i[t] * (1 - g[t] * g[t]) * epsilon_c
        delta_f = f[t] * (1 - f[t]) * c[t - 1] * epsilon_c
        delta_i = i[t] * (1 - i[t]) * g[t] * epsilon_c

        delta = torch.cat([delta_i, delta_f, delta_g, delta_o], dim=1)
        dW += delta.T @ x[t - 1]
        dU += delta.T @ h[t - 1]
        db += delta.sum(0)
        dp_i += (delta_i * c[t - 1]).sum(0)
        dp_f += (delta_f * c[t - 1]).sum(0)
        dp_o += (delta_o * c[t]).sum(0)
        dx[t - 1] = delta @ W
        h_from_later = torch.zeros_like(h[0]) if truncated else delta @ U
        c_from_later = f[t] * epsilon_c + p_i * delta_i + p_f * delta_f
    return RNNWeights(dW, dU, db), Peepholes(dp_i, dp_f, dp_o), dx, h_from_later, c_from_later
