"""Accuracy on the Stanford Sentiment Treebank's dev trees: the configurations of examples/sst, each with some seeds.

    python benchmarks/sst_accuracy.py --data SST --out runs [--seeds 3] [--models tree_lstm,rntn]

SST is a folder with train.txt and dev.txt. Each run is `recnn train sentiment --config examples/sst/MODEL.toml --data
SST --seed N`, and is skipped where it was done before; then `recnn evaluate --json` on dev.txt, on which the epoch was
chosen as well. Test figures want `recnn evaluate RUN test.txt`.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

CONFIGS = Path(__file__).parent.parent / "examples" / "sst"
COLUMNS = [
    (place, name) for name in ("fine", "binary", "binary_largest", "binary_strict") for place in ("all", "roots")
]


def recnn(*arguments: object) -> str:
    """The standard output of a command; its standard error is shown."""
    command = [sys.executable, "-m", "recnn", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(
    data: Annotated[Path, typer.Option(help="The folder of the treebank.")],
    out: Annotated[Path, typer.Option(help="Where the runs go.")],
    seeds: Annotated[int, typer.Option(help="Runs of each model.")] = 3,
    models: Annotated[str, typer.Option(help="Configurations in examples/sst.")] = "recnn,rntn,bilstm,tree_lstm",
) -> None:
    """Train, evaluate and print a table: mean and standard deviation over the seeds, in percent."""
    table = Table("model", *(f"{name} {place}" for place, name in COLUMNS), box=None)
    for model in models.split(","):
        found = []
        for seed in range(seeds):
            run = out / f"{model}-{seed}"
            if not (run / "curves.png").exists():  # the last file that a run writes
                begun = (run / "run.json").exists()
                settings = ["--config", CONFIGS / f"{model}.toml", "--data", data, "--seed", seed]
                recnn("train", "sentiment", "--out", run, *(["--resume"] if begun else settings))
            found.append(json.loads(recnn("evaluate", "--json", run, data / "dev.txt")))
        cells = []
        for place, name in COLUMNS:
            shares = [100 * one[place][name] for one in found]
            spread = f" ±{statistics.stdev(shares):.1f}" if len(shares) > 1 else ""
            cells.append(f"{statistics.mean(shares):.1f}{spread}")
        table.add_row(model, *cells)
        print(f"{model}: {cells}", file=sys.stderr)
    Console(width=200).print(table)


if __name__ == "__main__":
    typer.run(main)
