"""Estimators on sentences and trees, in the tools of scikit-learn."""

import pickle
import re

import joblib
import numpy as np
import pytest
import torch
from nltk import Tree
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve
from sklearn.pipeline import make_pipeline

import recnn
from recnn.sklearn import (
    SentenceClassifier,
    SentenceRegressor,
    SentenceVectorizer,
    TreeClassifier,
    TreeRegressor,
    TreeVectorizer,
)

NOUNS, GOOD, BAD = ("film", "plot", "cast", "end"), ("fine", "good"), ("bad", "dull")
SENTENCES = [f"the {noun} is {word}" for noun in NOUNS for word in (*GOOD, *BAD)]
LABELS = np.array(["good" if sentence.split()[-1] in GOOD else "bad" for sentence in SENTENCES])
TREES = [f"(S (NP the {s.split()[1]}) (VP is {s.split()[3]}))" for s in SENTENCES]
NUMBERS = np.array([NOUNS.index(s.split()[1]) + 10 * (s.split()[3] in GOOD) for s in SENTENCES], dtype=float)
SMALL = {"hidden_size": 8, "input_size": 8, "parser": "balanced", "random_state": 0, "epochs": 15}


def same(one, other):
    theirs = other.model_.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.model_.state_dict().items())


@pytest.mark.parametrize(("kind", "X"), [(SentenceClassifier, SENTENCES), (TreeClassifier, TREES)])
def test_a_classifier_learns(kind, X):
    found = kind(**SMALL).fit(X, LABELS)
    assert found.score(X, LABELS) == 1
    assert found.classes_.tolist() == ["bad", "good"]
    probabilities = found.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == (LABELS == "good")).all()
    # The model's own prediction, one sentence at a time.
    trees = [Tree.fromstring(x) for x in X] if kind is TreeClassifier else X
    assert [found.model_.predict([tree])[0] for tree in trees] == LABELS.tolist()
    assert found.transform(X).shape == (16, 8)
    np.testing.assert_allclose(found.transform(X), recnn.SentenceEncoder(found.model_).encode(trees), rtol=1e-5)


@pytest.mark.parametrize("y", [NUMBERS, np.stack([NUMBERS, -1000 * NUMBERS], axis=1)])
@pytest.mark.parametrize(("kind", "X"), [(SentenceRegressor, SENTENCES), (TreeRegressor, TREES)])
def test_a_regressor_learns(kind, X, y):
    found = kind(**SMALL | {"epochs": 60, "dropout": 0.0}).fit(X, y)
    assert found.predict(X).shape == y.shape
    assert found.score(X, y) > 0.95


def test_classes_may_be_numbers():
    found = SentenceClassifier(**SMALL).fit(SENTENCES, np.where(LABELS == "good", 7, -1))
    assert found.predict(SENTENCES).dtype == np.int64
    assert set(found.predict(SENTENCES)) == {7, -1}


def test_the_seed_decides():
    first, again = (SentenceClassifier(**SMALL).fit(SENTENCES, LABELS) for _ in range(2))
    assert same(first, again)
    assert not same(first, SentenceClassifier(**SMALL | {"random_state": 1}).fit(SENTENCES, LABELS))
    assert not same(*(SentenceClassifier(**SMALL | {"random_state": None}).fit(SENTENCES, LABELS) for _ in range(2)))


def test_copies(tmp_path):
    found = SentenceClassifier(**SMALL).fit(SENTENCES, LABELS)
    joblib.dump(found, tmp_path / "model")
    for copy in (pickle.loads(pickle.dumps(found)), joblib.load(tmp_path / "model")):
        np.testing.assert_array_equal(copy.predict_proba(SENTENCES), found.predict_proba(SENTENCES))
    assert clone(found).get_params() == found.get_params()
    with pytest.raises(NotFittedError):
        clone(found).predict(SENTENCES)
    found.model_.save(tmp_path / "folder")
    assert recnn.load(tmp_path / "folder").predict(SENTENCES) == LABELS.tolist()
    assert recnn.explain(found.model_, SENTENCES[0]).words == SENTENCES[0].split()


