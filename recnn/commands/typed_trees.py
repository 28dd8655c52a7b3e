"""Commands on trees of typed nodes: `recnn train trees`, and `recnn evaluate` and `predict` with its models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

import recnn
from parsers.errors import InputError
from parsers.printing import printable
from recnn.commands.common import Failures, folder_of, in_chunks, out, shown_values, wide
from recnn.commands.streams import print_json
from recnn.commands.train import trains
from recnn.data.sources import TypedTreeData
from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.training.options import TreeTraining, WordTraining
from recnn.trees.files import TreeExample, read_examples

if TYPE_CHECKING:
    from torch import Tensor

    from recnn.models.typed_trees import TypedTreeModel
    from recnn.training.objectives.base import Objective

_EVERY = 10
"""Of the trees of a single file, every tenth is for validation."""


@trains("trees", data=TypedTreeData, network=TypedNetworkConfig, words=WordTraining, training=TreeTraining)
def trees(data: TypedTreeData, network: TypedNetworkConfig, words: WordTraining, training: TreeTraining) -> Objective:
    """Predict targets of trees of any kind: programs, JSON, formulas, web pages, parses.

    --data takes a file that `recnn convert` writes, with a "target" on each line: a class, a list of labels, a number
    or a list of numbers; or with "targets", a list of these for all nodes, with null for nodes without one.
    """
    from recnn.training.objectives.typed_trees import TypedTreeObjective

    source = folder_of(data.data)
    parts = [part_of_trees(source, part) for part in ("train", "dev")]
    try:
        return TypedTreeObjective(network, training, parts[0], parts[1], words, data.task)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def part_of_trees(data: str, part: str) -> list[TreeExample]:
    """Read a part of the trees, "train", "dev" or "test", of a folder with a file for each part, or of one file.

    Raises:
        InputError: the folder has no such file, one file has no such part, or it is malformed.
    """
    path = Path(data)
    if path.is_dir():
        if not (path / f"{part}.jsonl").is_file():
            raise InputError(f"{data}: expected a file {part}.jsonl in this folder")
        return list(read_examples(path / f"{part}.jsonl"))
    if part not in ("train", "dev"):
        raise InputError(f"{data}: a single file has the parts train and dev, not {part}")
    return [
        example for number, example in enumerate(read_examples(path), 1) if (number % _EVERY == 0) == (part == "dev")
    ]


def labelled_examples(folder: Path, data: str) -> list[TreeExample]:
    """Read the trees of a file, or of a part of the data of the run of a model.

    Raises:
        InputError: as in `part_of_trees`.
    """
    from recnn.training.record import settings_of_data

    if data in ("train", "dev", "test") and not Path(data).exists():
        where = (settings_of_data(folder) or {}).get("data")
        if isinstance(where, str):
            return part_of_trees(where, data)
    return list(read_examples(data))


def evaluate_typed_trees(model: TypedTreeModel, folder: Path, data: str, as_json: bool) -> None:
    """Print the metrics of a model on trees with targets."""
    from recnn.training.objectives.typed_trees import measured_examples

    examples = labelled_examples(folder, data)
    try:
        measures = measured_examples(model, examples)
    except InputError as error:
        raise InputError(f"{data}: {error}") from None
    found = {name: float(measure.metric.compute()) for name, measure in measures.items()} if examples else {}
    if as_json:
        print_json({**found, "count": len(examples)})
    else:
        out.print(f"{shown_values(found)} of {len(examples):,} trees")


def predict_typed_trees(model: TypedTreeModel, path: Path, as_json: bool, failures: Failures) -> None:
    """Print the predictions for the trees of a file."""
    number = 0
    for some in in_chunks(read_examples(path)):
        fitted = list(_fitted(model, some, number, failures))
        number += len(some)
        outputs = model.predict_outputs(example.tree for _, example in fitted)
        for (name, example), found in zip(fitted, outputs, strict=True):
            if as_json:
                print_json({"tree": name, **_record(model, found)})
            elif model.config.at == "root":
                wide.print(f"{name}: {_shown(model, found)[0]}")
            else:
                wide.print(f"{name}:")
                for line in _drawn(example, _shown(model, found)):
                    wide.print(line)


def _fitted(
    model: TypedTreeModel, examples: list[TreeExample], before: int, failures: Failures
) -> Iterator[tuple[str, TreeExample]]:
    """Yield the trees that fit the model, with their names; the others are added to ``failures``."""
    for number, example in enumerate(examples, before + 1):
        name = example.source or f"tree {number}"
        try:
            model.graph(example.tree)
        except InputError as error:
            failures.add(InputError(f"{name}: {error}"))
        else:
            yield name, example


def _record(model: TypedTreeModel, outputs: Tensor) -> dict[str, Any]:
    """Return the prediction of a tree, and the probabilities of the classes or labels, as JSON values."""
    found: dict[str, Any] = {"prediction": model.named(outputs)}
    if model.config.task != "regression":
        found["probabilities"] = [dict(zip(model.config.labels, row, strict=True)) for row in outputs.tolist()]
    if model.config.at == "root":
        return {name: values[0] for name, values in found.items()}
    return found


def _shown(model: TypedTreeModel, outputs: Tensor) -> list[str]:
    """Describe each prediction."""
    found = []
    for value, row in zip(model.named(outputs), outputs.tolist(), strict=True):
        if model.config.task == "classes":
            found.append(f"{value} {100 * max(row):.0f}%")
        elif model.config.task == "labels":
            chosen = [f"{label} {100 * row[model.config.labels.index(label)]:.0f}%" for label in value]
            found.append(", ".join(chosen) or "no label")
        else:
            found.append(", ".join(f"{number:.4g}" for number in row))
    return found


def _drawn(example: TreeExample, shown: list[str]) -> Iterator[Text]:
    texts = [
        Text.assemble((printable(one), "bold"), f"  {printable(label if word is None else f'{label}: {word}')}")
        for one, label, word in zip(shown, example.tree.labels, example.tree.words, strict=True)
    ]
    return recnn.draw.tree_to_lines(example.tree.children(), texts)
