"""What an objective is: a model, its batches, its loss, and what is measured on data held out."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor

from recnn.models.folder import Model, missing_extra
from recnn.models.phrases import WordVectors

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
