"""Time and memory per node of a binary Tree-LSTM as forests grow, and of a chain of 100,000 nodes.

    python benchmarks/tree_scaling.py

The trees are the random ones of tree_speed.py, so the forests differ in nothing but the number of trees. Each forest
has a fresh process. Memory is by how much one pass raises the peak of the process's resident memory (Linux counts it)
over what it held before: the graph, its schedule, the inputs and the weights are not in it, nor what the libraries
keep after a first small pass; the result is. Times are of the passes after that one, as many as fit in --seconds but
--repeats at least: median and quartiles. A training step goes forward, squares and sums the hidden vectors, and goes
back to the weights.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
import typer
from _common import AsJson, Report, Threads, random_trees
from torch import Tensor

import recnn
from recnn.graphs._dgl import DGLGraph
from recnn.graphs._dgl import graph as dgl_graph

INFER = (1_000, 10_000, 100_000, 1_000_000)
TRAIN = (1_000, 10_000, 100_000, 200_000)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def forest(nodes: int, seed: int) -> DGLGraph:
    """About so many nodes: up to 256 different trees, and copies of them (parsing a million nodes takes long)."""
    trees = [recnn.tree_to_graph(tree) for tree in random_trees(256, random.Random(seed))]
    sizes = np.cumsum([tree.num_nodes() for tree in trees])
    some = recnn.batch(trees[: int(np.searchsorted(sizes, nodes)) + 1])
    copies = max(1, round(nodes / some.num_nodes()))
    offsets = torch.arange(copies).unsqueeze(1) * some.num_nodes()
    graph: DGLGraph = dgl_graph(tuple((offsets + ends).flatten() for ends in some.edges()))
    graph.ndata["word"], graph.edata["slot"] = some.ndata["word"].repeat(copies), some.edata["slot"].repeat(copies)
    return graph


def one_pass(cell: recnn.LSTMCell, graph: DGLGraph, x: Tensor, train: bool) -> float:
    """Its seconds."""
    cell.zero_grad()
    start = perf_counter()
    with torch.set_grad_enabled(train):
        hidden = recnn.propagate(cell, graph, x).hidden
        if train:
            hidden.square().sum().backward()
    return perf_counter() - start


def resident(field: str) -> int:
    """Bytes: VmRSS, or VmHWM, its peak. (getrusage's peak starts from that of the process that started this one.)"""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def measure(what: str, nodes: int, size: tuple[int, int], repeats: int, seconds: float, seed: int) -> dict[str, Any]:
    """The row of one forest."""
    torch.manual_seed(seed)
    cell, train = recnn.LSTMCell(*size, arity=1 if what == "chain" else 2), what != "infer"
    small, graph = (recnn.sequence_to_graph(["w"] * n) if what == "chain" else forest(n, seed) for n in (100, nodes))
    one_pass(cell, small, torch.randn(small.num_nodes(), size[0]), train)
    x = torch.randn(graph.num_nodes(), size[0])
    _ = recnn.schedule(graph).plan("up")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, at what is resident now
    before = resident("VmRSS")
    first = one_pass(cell, graph, x, train)
    grown = resident("VmHWM") - before
    times = [one_pass(cell, graph, x, train) for _ in range(max(repeats, int(seconds / first)))]
    low, median, high = 1e6 * np.percentile(times, [25, 50, 75]) / graph.num_nodes()
    found = {"us_per_node": median, "us_low": low, "us_high": high, "bytes_per_node": grown / graph.num_nodes()}
    return {"what": what, "nodes": graph.num_nodes(), **found, "passes": len(times)}


@app.command()
def main(
    sizes: Annotated[str, typer.Option(help="Input x hidden size.")] = "300x150",
    repeats: Annotated[int, typer.Option(min=1, help="Fewest timed passes.")] = 5,
    seconds: Annotated[float, typer.Option(help="Time for the passes over small forests.")] = 5.0,
    threads: Threads = 2,
    seed: Annotated[int, typer.Option(help="Of trees, inputs and weights.")] = 0,
    as_json: AsJson = False,
    one: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Time and memory per node; see the top of the file."""
    if one:
        torch.set_num_threads(threads)
        what, nodes = one.split(":")
        inputs, hidden = map(int, sizes.split("x"))
        print(json.dumps(measure(what, int(nodes), (inputs, hidden), repeats, seconds, seed)))
        return
    columns = "what", "nodes", "µs a node", "quartiles", "kB a node", "passes"
    report = Report(as_json, *columns, title=f"{sizes}, {threads} threads")
    todo = [*(f"infer:{n}" for n in INFER), *(f"train:{n}" for n in TRAIN), "chain:100000"]
    for name in todo:
        print(name, file=sys.stderr)
        line = subprocess.check_output([sys.executable, *sys.argv, "--one", name], text=True)
        row = json.loads(line)
        quartiles = f"{row['us_low']:.2f}-{row['us_high']:.2f}"
        figures = f"{row['us_per_node']:.2f}", quartiles, f"{row['bytes_per_node'] / 1e3:.1f}", str(row["passes"])
        report.add(row, row["what"], f"{row['nodes']:,}", *figures)
    report.show()


if __name__ == "__main__":
    app()
