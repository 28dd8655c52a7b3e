"""What a model achieved on each validation example: the file ``examples.safetensors`` of a run.

For each metric the file holds the values that the metric was updated with, one row for each example; so the metric can
be computed over any choice of the examples, see `recnn.training.comparison`.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from corpora.text import replacing
from recnn.errors import RunError
from recnn.training.objectives.base import Measure

FILE = "examples.safetensors"
_DIGEST = "digest"


@dataclass(frozen=True, eq=False)
class Examples:
    """What metrics were updated with on some examples.

    Attributes:
        digest: hash of the examples, see `recnn.training.objectives.base.Objective.examples`.
        values: arguments of each metric, by its name, each of E rows.
    """

    digest: str
    values: dict[str, tuple[Tensor, ...]]

    @classmethod
    def of(cls, measures: Mapping[str, Measure], digest: str) -> "Examples":
        """Collect what some metrics were updated with; those composed of others, which are not updated, are left out.

        Args:
            measures: metrics by name.
            digest: hash of the examples.
        """
        found = {name: measure.batches for name, measure in measures.items() if measure.batches}
        return cls(digest, {name: tuple(map(torch.cat, zip(*rows, strict=True))) for name, rows in found.items()})

    def metrics(
        self, measures: Mapping[str, Measure], sample: Callable[[int], Tensor] | None = None
    ) -> dict[str, float]:
        """Compute the metrics over all examples, or over a sample of them.

        Args:
            measures: metrics by name, new ones or those that the examples were collected from; they are reset.
            sample: function from the number E of examples of a metric to indices (n,) of the examples in the sample.
        """
        for measure in measures.values():
            measure.reset()
        for name, values in self.values.items():
            index = slice(None) if sample is None else sample(len(values[0]))
            measures[name].metric.update(*(part[index] for part in values))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*variance of predictions")  # the correlation is NaN then
            return {name: float(measure.metric.compute()) for name, measure in measures.items()}

    def save(self, path: Path) -> None:
        """Write the file, which replaces an existing one as a whole.

        Raises:
            OSError: the file cannot be written.
        """
        tensors = {f"{name}.{at}": part for name, parts in self.values.items() for at, part in enumerate(parts)}
        tensors[_DIGEST] = torch.tensor(list(bytes.fromhex(self.digest)), dtype=torch.uint8)
        content = save({name: value.contiguous() for name, value in tensors.items()})
        with replacing(path) as part, open(part, "wb") as file:
            file.write(content)

    @classmethod
    def load(cls, path: Path) -> "Examples":
        """Read the file.

        Raises:
            RunError: there is no such file, or it is malformed.
            OSError: the file cannot be read.
        """
        try:
            tensors = load(path.read_bytes())
            digest = bytes(tensors.pop(_DIGEST).tolist()).hex()
        except FileNotFoundError:
            problem = "the run has no results by example, as those of earlier versions: give --on DATA"
            raise RunError(f"{path.parent}: {problem}") from None
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path}: not as a run writes it: {error}") from None
        values: dict[str, list[Tensor]] = defaultdict(list)
        for name in sorted(tensors):
            values[name.rpartition(".")[0]].append(tensors[name])
        return cls(digest, {name: tuple(parts) for name, parts in values.items()})
