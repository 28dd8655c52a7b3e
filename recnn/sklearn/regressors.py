"""Regressors of sentences and of trees."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted

from recnn.models import regression
from recnn.models.config import PhraseNetworkConfig, RegressionConfig
from recnn.settings import values_of
from recnn.sklearn.examples import Examples, OfTrees
from recnn.sklearn.network import Network, Part, targets_of
from recnn.training.objectives.regression import RegressionObjective
from recnn.training.options import TreeTraining


class Regressor(RegressorMixin, Network):
    """Base class of the regressors."""

    model_: regression.TreeRegressor

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Examples, y: ArrayLike) -> Self:
        """Train a new model, on the numbers in standard units.

        Args:
            X: B sentences or trees.
            y: (B,) or (B, C) numbers.

        Raises:
            ValueError: an argument or a parameter has a wrong value, a sentence has no parse, or a tree is malformed.
        """
        y = self._targets(y)
        given = self._examples(X, y, reset=True)
        self._begin(y)
        return self._train(given, y)

    def partial_fit(self, X: Examples, y: ArrayLike) -> Self:
        """Train for one epoch on these examples, from the weights so far.

        The vocabulary and the standard units are those of the first call; later words are unknown, unless ``subwords``
        are used. The state of the optimizer is not kept from call to call.

        Args:
            X: B sentences or trees.
            y: (B,) or (B, C) numbers.

        Raises:
            ValueError: as `fit`, or the number of numbers is not that of the first call.
        """
        first = not hasattr(self, "model_")
        y = self._targets(y)
        given = self._examples(X, y, reset=first)
        if first:
            self._begin(y)
            self.history_, self.n_iter_ = [], 0
        elif y.shape[1:] != self._shape:
            raise ValueError(f"expected y of shape (B, *{self._shape}) as in the first call, got {y.shape}")
        return self._train(given, y, again=True)

    def predict(self, X: Examples) -> NDArray[np.float64]:
        """Predict the numbers (B,) or (B, C).

        Args:
            X: as in `fit`.
        """
        check_is_fitted(self, "model_")
        found = self.model_.each(
            self._trees(self._examples(X)), lambda forest: self.model_.numbers(forest).double().cpu()
        )
        rows: NDArray[np.float64] = torch.stack(found).numpy()
        return rows.reshape(len(rows), *self._shape)

    def _targets(self, y: ArrayLike | None) -> NDArray[np.float64]:
        found: NDArray[np.float64] = check_array(targets_of(y), ensure_2d=False, dtype="float64", input_name="y")
        return found

    def _begin(self, y: NDArray[np.float64]) -> None:
        self._shape: Sequence[int] = y.shape[1:]
        rows = y.reshape(len(y), -1)
        self._units = rows.mean(0).tolist(), np.where(rows.std(0) > 0, rows.std(0), 1.0).tolist()

    def _strata(self, targets: NDArray[Any]) -> None:
        return None

    def _objective(
        self, network: PhraseNetworkConfig, training: TreeTraining, part: Part, held_out: Part | None, again: bool
    ) -> RegressionObjective:
        means, deviations = map(tuple, self._units)
        config = RegressionConfig(means=means, deviations=deviations, **values_of(network))
        model = self.model_ if again and hasattr(self, "model_") else None
        dev = None if held_out is None else (held_out.trees, _numbers(held_out))
        return RegressionObjective(config, training, part.trees, _numbers(part), dev, self._words, model)


def _numbers(part: Part) -> torch.Tensor:
    return torch.tensor(part.targets.reshape(len(part.trees), -1), dtype=torch.float32)


class SentenceRegressor(Regressor):
    """Regression from sentences: numbers from the state of the root of their trees, or of a sequence.

    The examples are strings, lists of words, or trees (nltk.Tree), which are not parsed. The parameters are those of
    `TreeClassifier`.

    >>> from recnn.sklearn import SentenceRegressor
    >>> X = ["a fine film", "a bad film", "fine", "bad"] * 5
    >>> regressor = SentenceRegressor(parser="balanced", hidden_size=10, random_state=0).fit(X, [5, 1] * 10)
    >>> good, bad = regressor.predict(["a fine film", "a bad film"])
    >>> bool(good > bad)
    True
    """


class TreeRegressor(OfTrees, Regressor):
    """Regression from trees: numbers from the state of the root.

    The examples are trees (nltk.Tree), or strings with trees in brackets. Their labels are not used, only their shape
    and words. The parameters are those of `TreeClassifier`.

    Attributes:
        model_: the trained `recnn.TreeRegressor`, which can be saved, and given to `recnn.SentenceEncoder`.
        history_: loss, metrics and seconds of each epoch.
        n_iter_: number of epochs.
    """
