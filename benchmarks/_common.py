"""What the benchmarks share: sentence lengths and trees at random, timing in turns, reports."""

import json
import random
import sys
from collections.abc import Callable, Collection, Mapping
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
import typer
from nltk import Tree
from rich.console import Console
from rich.table import Table
from torch import Tensor

SLOW = 1.0  # seconds; what takes longer than this a round is timed in three rounds only
EXAMPLES_A_ROUND = 32  # trees or sentences: small batches are many in a round, so that it is not of one odd batch

Repeats = Annotated[int, typer.Option(min=1, help="Rounds.")]
Threads = Annotated[int, typer.Option(min=1, help="Of torch.")]
Modes = Annotated[list[str], typer.Option(help="train, infer, or both.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or another device of torch.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a row.")]


def among(given: Collection[str], known: Collection[str]) -> None:
    """Refuse options that are not known."""
    if unknown := set(given) - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")


def random_length(generator: random.Random, mean: float, deviation: float) -> int:
    """Words of a sentence, at least 2: lengths are skewed, so they are drawn from a gamma distribution."""
    return max(2, round(generator.gammavariate((mean / deviation) ** 2, deviation**2 / mean)))


def random_tree(generator: random.Random) -> Tree:
    """A binary tree."""

    def over(words: int) -> Tree:
        if words == 1:
            return Tree("X", ["w"])
        left = min(generator.randint(1, words - 1), generator.randint(1, words - 1))
        return Tree("X", [over(left), over(words - left)])

    return over(random_length(generator, 19, 9))


def random_trees(count: int, generator: random.Random) -> list[Tree]:
    """Binary trees as long as the sentences of SST."""
    return [random_tree(generator) for _ in range(count)]


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest, as a share of the largest expected number."""
    return float((found - expected).abs().max() / expected.abs().max())


def clock(device: torch.device) -> float:
    """Seconds, when all that a device was asked for is done."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return perf_counter()


def in_turns(contestants: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, np.ndarray]:
    """(R,) what each answers in each round, after two rounds of warm-up; R is smaller for slow ones."""
    rounds = {}
    for name, one_round in contestants.items():
        one_round()
        start = perf_counter()
        one_round()
        rounds[name] = min(repeats, 3) if perf_counter() - start > SLOW else repeats
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats):
        for name, one_round in contestants.items():
            if turn < rounds[name]:
                found[name].append(one_round())
    return {name: np.array(times) for name, times in found.items()}


def ratio(above: np.ndarray, below: np.ndarray) -> dict[str, float]:
    """Median and quartiles of the ratio of two times of one round, over the rounds that both took part in."""
    both = min(len(above), len(below))
    low, median, high = np.percentile(above[:both] / below[:both], [25, 50, 75])
    return {"ratio": float(median), "ratio_low": float(low), "ratio_high": float(high)}


class Report:
    """Rows: with ``as_json`` each is an object on a line as soon as it is known, else all are one table at the end."""

    def __init__(self, as_json: bool, *columns: str, **about: str) -> None:
        self.as_json = as_json
        self.table = Table(*columns, **about)  # type: ignore[arg-type]

    def add(self, row: Mapping[str, Any], *cells: str) -> None:
        """One row, as it is in JSON and as it is in the table."""
        if self.as_json:
            print(json.dumps(row), flush=True)
        self.table.add_row(*cells)

    def show(self) -> None:
        """To be called at the end."""
        if not self.as_json:
            Console(width=None if sys.stdout.isatty() else 120).print(self.table)  # in a file, nothing is cut off
