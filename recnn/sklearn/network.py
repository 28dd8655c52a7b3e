"""What classifiers and regressors have in common: their parameters, training, and vectors of the roots."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from nltk import Tree
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from parsers.errors import InputError
from recnn.data.parsing import Sentence, trees_over
from recnn.models.config import PhraseNetworkConfig
from recnn.models.phrase_model import PhraseModel
from recnn.settings import problem_of
from recnn.sklearn.examples import Examples, OfSentences
from recnn.training.memory import fit
from recnn.training.objectives.base import Objective
from recnn.training.options import TreeTraining, WordTraining

_S = TypeVar("_S")


@dataclass(frozen=True)
class Part:
    """Examples of a training: trees, and a target (B, *) for each."""

    trees: list[Tree]
    targets: NDArray[Any]

    def __getitem__(self, rows: NDArray[np.intp]) -> "Part":
        return Part([self.trees[row] for row in rows], self.targets[rows])


class Network(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OfSentences):
    """Base class of the estimators; the parameters are described in `recnn.sklearn.TreeClassifier`."""

    model_: PhraseModel

    def __init__(
        self,
        *,
        cell: str = "lstm",
        cell_options: Mapping[str, Any] | None = None,
        model: str = "tree",
        input_size: int = 100,
        hidden_size: int = 100,
        num_layers: int = 1,
        arity: int | str = 2,
        direction: str = "up",
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        subwords: int = 0,
        min_count: int = 1,
        vectors: str | None = None,
        parser: str = "english",
        epochs: int = 10,
        batch_size: int = 25,
        optimizer: str = "adagrad",
        learning_rate: float = 0.05,
        weight_decay: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        device: str = "cpu",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.cell_options = cell_options
        self.model = model
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.arity = arity
        self.direction = direction
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.subwords = subwords
        self.min_count = min_count
        self.vectors = vectors
        self.parser = parser
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _objective(
        self, network: PhraseNetworkConfig, training: TreeTraining, part: Part, held_out: Part | None, again: bool
    ) -> Objective:
        """Make the objective of a training, which continues with `model_` if ``again`` is True."""

    @abstractmethod
    def _strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        """Return the classes whose shares the validation data should keep, if there are any."""

    def transform(self, X: Examples) -> NDArray[np.float32]:
        """Compute the states (B, H) of the roots: vectors of the sentences or trees for other estimators.

        Args:
            X: as in `fit`.
        """
        check_is_fitted(self, "model_")
        states: NDArray[np.float32] = self.model_.roots_of(self._trees(self._examples(X))).cpu().numpy()
        return states

    @property
    def _n_features_out(self) -> int:  # read by ClassNamePrefixFeaturesOutMixin
        return self.model_.state_size

    def _train(self, X: Sequence[Sentence], targets: NDArray[Any], again: bool = False) -> Self:
        """Train a new model, or `model_` for one epoch more if ``again`` is True."""
        network = checked(
            PhraseNetworkConfig,
            self,
            "model cell input_size hidden_size num_layers arity direction dropout word_dropout subwords parser",
            cell_options={name: _plain(value) for name, value in (self.cell_options or {}).items()},
        )
        training = self._training(again)
        part = Part(self._trees(X, network), targets)
        held_out = None
        if self.early_stopping and not again:
            rows, others = train_test_split(
                np.arange(len(X)),
                test_size=self.validation_fraction,
                random_state=training.seed % (1 << 32),
                stratify=self._strata(targets),
            )
            part, held_out = part[rows], part[others]
        report: Callable[[str], None] = print if self.verbose > 1 else lambda line: None
        make = lambda: self._objective(network, training, part, held_out, again)  # noqa: E731
        self.model_, rows = fit(make, training, progress=self.verbose == 1, report=report)  # type: ignore[assignment]
        self.history_: list[dict[str, float]] = [*self.history_, *rows] if again else rows
        self.n_iter_ = len(self.history_)
        return self

    def _training(self, again: bool) -> TreeTraining:
        # Epochs that are trained one at a time, by partial_fit, have a random seed each, as the others have.
        seed = int(check_random_state(self.random_state).randint(2**31 - 1)) + (self.n_iter_ if again else 0)
        return checked(
            TreeTraining,
            self,
            "optimizer learning_rate weight_decay device",
            seed=seed,
            batch=_plain(self.batch_size),
            epochs=1 if again else _plain(self.epochs),
            patience=_plain(self.n_iter_no_change) if self.early_stopping and not again else None,
        )

    @property
    def _words(self) -> WordTraining:
        return checked(WordTraining, self, "min_count vectors")

    def _trees(self, X: Sequence[Sentence], network: PhraseNetworkConfig | None = None) -> list[Tree]:
        config = network or self.model_.config
        return list(trees_over(X, config.root_parser, config.max_children))


def checked(kind: type[_S], estimator: BaseEstimator, names: str, **more: Any) -> _S:
    """Make settings of the class ``kind`` from parameters of an estimator.

    Raises:
        ValueError: a parameter has a wrong value; the message is one line that names it.
    """
    try:
        return kind(**{name: _plain(getattr(estimator, name)) for name in names.split()}, **more)
    except ValidationError as error:
        raise InputError(problem_of(error)) from None


def _plain(value: Any) -> Any:
    """Return a number of NumPy, as in a grid of parameters, as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def targets_of(y: ArrayLike | None) -> Any:
    """Return the targets.

    Raises:
        ValueError: there are none.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    return y
