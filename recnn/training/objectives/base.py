"""What an objective is: a model, its batches, its loss, and what is measured on data held out."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

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
"""The target that torch's cross entropy leaves out."""


class Measure(NamedTuple):
    """Something that is measured on held-out data."""

    metric: Metric
    better: Literal["max", "min"] = "max"
    """Whether more is better, or less."""
    share: bool = True
    """Whether it is a share, shown in percent."""


class Objective(ABC):
    """What a run learns.

    Attributes:
        model: what learns.
        measures: what is measured on held-out data, by name; the first is what the best epoch is chosen by, unless
            told otherwise.
        closing: what is said of the best model at the end of a run, in lines.
    """

    model: Model
    measures: dict[str, Measure]
    closing: Callable[[Any], list[str]] | None = None
    sparse_words: ClassVar[bool] = True
    """Whether a batch has a gradient for few word vectors; not where they are output weights as well."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[Any]:
        """The batches of an epoch, from 0: a sized iterable in an order that the epoch and the seed decide."""

    @abstractmethod
    def held_out(self) -> Iterable[Any]:
        """The batches to measure on."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The loss of a batch, a scalar."""

    @abstractmethod
    def measure(self, batch: Any) -> None:
        """Update the measures with a batch."""

    @abstractmethod
    def digest(self) -> dict[str, str]:
        """What tells these data from others, for a run that goes on."""

    def begin(self, training: bool) -> None:  # noqa: B027  # most have nothing to do
        """Be ready for the first batch of an epoch, or of the held-out data."""

    @property
    def words(self) -> list[WordVectors]:
        """The word vectors, which have a learning rate of their own."""
        return [part for part in self.model.modules() if isinstance(part, WordVectors)]


def digest_of(*tensors: Tensor) -> str:
    """What tells one data set from another."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def tree_batches(settings: TreeTraining, sizes: Sequence[int]) -> TreeBatches:
    """Batches of trees of these sizes, as the settings of the training ask for."""
    return TreeBatches(
        sizes, None if settings.nodes else settings.batch, settings.nodes, pool=settings.pool, seed=settings.seed
    )


def fill_vectors(words: WordVectors, vocabulary: Vocabulary, settings: WordTraining) -> None:
    """Draw the initial vectors of all words at random, or read those that a file has.

    Raises:
        CorpusError: the file is malformed.
        InputError: its vectors are not of the model's size.
        OSError: it cannot be read.
    """
    nn.init.normal_(words.embedding.weight, std=settings.embedding_scale)
    nn.init.zeros_(words.embedding.weight[0])  # the unknown word, which may not occur in training
    if words.pieces is not None:
        nn.init.normal_(words.pieces.weight, std=settings.subword_scale)
    if settings.vectors is None:
        return
    found = read_vectors(Path(settings.vectors), vocabulary)
    size = words.embedding.embedding_dim
    if found.rows.shape[1] != size:
        raise InputError(f"{settings.vectors}: vectors of {found.rows.shape[1]} numbers, but input_size is {size}")
    with torch.no_grad():
        known = torch.from_numpy(found.found)
        words.embedding.weight[known] = torch.from_numpy(found.rows)[known]
