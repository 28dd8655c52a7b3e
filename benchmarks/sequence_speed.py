"""recnn.RNN, LSTM and GRU against those of torch.nn, with the same weights, on batches of sentences.

    python benchmarks/sequence_speed.py

A training step goes forward, sums the output of the last layer at all steps, and goes back to the weights and to the
inputs, as it would to the vectors of words; the gradients are None before, and setting them so is not timed. Inference
is the forward pass under torch.no_grad. Inputs are random numbers, packed by pack_sequence (enforce_sorted=False) or
padded, (T, B, D); packing and padding are not timed. As torch.nn does, both compute what stands on the padding of a
padded batch. Where all sentences are of one length, as in a padded batch or a batch of one, torch's LSTM is that of
oneDNN; all else is torch's own loop. With --engine auto, the default, recnn calls
torch's functions where they are quicker. The two take turns in one process, so that noise meets both alike: a ratio is
that of two times of one round, above 1 where recnn is quicker, and its median and quartiles over the rounds are shown.
A time is that of one step on a batch, the mean over several different batches where they are small. Before that,
outputs, final states and gradients of both are checked to be the same. Without --trees the lengths of the sentences
are random: 19.2 words on average, standard deviation 9.3, from 2 to 56, like those of SST. Run it on an idle machine:
torch's threads wait for each other busily, so a second busy program can slow it down tenfold.
"""

import random
import sys
from functools import partial
from itertools import product
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
    clock,
    difference,
    in_turns,
    random_length,
    ratio,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence

import recnn
from corpora.treebanks import read_trees

Batch = Tensor | PackedSequence
NETWORKS: dict[str, tuple[Any, Any]] = {
    "RNN": (nn.RNN, recnn.RNN),
    "LSTM": (nn.LSTM, recnn.LSTM),
    "GRU": (nn.GRU, recnn.GRU),
}
LONGEST = 56


def numbers(batch: Batch) -> Tensor:
    """Of all steps, as one tensor."""
    return batch.data if isinstance(batch, PackedSequence) else batch


def make_batch(lengths: list[int], size: int, layout: str, device: str) -> Batch:
    """Random sentences of these lengths, which ask for gradients."""
    sentences = [torch.randn(length, size) for length in lengths]
    batch: Batch = pack_sequence(sentences, enforce_sorted=False) if layout == "packed" else pad_sequence(sentences)
    batch = batch.to(device)
    numbers(batch).requires_grad_()
    return batch


def forget(net: nn.Module, batch: Batch) -> None:
    """Set all gradients to None."""
    for tensor in (numbers(batch), *net.parameters()):
        tensor.grad = None


def step(net: nn.Module, batch: Batch, train: bool) -> None:
    """What is timed."""
    with torch.set_grad_enabled(train):
        output, _ = net(batch)
        if train:
            numbers(output).sum().backward()


def seconds(net: nn.Module, batches: list[Batch], train: bool) -> float:
    """Of a step, the mean over the batches."""
    spent, device = 0.0, numbers(batches[0]).device
    for batch in batches:
        forget(net, batch)
        start = clock(device)
        step(net, batch, train)
        spent += clock(device) - start
    return spent / len(batches)


def results(net: nn.Module, names: list[str], batch: Batch) -> dict[str, Tensor]:
    """All that must be the same for two networks with the same weights; ``names`` are those of torch's parameters."""
    forget(net, batch)
    output, final = net(batch)
    numbers(output).sum().backward()
    states = [final] if isinstance(final, Tensor) else final
    found = {f"final state {number}": state.detach() for number, state in enumerate(states)}
    found["output"], found["gradient of the inputs"] = numbers(output).detach(), numbers(batch).grad
    return found | {f"gradient of {name}": getattr(net, name).grad for name in names}


def check(theirs: nn.Module, ours: nn.Module, batch: Batch) -> None:
    """Exit unless both compute the same."""
    names = [name for name, _ in theirs.named_parameters()]
    expected, found = (results(net, names, batch) for net in (theirs, ours))
    for what, part in expected.items():
        if not (error := difference(found[what], part)) < 1e-4:
            raise SystemExit(f"{type(ours).__name__}: the {what} differs from torch's by {error:.1g} of the largest")


