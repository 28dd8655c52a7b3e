"""Plots of learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from corpora.text import replacing
from recnn.errors import missing_extra
from recnn.training.objectives.base import Measure


def draw_curves(rows: Sequence[Mapping[str, float]], measures: Mapping[str, Measure], path: Path) -> None:
    """Plot the training loss and the validation metrics over the epochs, to a PNG file.

    Metrics that are shares have axes of their own, in percent.

    Args:
        rows: row of each epoch: ``epoch``, ``loss`` and the metrics.
        measures: metrics by name.
        path: file to write.

    Raises:
        InputError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    shares = [name for name, measure in measures.items() if measure.share]
    others = [name for name, measure in measures.items() if not measure.share]
    panels = [(["loss"], "training loss", 1), (shares, "percent, held-out data", 100), (others, "held-out data", 1)]
    panels = [panel for panel in panels if panel[0]]
    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, (names, label, scale) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for name in names:
            axes.plot(epochs, [scale * row[name] for row in rows], marker=".", label=name.replace("_", " "))
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(names) > 1 or label.startswith("held"):
            axes.legend()
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=120)