def test_a_regressor_can_be_saved(tmp_path):
    y = np.stack([NUMBERS, -1000 * NUMBERS], axis=1)
    found = SentenceRegressor(**SMALL).fit(SENTENCES, y)
    found.model_.save(tmp_path)
    np.testing.assert_allclose(recnn.load(tmp_path).predict(SENTENCES), found.predict(SENTENCES), rtol=1e-5)


def test_partial_fit():
    whole = SentenceClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        whole.partial_fit(SENTENCES, LABELS)
    for _ in range(15):
        whole.partial_fit(SENTENCES, LABELS, classes=["good", "bad"])
    assert whole.n_iter_ == 15
    assert whole.score(SENTENCES, LABELS) == 1
    before = whole.model_.state_dict()["head.linear.weight"].clone()
    whole.partial_fit(["a word never seen"], ["bad"])
    assert not torch.equal(before, whole.model_.state_dict()["head.linear.weight"])
    with pytest.raises(ValueError, match="y has the class 'so-so', which is not one of"):
        whole.partial_fit(SENTENCES[:1], ["so-so"])
    with pytest.raises(ValueError, match="is not the same as in the first call"):
        whole.partial_fit(SENTENCES, LABELS, classes=["good", "so-so"])
    numbers = SentenceRegressor(**SMALL).partial_fit(SENTENCES, NUMBERS).partial_fit(SENTENCES, NUMBERS + 1)
    assert numbers.predict(SENTENCES).shape == (16,)
    with pytest.raises(ValueError, match="expected y of shape"):
        numbers.partial_fit(SENTENCES, np.stack([NUMBERS, NUMBERS], axis=1))


def test_weights_of_the_classes():
    """With hardly any weight on a class, it is not predicted; "balanced" is the weights of scikit-learn."""
    y = np.array(["b", *("a" * 15)])
    assert "b" in SentenceClassifier(**SMALL, class_weight={"a": 1e-4, "b": 1.0}).fit(SENTENCES, y).predict(SENTENCES)
    balanced, given = (
        SentenceClassifier(**SMALL, class_weight=weight).fit(SENTENCES, y)
        for weight in ("balanced", {"a": 8 / 15, "b": 8.0})
    )
    assert same(balanced, given)
    assert not same(balanced, SentenceClassifier(**SMALL).fit(SENTENCES, y))


def test_early_stopping():
    given = SMALL | {"early_stopping": True, "validation_fraction": 0.5, "n_iter_no_change": 2, "epochs": 100}
    found = SentenceClassifier(**given).fit(SENTENCES, LABELS)
    scores = [row["roots"] for row in found.history_]
    assert found.n_iter_ == len(scores) == scores.index(max(scores)) + 3 < 100
    numbers = SentenceRegressor(**given).fit(SENTENCES, NUMBERS)
    assert min(numbers.history_, key=lambda row: row["squared_error"])["epoch"] == numbers.n_iter_ - 2


def test_it_shows_what_it_does(capfd):
    SentenceClassifier(**SMALL | {"epochs": 2}, verbose=2).fit(SENTENCES, LABELS)
    lines = capfd.readouterr().out.splitlines()
    assert [re.sub(r"\d+\.\d+", "N", line) for line in lines] == ["epoch 1: loss N, N s", "epoch 2: loss N, N s"]
    SentenceClassifier(**SMALL | {"epochs": 2}, verbose=1).fit(SENTENCES, LABELS)
    assert "Epoch 1: 100%" in capfd.readouterr().out
    SentenceClassifier(**SMALL | {"epochs": 2}).fit(SENTENCES, LABELS)
    assert capfd.readouterr() == ("", "")


