"""`recnn compare`: a table of training runs over their seeds, and of the differences between them."""

import csv
import re
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import lazy_loader
import typer
from rich import box
from rich.table import Table

from parsers.printing import printable
from recnn.commands.common import OnDevice, fail, wide
from recnn.commands.evaluate import results_on
from recnn.commands.streams import cell, print_json

if TYPE_CHECKING:
    from recnn.training.comparison import Difference, Runs

np = lazy_loader.load("numpy")

Format = Literal["text", "markdown", "latex", "csv", "json"]


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of training runs, or of the seeds of `recnn train --seeds`."),
    ],
    on: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Data to compare on, as in `recnn evaluate`. \\[default: the validation data of the runs]",
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, max=1 << 31, help="Number of resamples of the bootstrap.")] = 1000,
    form: Annotated[Format, typer.Option("--format", help="Format of the tables.")] = "text",
    device: OnDevice = "cpu",
) -> None:
    """Compare training runs.

    The first table has the metrics of the best model of each run, mean and standard deviation over the seeds, its
    number of parameters, and the seconds of an epoch and of a run.

    The second table has the differences between each two runs, with 95 percent confidence intervals and p-values by the
    paired bootstrap over the examples (Berg-Kirkpatrick et al. 2012), for runs that have results on the same examples.
    """
    from recnn.training.comparison import paired_bootstrap, read_seeds, same_examples

    results = None if on is None else lambda model, folder: results_on(model, folder, on, device)
    read = [read_seeds(folder, results) for folder in runs]
    for first, second in combinations(read, 2):
        if not same_examples(first, second):
            fail(f"{first.name} and {second.name} have results on different examples: no differences; see --on")
    differences = paired_bootstrap(read, resamples)
    if form == "json":
        found = {"runs": [_record(run) for run in read], "differences": [one._asdict() for one in differences]}
        print_json(_without_nan(found))
    else:
        print_runs(read, form)
        if differences:
            _print_differences(read, differences, form)


def print_runs(runs: "Sequence[Runs]", form: Format = "text") -> None:
    """Print the metrics, parameters and seconds of runs as a table."""
    names = list(dict.fromkeys(name for run in runs for name in run.seeds[0].measures))
    rows = []
    for run in runs:
        found, record = run.metrics(), _record(run)
        if form == "csv":
            metrics = [record["metrics"].get(name, {}).get(part) for name in names for part in ("mean", "deviation")]
        else:
            metrics = [_mean(found[name], run.seeds[0].measures[name].share) if name in found else "" for name in names]
        cost = [record[part] for part in ("parameters", "seconds_per_epoch", "seconds")]
        if form != "csv":
            cost = [f"{cost[0]:,}", *(f"{seconds:.1f}" for seconds in cost[1:])]
        rows.append([run.name, record["seeds"], *metrics, *cost])
    heads = [name.replace("_", " ") for name in names]
    if form == "csv":
        heads = [head for name in names for head in (name, f"{name}_deviation")]
    _print(["run", "seeds", *heads, "parameters", "s/epoch", "s"], rows, form)


def _print_differences(runs: "Sequence[Runs]", differences: "Sequence[Difference]", form: Format) -> None:
    print()
    if form == "csv":
        _print(differences[0]._fields, differences, form)
        return
    share = {name: measure.share for run in runs for name, measure in run.seeds[0].measures.items()}
    rows = []
    for one in differences:
        shown = [f"{100 * value:+.1f}" if share[one.metric] else f"{value:+.4g}" for value in one[3:6]]
        interval = f"{shown[1]}..{shown[2]}"
        rows.append([f"{one.first} - {one.second}", one.metric.replace("_", " "), shown[0], interval, f"{one.p:.3f}"])
    _print(["runs", "metric", "difference", "95% interval", "p"], rows, form)


def _record(run: "Runs") -> dict[str, Any]:
    """Return what the table says of a run, as JSON values."""
    seconds = [one.seconds for one in run.seeds]
    return {
        "run": run.name,
        "seeds": len(run.seeds),
        "metrics": {
            name: {"mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1)) if values[1:] else None}
            for name, values in run.metrics().items()
        },
        "parameters": round(np.mean([one.parameters for one in run.seeds])),
        "seconds_per_epoch": float(np.mean([each for one in seconds for each in one])),
        "seconds": float(np.mean([sum(one) for one in seconds])),
    }


def _without_nan(value: Any) -> Any:
    """Return JSON values with null in place of NaN."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if value != value else value


def _mean(values: Sequence[float], share: bool) -> str:
    mean, deviation = np.mean(values), np.std(values, ddof=1) if values[1:] else None
    if share:
        return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")
    return f"{mean:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")


def _print(heads: Sequence[str], rows: Sequence[Sequence[Any]], form: Format) -> None:
    """Print a table; all but its first column are numbers."""
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([heads, *rows])
        return
    lines = [[printable(str(value)) for value in row] for row in [heads, *rows]]
    if form == "markdown":
        lines = [[text.replace("|", "\\|") for text in line] for line in lines]
        lines.insert(1, ["---", *["--:"] * (len(heads) - 1)])
        for line in lines:
            wide.print("| " + " | ".join(line) + " |")
    elif form == "latex":
        lines = [[_latex(text) for text in line] for line in lines]
        body = [" & ".join(line) + r" \\" for line in lines]
        columns = "l" + "r" * (len(heads) - 1)
        wide.print(rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:], sep="\n")
        wide.print(r"\bottomrule", r"\end{tabular}", sep="\n")
    else:
        shown = Table(*heads, box=box.SIMPLE, pad_edge=False)
        for column in shown.columns[1:]:
            column.justify = "right"
        for line in lines[1:]:
            shown.add_row(*map(cell, line))
        wide.print(shown)


def _latex(text: str) -> str:
    text = re.sub(r"[\\~^]", lambda found: f"\\char`\\{found[0]} ", text)
    return re.sub(r"(?<!\\)([&%$#_{}])", r"\\\1", text).replace("±", r"$\pm$")
