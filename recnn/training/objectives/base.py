"""The interface of objectives: a model, its batches, its loss and its metrics on validation data."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from corpora.vectors import read_vectors
from corpora.vocabulary import Vocabulary
from parsers.errors import InputError
from recnn.data.batches import TreeBatches
from recnn.errors import missing_extra
from recnn.models.folder import Model
from recnn.models.phrases import WordVectors
from recnn.training.options import TreeTraining, WordTraining

try:
    from torchmetrics import Metric
except ModuleNotFoundError as error:
    raise missing_extra(error) from None


IGNORED = -100
"""Target that `torch.nn.functional.cross_entropy` ignores by default."""


@dataclass(eq=False)
class Measure:
    """A metric on the validation data.

    Attributes:
        metric: the metric.
        better: direction of improvement: "max" if larger values are better, "min" if smaller ones are.
        share: the value is a share from 0 to 1, and shown in percent.
        batches: what the metric was updated with since the last reset.
    """

    metric: Metric
    better: Literal["max", "min"] = "max"
    share: bool = True
    batches: list[tuple[Tensor, ...]] = field(default_factory=list, init=False, repr=False)

    def update(self, *values: Tensor) -> None:
        """Update the metric with E examples, such as sentences, and keep their values for `recnn compare`.

        Args:
            values: arguments of the metric, (E, *) each, with one row for each example.
        """
        self.metric.update(*values)
        self.batches.append(values)

    def reset(self) -> None:
        """Reset the metric, and forget the examples."""
        self.metric.reset()
        self.batches.clear()


class Objective(ABC):
    """A model with its data, its loss and its metrics: what `recnn.training.run.train` needs.

    Attributes:
        model: model to train.
        measures: metrics on the validation data by name; the first selects the best epoch, unless the setting
            ``monitor`` names another.
        closing: function that returns lines of text about the best model, to print at the end of a run; or None.
    """

    kinds: ClassVar[dict[str, type["Objective"]]] = {}
    """Classes of objectives by the kind of the model, see `objective_of`."""

    model: Model
    measures: dict[str, Measure]
    closing: Callable[[Any], list[str]] | None = None
    sparse_words: ClassVar[bool] = True
    """Allow sparse gradients of the word vectors; False where they are weights of the output layer as well."""

    def __init_subclass__(cls, kind: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if kind:
            Objective.kinds[kind] = cls

    @staticmethod
    @abstractmethod
    def measures_of(config: Any) -> dict[str, Measure]:
        """Make the metrics of a model, from its configuration."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[Any]:
        """Return the batches of an epoch, a sized iterable in an order that depends only on the seed and the epoch.

        Args:
            epoch: number of the epoch, from 0.
        """

    @abstractmethod
    def held_out(self) -> Iterable[Any]:
        """Return the batches of the validation data."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Compute the loss of a batch, a scalar."""

    def means(self, batch: Any) -> Sequence[tuple[Tensor, float]]:
        """Compute the terms of the loss, which is their sum, each with the number of items that it is a mean over.

        Several processes weight their means by these numbers, so that the sum is the loss of the whole batch.
        """
        return [(self.loss(batch), self.items(batch))]

    def items(self, batch: Any) -> float:
        """Return the number of items of a batch that the loss is a mean over, such as the nodes with a target; the sum
        of their weights if they have some.

        Raises:
            InputError: the batches cannot be divided over several processes.
        """
        raise InputError("devices: this model is trained in one process only, as its batches cannot be divided")

    @abstractmethod
    def measure(self, batch: Any) -> None:
        """Update the metrics with a batch of the validation data, by `Measure.update`."""

    @abstractmethod
    def digest(self) -> dict[str, str]:
        """Return hashes of the training and validation data: a run is resumed only with the same data."""

    def examples(self) -> str:
        """Return a hash of the validation examples: runs are compared example by example only if they have the same.

        It should not depend on what may differ between such runs, as the trees over sentences and the vocabulary do.
        """
        return self.digest()["dev"]

    def begin(self, training: bool) -> None:  # noqa: B027  # optional to override
        """Prepare for the first batch of an epoch, or of the validation data if ``training`` is False."""

    @property
    def words(self) -> list[WordVectors]:
        """Word vectors of the model, which have a learning rate of their own."""
        return [part for part in self.model.modules() if isinstance(part, WordVectors)]


def digest_of(*tensors: Tensor) -> str:
    """Return the SHA-256 hash of the values of some tensors, in hexadecimal digits."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def digest_of_text(examples: Iterable[object]) -> str:
    """Return the SHA-256 hash of some examples, tuples of text and numbers, in hexadecimal digits."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr(example).encode())
    return digest.hexdigest()


def means(values: Tensor, example: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Average some values by example; the result is what a `torchmetrics.MeanMetric` is updated with.

    Args:
        values: (V,) values.
        example: (V,) index of the example of each value.
        count: number E of examples.

    Returns:
        (E,) mean of the values of each example, 0 for none, and (E,) their number.
    """
    total = torch.zeros(count, dtype=torch.float64).index_add(0, example, values.double())
    number = torch.bincount(example, minlength=count)
    return total / number.clamp(min=1), number


def tree_batches(settings: TreeTraining, sizes: Sequence[int]) -> TreeBatches:
    """Make batches of trees by ``batch`` or ``nodes`` of the settings.

    Args:
        settings: settings of the training.
        sizes: number of nodes of each tree.
    """
    return TreeBatches(
        sizes, None if settings.nodes else settings.batch, settings.nodes, pool=settings.pool, seed=settings.seed
    )


def fill_vectors(words: WordVectors, vocabulary: Vocabulary, settings: WordTraining) -> None:
    """Initialise word vectors in place: at random, or from a file for the words that it has.

    Args:
        words: word vectors of the model; the vector of the unknown word is set to 0.
        vocabulary: words of the vectors.
        settings: standard deviations of the random vectors, and the file.

    Raises:
        CorpusError: the file is malformed.
        InputError: the vectors in the file do not have the size of those of the model.
        OSError: the file cannot be read.
    """
    nn.init.normal_(words.embedding.weight, std=settings.embedding_scale)
    nn.init.zeros_(words.embedding.weight[0])  # the unknown word, which may never occur in training
    if words.pieces is not None:
        nn.init.normal_(words.pieces.weight, std=settings.subword_scale)
    if settings.vectors is None:
        return
    found = read_vectors(Path(settings.vectors), vocabulary)
    size = words.embedding.embedding_dim
    if found.rows.shape[1] != size:
        raise InputError(f"{settings.vectors}: expected vectors of size {size}, got {found.rows.shape[1]}")
    with torch.no_grad():
        known = torch.from_numpy(found.found)
        words.embedding.weight[known] = torch.from_numpy(found.rows)[known]
