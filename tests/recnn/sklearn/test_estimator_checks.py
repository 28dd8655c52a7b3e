"""scikit-learn's own checks of estimators, on tables whose rows are made sentences: each number is a word."""

from functools import partial

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_consistent_length, validate_data

from recnn.sklearn import SentenceClassifier, SentenceRegressor, SentenceVectorizer


class Rows:
    """Reads the tables of the checks, which sentences are not."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        for of_kind in (tags.classifier_tags, tags.regressor_tags):
            if of_kind is not None:
                of_kind.poor_score = True  # after one epoch
        return tags

    def _examples(self, X, y=None, reset=False):
        X = validate_data(self, X, reset=reset, dtype="numeric")
        if y is not None:
            check_consistent_length(X, y)
        return [[f"{column}:{np.floor(float(value))}" for column, value in enumerate(row)] for row in X]


class Classifier(Rows, SentenceClassifier):
    pass


class Regressor(Rows, SentenceRegressor):
    pass


class Vectorizer(Rows, SentenceVectorizer):
    pass


EXPECTED = {
    "check_transformer_preserve_dtypes": "the weights are float32, and so are the vectors",
    "check_methods_sample_order_invariance": "the tolerance is 1e-7, and float32 in another order differs by as much",
}
small = partial(dict, hidden_size=4, input_size=4, parser="balanced", random_state=0)


@pytest.mark.filterwarnings("default")  # the checks warn of what they skip
@parametrize_with_checks(
    [Classifier(**small(epochs=1, dropout=0.0)), Regressor(**small(epochs=1, dropout=0.0)), Vectorizer(**small())],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_estimator(estimator, check):
    check(estimator)