def test_a_search_over_cells():
    cells = {"cell": ["lstm", "gru", "recursive"], "hidden_size": np.array([4, 8])}
    search = GridSearchCV(SentenceClassifier(**SMALL), cells, cv=2).fit(SENTENCES, LABELS)
    assert search.best_score_ > 0.8
    assert len(search.cv_results_["params"]) == 6
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_other_tools():
    model = SentenceClassifier(**SMALL)
    assert cross_val_score(model, np.array(SENTENCES), LABELS, cv=2).shape == (2,)
    sizes, train, test = learning_curve(
        model, SENTENCES, LABELS, cv=2, train_sizes=[4, 8], shuffle=True, random_state=0
    )
    assert (sizes.tolist(), train.shape, test.shape) == ([4, 8], (2, 2), (2, 2))


@pytest.mark.parametrize(("kind", "X"), [(SentenceVectorizer, SENTENCES), (TreeVectorizer, TREES)])
def test_vectors_in_a_pipeline(kind, X):
    random = kind(hidden_size=50, input_size=50, parser="balanced", random_state=0)
    pipeline = make_pipeline(random, LogisticRegression()).fit(X, LABELS)
    assert pipeline.score(X, LABELS) == 1
    vectors = random.fit_transform(X)
    assert list(random.get_feature_names_out()[:2]) == [f"{kind.__name__.lower()}{i}" for i in range(2)]
    np.testing.assert_array_equal(vectors, clone(random).fit_transform(X))
    unit = clone(random).set_params(normalize=True).fit_transform(X)
    np.testing.assert_allclose(unit, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rtol=1e-5)


def test_vectors_of_a_trained_model(tmp_path):
    trained = SentenceClassifier(**SMALL).fit(SENTENCES, LABELS)
    trained.model_.save(tmp_path / "model")
    for model in (trained, trained.model_, tmp_path / "model", str(tmp_path / "model")):
        vectors = SentenceVectorizer(model).fit_transform(SENTENCES)
        np.testing.assert_allclose(vectors, trained.transform(SENTENCES), rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "X", "y", "error", "message"),
    [
        (SentenceClassifier(), "one sentence", ["a"], TypeError, "expected a list of sentences or trees, got one str"),
        (SentenceClassifier(), [], [], ValueError, "expected at least one sentence or tree, got an empty list"),
        (SentenceClassifier(), ["a", "b"], ["x"], ValueError, "inconsistent numbers of samples"),
        (SentenceClassifier(), ["a", "b"], ["x", "x"], ValueError, "expected at least two classes, got one class: 'x'"),
        (SentenceClassifier(), [["a"], 3], [0, 1], ValueError, "sentence 2: expected a string, a list of words"),
        (SentenceClassifier(), np.zeros((2, 2)), [0, 1], ValueError, "expected a list or a 1D array .* 2 dimensions"),
        (SentenceClassifier(), ["a", " "], [0, 1], ValueError, "sentence 2: .*no words"),
        (SentenceClassifier(parser="duck"), ["the boy", "?"], [0, 1], ValueError, "sentence 1: parser duck: "),
        (SentenceClassifier(cell="lstn"), ["a", "b"], [0, 1], ValueError, "cell: 'lstn' is not one of gru, lstm"),
        (
            SentenceClassifier(hidden_size=0),
            ["a", "b"],
            [0, 1],
            ValueError,
            "hidden_size: .* greater than or equal to 1",
        ),
        (SentenceClassifier(epochs=0), ["a", "b"], [0, 1], ValueError, "epochs: "),
        (SentenceClassifier(optimizer="sdg"), ["a", "b"], [0, 1], ValueError, "optimizer: .*'adagrad'"),
        (TreeClassifier(), ["(S a)", "(S (NP b)"], [0, 1], ValueError, "tree 2: line 1, column 1: .* never closed"),
        (TreeClassifier(), ["(S a)", ["b"]], [0, 1], ValueError, "tree 2: expected an nltk.Tree or a string, got list"),
        (SentenceRegressor(), ["a", "b"], [0, np.nan], ValueError, "NaN"),
        (SentenceRegressor(), ["a", "b"], None, ValueError, "y is None"),
        (SentenceVectorizer("nowhere"), ["a", "b"], None, ValueError, "nowhere: no such folder"),
    ],
)
def test_wrong_input(model, X, y, error, message):
    with pytest.raises(error, match=message):
        model.fit(X, y)
