"""Plots by matplotlib: learning curves and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.text import replacing
from parsers.errors import InputError
from recnn.errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curves(
    rows: Sequence[Mapping[str, float]], metrics: Mapping[str, bool], path: str | Path | None = None
) -> Figure:
    """Plot the training loss and the validation metrics over the epochs.

    Args:
        rows: row of each epoch: ``epoch``, ``loss`` and the metrics.
        metrics: names of the metrics; True for shares, which have axes of their own, in percent.
        path: file to write as well: .png, .svg or .pdf, as its name ends; by default none.

    Raises:
        InputError: matplotlib is not installed, or the name of the file ends otherwise.
        OSError: the file cannot be written.
    """
    shares = [name for name, share in metrics.items() if share]
    others = [name for name, share in metrics.items() if not share]
    panels = [(["loss"], "training loss", 1), (shares, "percent, held-out data", 100), (others, "held-out data", 1)]
    panels = [panel for panel in panels if panel[0]]
    figure, ticks = _figure(4.5 * len(panels), 3.5)
    epochs = [row["epoch"] for row in rows]
    for axes, (names, label, scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            axes.plot(epochs, [scale * row[name] for row in rows], marker=".", label=name.replace("_", " "))
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(ticks(integer=True))
        if len(names) > 1 or label.startswith("held"):
            axes.legend()
    return _saved(figure, path)


def confusion_matrix(counts: Any, labels: Sequence[str], path: str | Path | None = None) -> Figure:
    """Plot how often each class was predicted for each class: counts, and shares of the row as colour.

    Args:
        counts: (C, C) number of examples by their class (row) and the predicted class (column), such as
            `recnn.Scores.confusion`.
        labels: labels of the C classes.
        path: as in `learning_curves`.

    Raises:
        InputError: there are not as many rows and columns as labels; or as in `learning_curves`.
        OSError: the file cannot be written.
    """
    import numpy as np

    table = np.asarray(counts)
    if table.shape != (len(labels), len(labels)):
        raise InputError(f"expected counts of {len(labels)} classes, got an array of the shape {table.shape}")
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = 1.6 + 0.55 * len(labels)
    figure, _ = _figure(side + 0.8, side)
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)  # perceived alike by colour-blind people
    for (row, column), share in np.ndenumerate(shares):
        colour = "black" if share > 0.5 else "white"
        axes.text(column, row, f"{table[row, column]:,}", ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="predicted", ylabel="target", xticks=range(len(labels)), yticks=range(len(labels)))
    axes.set_xticklabels(labels, rotation=90 if max(map(len, labels), default=0) > 3 else 0)
    axes.set_yticklabels(labels)
    figure.colorbar(drawn, label="share of the target")
    return _saved(figure, path)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    return Figure(figsize=(width, height), layout="constrained"), MaxNLocator


def _saved(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        suffix = Path(path).suffix.lower()
        if suffix not in (".png", ".svg", ".pdf"):
            raise InputError(f"{path}: expected a file name that ends in .png, .svg or .pdf")
        with replacing(path) as part:
            figure.savefig(part, format=suffix[1:], dpi=120)
    return figure
