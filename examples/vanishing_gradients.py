"""Vanishing and exploding gradients, and their remedies side by side.

    python examples/vanishing_gradients.py [--out vanishing_gradients.png]

prints a table and draws three pictures: how large the gradient of the last state is with respect to each state before
it, in a sequence and in a tree, and what clipping changes when a network learns a task with a long lag. A gradient that
reaches far is needed and not enough: the GRU's does, and in so few updates it learns nothing.
"""

import argparse
import math

import torch
from matplotlib.figure import Figure
from nltk import Tree
from torch import nn

import recnn

torch.set_num_threads(1)
D, H, T, B = 2, 24, 50, 20  # sizes of inputs and states, steps, sequences in a batch
UPDATES, LARGEST = 150, 1.0  # of the weights, and the norm that their gradient is clipped to


# 1. The networks. An orthogonal matrix has spectral radius 1, so a factor sets it.
def tanh(radius):
    """The vanilla network; below 1 its gradients must vanish, above 1 they can explode."""
    network = recnn.initialise(recnn.RNN(D, H), recurrent="orthogonal")
    with torch.no_grad():
        network.encoder.cells[0].weight_hh.mul_(radius)
    return network


def gru():
    """A GRU whose states are kept for long: to it the update gate is what the forget gate is to an LSTM."""
    network = recnn.initialise(recnn.GRU(D, H))
    with torch.no_grad():
        network.encoder.cells[0].bias_ih[H : 2 * H] = 2  # of z
    return network


NETWORKS = {
    "tanh, spectral radius 0.7": lambda: tanh(0.7),
    "tanh, spectral radius 2": lambda: tanh(2),
    "tanh, orthogonal": lambda: tanh(1),
    "relu, identity (IRNN)": lambda: recnn.initialise(recnn.RNN(D, H, nonlinearity="relu"), recurrent="identity"),
    "GRU, update bias 2": gru,
    "LSTM, forget bias 1": lambda: recnn.initialise(recnn.LSTM(D, H), forget_bias=1),
}
# A tree's cells have two children each; U_1 and U_2 are orthogonal, except in the first.
CELLS = {
    "RecursiveCell, uniform": lambda: recnn.RecursiveCell(H, H),
    "RecursiveCell, orthogonal": lambda: recnn.initialise(recnn.RecursiveCell(H, H)),
    "GRUCell": lambda: recnn.initialise(recnn.GRUCell(H, H)),
    "LSTMCell (Tree-LSTM), forget bias 1": lambda: recnn.initialise(recnn.LSTMCell(H, H), forget_bias=1),
}


# 2. The task: the first entry of a sequence is 1 or -1; noise follows, and after T steps, which was it?
def batch():
    """Sequences (T, B, D), and whether the first entry is 1."""
    sign = torch.randint(2, (B,))
    x = 0.3 * torch.randn(T, B, D)
    x[:, :, 0] = 0
    x[0, :, 0] = 2.0 * sign - 1
    return x, sign


# 3. What is measured.
def reach(network, *inputs):
    """The mean norm of the gradient by the number of steps back; in an LSTM to its cells, in others to all there is."""
    (norms,) = recnn.gradient_norms(network, *inputs)
    return norms.by_distance("cell" if "cell" in norms.norms else "hidden")


def learn(make, largest):
    """The share of right answers, and the norm of the gradient before clipping, update by update."""
    torch.manual_seed(1)
    network, output = make(), nn.Linear(H, 2)
    parameters = [*network.parameters(), *output.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.03, momentum=0.9)
    right, norms = [], []
    for _ in range(UPDATES):
        x, target = batch()
        scores = output(network(x)[0][-1])
        optimizer.zero_grad()
        nn.functional.cross_entropy(scores, target).backward()
        norms.append(float(recnn.clip_gradients(parameters, largest)))
        right.append(float((scores.argmax(1) == target).float().mean()))
        optimizer.step()
    return right, max(norms)


def comb(depth):
    """A tree of phrases that are each a word and a phrase."""
    tree = Tree("X", ["word"])
    for _ in range(depth):
        tree = Tree("X", ["word", tree])
    return recnn.tree_to_graph(tree)


def smooth(values, width=20):
    """The mean over so many values before each."""
    return nn.functional.avg_pool1d(torch.tensor(values)[None], width, stride=1)[0]


def draw(time, depth, learned, path):
    """The picture."""
    figure = Figure(figsize=(16, 5.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, curves, back in ((left, time, "steps back"), (middle, depth, "depth below the root")):
        for (name, norms), style in zip(curves.items(), ("-", "--", "-.", ":", "-", "--"), strict=False):
            drawn = norms.masked_fill(norms == 0, math.nan)  # h sees c of its own step not through the state
            axes.plot(drawn, style, linewidth=2, label=name)
        axes.set(yscale="log", xlabel=back, ylabel="norm of the gradient of the last state")
        axes.grid(alpha=0.3)
    left.set_title(f"Over {T} steps, before training")
    middle.set_title(f"Over a tree of depth {T - 1}, before training")
    for number, name in enumerate(NETWORKS):
        for largest, (shares, _) in learned[name].items():
            style = ":" if largest == math.inf else "-"
            right.plot(range(20, UPDATES + 1), smooth(shares), style, color=f"C{number}")
    right.plot([], [], "-", color="black", label="clipped")
    right.plot([], [], ":", color="black", label="not clipped")
    right.set(xlabel="update", ylabel="right answers in the last 20 updates", ylim=(0.35, 1.03))
    right.grid(alpha=0.3)
    right.set_title(f"Learning what was {T} steps ago, clipped to norm {LARGEST:g}")
    left.legend(fontsize="small")
    middle.legend(fontsize="small")
    right.legend(fontsize="small", title="colours as on the left", loc="upper right", bbox_to_anchor=(1, 0.85))
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", default="vanishing_gradients.png", help="the picture")
    path = options.parse_args().out

    time, learned = {}, {}
    print(f"{'':28}spectral  gradient    unclipped            clipped")
    print(f"{'':28}radius    {T - 1} back     largest   right    largest   right")
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        network = make()
        radius = max(recnn.spectral_radius(network).values())
        time[name] = reach(network, batch()[0])
        learned[name] = {largest: learn(make, largest) for largest in (math.inf, LARGEST)}
        columns = "    ".join(f"{norm:7.1e}   {sum(right[-20:]) / 20:4.0%}" for right, norm in learned[name].values())
        print(f"{name:28}{radius:5.2f}     {time[name][-1]:7.1e}     {columns}")

    graph, depth = comb(T - 1), {}
    for name, make in CELLS.items():
        torch.manual_seed(0)
        depth[name] = reach(make(), graph, torch.randn(graph.num_nodes(), H))
        print(f"{name:38}{depth[name][-1]:7.1e}")
    draw(time, depth, learned, path)
    print(f"Written: {path}")
