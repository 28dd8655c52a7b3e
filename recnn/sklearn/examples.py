"""The examples of a data set ``X``: sentences or trees in a list or a one-dimensional array."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from nltk import Tree
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length

from parsers.bracketed import tree_from_brackets
from parsers.errors import InputError
from recnn.data.parsing import Sentence

Examples: TypeAlias = Iterable[Sentence]
"""Strings, lists of words or trees: a list, an array or a pandas.Series."""


class OfSentences(BaseEstimator):
    """Estimator whose examples are sentences: strings and lists of words, which are parsed, or trees."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = False, True, True
        return tags

    def _examples(self, X: Examples, y: Any = None, reset: bool = False) -> list[Sentence]:
        """Return a list of the examples.

        Args:
            X: the examples.
            y: their targets, if there are any.
            reset: the examples are those of a first fit, with which later ones must agree; see scikit-learn's
                ``validate_data``. Sentences have no number of features, so there is nothing to agree on.

        Raises:
            ValueError: there are none, their number is not that of the targets, or ``X`` is a table.
            TypeError: ``X`` is a single example, or not iterable.
        """
        if isinstance(X, str | Tree) or not isinstance(X, Iterable):
            raise TypeError(f"expected a list of sentences or trees, got one {type(X).__name__}")
        if (dimensions := getattr(X, "ndim", 1)) != 1:
            raise ValueError(f"expected a list or a 1D array of sentences or trees, got one of {dimensions} dimensions")
        found = [str(one) if isinstance(one, np.str_) else one for one in X]
        if not found:
            raise ValueError("expected at least one sentence or tree, got an empty list")
        if y is not None:
            check_consistent_length(found, y)
        return found


class OfTrees(OfSentences):
    """Estimator whose examples are trees: nltk.Tree, or strings with trees in brackets."""

    def _examples(self, X: Examples, y: Any = None, reset: bool = False) -> list[Sentence]:
        return [_tree(number, one) for number, one in enumerate(super()._examples(X, y, reset), 1)]


def _tree(number: int, given: Sentence) -> Tree:
    if isinstance(given, Tree):
        return given
    if not isinstance(given, str):
        raise InputError(f"tree {number}: expected an nltk.Tree or a string, got {type(given).__name__}")
    try:
        return tree_from_brackets(given)
    except InputError as error:
        raise InputError(f"tree {number}: {error}") from None
