"""A binary Tree-LSTM (Tai et al. 2015, eqs. 9-14) on trees shaped like those of SST, against other ways to run it.

    pip install -r benchmarks/requirements.txt && python benchmarks/tree_speed.py

What the others are, and what of them is not timed, is at the top of tree_contestants.py.

Only leaves have a word; their vectors are given, so no embedding is looked up. A training step is the forward pass,
the sum of the squares of all hidden vectors, and the backward pass to all weights (not to the inputs); inference is
the forward pass alone. Contestants take turns in one process, so that noise meets all alike: a ratio is that of two
times of one round, and its median and quartiles over the rounds are shown. A time is that of one step on a batch, the
mean over several different batches where they are small. Before that, all that compute the same are checked to do so,
values and gradients. Without --trees the trees are random: 19 words on average, standard deviation 9, at least 2, more
branching to the right than to the left. Run it on an idle machine: torch's threads wait for each other busily, so a
second busy program can slow it down tenfold.
"""

import importlib.util
import random
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from _common import (
    EXAMPLES_A_ROUND,
    AsJson,
    Device,
    Modes,
    Repeats,
    Report,
    Threads,
    among,
    difference,
    in_turns,
    random_trees,
    ratio,
)
from nltk import Tree
from tree_contestants import CONTESTANTS, Forest, Levels

import recnn
from corpora.treebanks import read_trees

NOTES = "pytorch-tree-lstm against levels-sum, all others against levels; dynet has one thread; floor: ours / floor"


def make_forest(trees: list[Tree], size: int, device: str) -> Forest:
    """The graph of the trees, and random inputs for their leaves."""
    graph = recnn.batch([recnn.tree_to_graph(tree) for tree in trees])
    children: list[list[int]] = [[] for _ in range(graph.num_nodes())]
    for child, parent in zip(*(ends.tolist() for ends in graph.edges()), strict=True):
        children[parent].append(child)
    if {len(below) for below in children} != {0, 2}:
        raise typer.BadParameter("every phrase of more than one word must have two parts")
    x = torch.randn(len(children), size) * (graph.ndata["word"] >= 0).unsqueeze(1)
    recnn.schedule(graph)
    return Forest(graph, x.to(device), children)


def check(nets: dict[str, Levels], forest: Forest) -> None:
    """Exit unless all that should be the same are."""
    found, hidden_size = {}, nets["levels"].cell.hidden_size
    for name, net in nets.items():
        if net.same:
            net.step(forest, train=True)
            found[name] = (net(forest).detach(), net.gradient()[:hidden_size].clone())
    for name, parts in found.items():
        for what, part, expected in zip(("values", "gradients"), parts, found["levels"], strict=True):
            if not (error := difference(part, expected)) < 1e-4:
                raise SystemExit(f"{name}: the {what} differ from those of levels by {error:.1g} of the largest")


def figures(name: str, spent: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    """What is reported of one contestant."""
    times = {"seconds": float(np.median(spent)), "rounds": len(spent)}
    return {"name": name, **times, **(ratio(ours, spent) if name == "floor" else ratio(spent, ours))}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    trees: Annotated[Path | None, typer.Option(exists=True, help="Binary trees in brackets; else random ones.")] = None,
    sizes: Annotated[list[str], typer.Option(help="Input x hidden size.")] = ["300x150", "300x300"],  # noqa: B006
    batch: Annotated[list[int], typer.Option(min=1, help="Trees in a batch.")] = [1, 25, 256],  # noqa: B006
    mode: Modes = ["train", "infer"],  # noqa: B006
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(CONTESTANTS)}; the levels always run.")] = None,
    repeats: Repeats = 15,
    threads: Threads = 2,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(help="Of trees, inputs and weights.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Time a Tree-LSTM against other implementations; see the top of the file."""
    among(only or [], CONTESTANTS)
    among(mode, ("train", "infer"))
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    generator = random.Random(seed)
    corpus = [tree for tree in read_trees(trees) if not isinstance(tree[0], str)] if trees else None
    wanted = {name: kind for name, kind in CONTESTANTS.items() if name.startswith("levels") or not only or name in only}
    for name, kind in list(wanted.items()):
        if importlib.util.find_spec(kind.package) is None:
            print(f"{name} is left out: {kind.package} is not installed", file=sys.stderr)
            del wanted[name]
        elif device != "cpu" and kind.only_cpu:
            print(f"{name} is left out: it runs on the CPU only", file=sys.stderr)
            del wanted[name]

    title = f"Time of others / time of recnn, median and quartiles; {device}, {threads} threads"
    columns = "sizes", "trees", "mode", "", "ms a step", "ratio", "quartiles"
    report = Report(as_json, *columns, title=title, caption=NOTES)
    for size in sizes:
        inputs, hidden = map(int, size.split("x"))
        cell = recnn.LSTMCell(inputs, hidden, arity=2).to(device)
        for many in batch:
            forests = [
                make_forest(some, inputs, device)
                for some in (
                    generator.choices(corpus, k=many) if corpus else random_trees(many, generator)
                    for _ in range(max(1, EXAMPLES_A_ROUND // many))
                )
            ]
            nets = {name: kind(cell, forests) for name, kind in wanted.items()}
            check(nets, forests[0])
            for how in mode:
                print(f"{size}, {many} trees, {how}", file=sys.stderr)
                times = in_turns({name: partial(net.seconds, how == "train") for name, net in nets.items()}, repeats)
                for name, spent in times.items():
                    ours = times["levels-sum" if name == "pytorch-tree-lstm" else "levels"]
                    found = figures(name, spent, ours)
                    setting = {"input_size": inputs, "hidden_size": hidden, "trees": many, "mode": how}
                    quartiles = f"{found['ratio_low']:.2f}-{found['ratio_high']:.2f}"
                    shown = f"{1e3 * found['seconds']:.2f}", f"{found['ratio']:.2f}", quartiles
                    report.add({**setting, "threads": threads, **found}, size, str(many), how, name, *shown)
    report.show()


if __name__ == "__main__":
    app()