def compare(theirs: nn.Module, ours: nn.Module, batches: list[Batch], train: bool, repeats: int) -> dict[str, Any]:
    """What is reported of both."""
    nets = {"torch": theirs, "recnn": ours}
    times = in_turns({name: partial(seconds, net, batches, train) for name, net in nets.items()}, repeats)
    medians = {f"{name}_ms": 1e3 * float(np.median(spent)) for name, spent in times.items()}
    return {**medians, **ratio(times["torch"], times["recnn"]), "rounds": min(map(len, times.values()))}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    trees: Annotated[
        Path | None, typer.Option(exists=True, help="Trees in brackets, for the lengths of their sentences.")
    ] = None,
    kind: Annotated[list[str], typer.Option(help=f"Of {', '.join(NETWORKS)}.")] = list(NETWORKS),  # noqa: B006
    sizes: Annotated[str, typer.Option(help="Input x hidden size.")] = "300x150",
    layers: Annotated[list[int], typer.Option(min=1, help="Number of layers.")] = [1, 2],  # noqa: B006
    bidirectional: Annotated[
        bool | None, typer.Option("--bidirectional/--unidirectional", help="Both, if neither is given.")
    ] = None,
    layout: Annotated[list[str], typer.Option(help="packed, padded, or both.")] = ["packed", "padded"],  # noqa: B006
    batch: Annotated[list[int], typer.Option(min=1, help="Sentences in a batch.")] = [1, 25, 256],  # noqa: B006
    mode: Modes = ["train", "infer"],  # noqa: B006
    engine: Annotated[str, typer.Option(help="Engine of recnn: auto, levels or torch.")] = "auto",
    repeats: Repeats = 15,
    threads: Threads = 2,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(help="Of lengths, inputs and weights.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Time recnn's recurrent networks against those of torch; see the top of the file."""
    among(kind, NETWORKS)
    among(layout, ("packed", "padded"))
    among(mode, ("train", "infer"))
    among([engine], ("auto", "levels", "torch"))
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    inputs, hidden = map(int, sizes.split("x"))
    generator = random.Random(seed)
    corpus = [len(tree.leaves()) for tree in read_trees(trees)] if trees else None

    def lengths(many: int) -> list[int]:
        if corpus:
            return generator.choices(corpus, k=many)
        return [min(LONGEST, random_length(generator, 19.2, 9.3)) for _ in range(many)]

    drawn = {many: [lengths(many) for _ in range(max(1, EXAMPLES_A_ROUND // many))] for many in batch}
    ways = [False, True] if bidirectional is None else [bidirectional]
    title = f"Time of torch.nn / time of recnn, median and quartiles; {sizes}, {device}, {threads} threads"
    columns = "", "layers", "ways", "layout", "batch", "mode", "ms torch", "ms recnn", "ratio", "quartiles"
    report = Report(as_json, *columns, title=title, caption="ratio above 1: recnn is quicker")
    for many, how_laid in product(batch, layout):
        batches = [make_batch(some, inputs, how_laid, device) for some in drawn[many]]
        for name, deep, both in product(kind, layers, ways):
            torchs, recnns = NETWORKS[name]
            theirs = torchs(inputs, hidden, deep, bidirectional=both, device=device)
            ours = recnns(inputs, hidden, deep, bidirectional=both, engine=engine, device=device)
            ours.load_state_dict(theirs.state_dict())
            for one in batches:
                check(theirs, ours, one)
            for how in mode:
                setting = {"kind": name, "layers": deep, "bidirectional": both, "layout": how_laid, "batch": many}
                print(*(f"{key} {value}" for key, value in setting.items()), how, sep=", ", file=sys.stderr)
                found = compare(theirs, ours, batches, how == "train", repeats)
                about = {"input_size": inputs, "hidden_size": hidden, "threads": threads}
                figures = (f"{found[figure]:.2f}" for figure in ("torch_ms", "recnn_ms", "ratio"))
                quartiles = f"{found['ratio_low']:.2f}-{found['ratio_high']:.2f}"
                shown = name, str(deep), "2" if both else "1", how_laid, str(many), how
                report.add({**setting, "mode": how, **about, **found}, *shown, *figures, quartiles)
    report.show()


if __name__ == "__main__":
    app()
