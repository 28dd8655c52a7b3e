"""Classifiers of sentences and of trees."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import torch
from nltk import Tree
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from parsers.transform import relabelled
from recnn.models import trees
from recnn.models.config import PhraseNetworkConfig, TreeConfig
from recnn.settings import values_of
from recnn.sklearn.examples import Examples, OfTrees
from recnn.sklearn.network import Network, Part, targets_of
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining


class Classifier(ClassifierMixin, Network):
    """Base class of the classifiers."""

    model_: trees.TreeClassifier

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
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        device: str = "cpu",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            cell=cell,
            cell_options=cell_options,
            model=model,
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            arity=arity,
            direction=direction,
            dropout=dropout,
            word_dropout=word_dropout,
            subwords=subwords,
            min_count=min_count,
            vectors=vectors,
            parser=parser,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Examples, y: ArrayLike) -> Self:
        """Train a new model.

        Args:
            X: B sentences or trees.
            y: (B,) their classes, at least two different ones.

        Raises:
            ValueError: an argument or a parameter has a wrong value, a sentence has no parse, or a tree is malformed.
        """
        y = self._targets(y)
        given = self._examples(X, y, reset=True)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(f"expected at least two classes, got one class: {classes.tolist()[0]!r}")
        self.classes_ = classes
        return self._train(given, y)

    def partial_fit(self, X: Examples, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train for one epoch on these examples, from the weights so far.

        The vocabulary is that of the first call; later words are unknown, unless ``subwords`` are used. The state of
        the optimizer is not kept from call to call.

        Args:
            X: B sentences or trees.
            y: (B,) their classes.
            classes: all classes that can occur; needed in the first call.

        Raises:
            ValueError: as `fit`, or ``classes`` are missing, or differ from those of the first call.
        """
        first = not hasattr(self, "model_")
        y = self._targets(y)
        given = self._examples(X, y, reset=first)
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit")
        known = np.unique(classes) if classes is not None else self.classes_
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes={known} is not the same as in the first call to partial_fit: {self.classes_}")
        if unknown := sorted(set(y.tolist()) - set(known.tolist()), key=str):
            raise ValueError(f"y has the class {unknown[0]!r}, which is not one of {known}")
        self.classes_ = known
        if first:
            self.history_, self.n_iter_ = [], 0
        return self._train(given, y, again=True)

    def predict(self, X: Examples) -> NDArray[Any]:
        """Predict the classes (B,).

        Args:
            X: as in `fit`.
        """
        probabilities = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return found

    def predict_proba(self, X: Examples) -> NDArray[np.float64]:
        """Predict the probabilities (B, C) of the classes, in the order of ``classes_``.

        Args:
            X: as in `fit`.
        """
        check_is_fitted(self, "model_")
        head = self.model_.head
        found = self.model_.each(
            self._trees(self._examples(X)),
            lambda forest: head.probabilities(head(self.model_.root_states(forest)).double()).cpu(),
        )
        rows: NDArray[np.float64] = torch.stack(found).numpy()
        return rows

    def _targets(self, y: ArrayLike | None) -> NDArray[Any]:
        found: NDArray[Any] = column_or_1d(targets_of(y), warn=True)
        check_classification_targets(found)
        return found

    def _strata(self, targets: NDArray[Any]) -> NDArray[Any]:
        return targets

    def _objective(
        self, network: PhraseNetworkConfig, training: TreeTraining, part: Part, held_out: Part | None, again: bool
    ) -> TreeObjective:
        names = [str(name) for name in self.classes_]
        if len(set(names)) < len(names) or not all(names):
            names = [str(number) for number in range(len(names))]
        labels = dict(zip(self.classes_.tolist(), names, strict=True))
        weights = None
        if self.class_weight is not None:
            found = compute_class_weight(self.class_weight, classes=self.classes_, y=part.targets)
            weights = torch.from_numpy(found).float()
        config = TreeConfig(tuple(names), **values_of(network))
        model = self.model_ if again and hasattr(self, "model_") else None
        dev = None if held_out is None else _labelled(held_out, labels)
        return TreeObjective(config, training, _labelled(part, labels), dev, self._words, "roots", weights, model)


def _labelled(part: Part, labels: Mapping[Any, str]) -> list[Tree]:
    return [relabelled(tree, labels[y]) for tree, y in zip(part.trees, part.targets.tolist(), strict=True)]


class SentenceClassifier(Classifier):
    """Classifier of sentences by the state of the root of their trees, or of a sequence.

    The examples are strings, lists of words, or trees (nltk.Tree), which are not parsed. The parameters are those of
    `TreeClassifier`.

    >>> from recnn.sklearn import SentenceClassifier
    >>> X = ["a fine film", "a bad film", "fine", "bad"] * 5
    >>> classifier = SentenceClassifier(parser="balanced", hidden_size=10, random_state=0).fit(X, ["+", "-"] * 10)
    >>> classifier.predict(["a fine fine film", "bad bad"]).tolist()
    ['+', '-']
    """


class TreeClassifier(OfTrees, Classifier):
    """Classifier of trees by the state of the root.

    The examples are trees (nltk.Tree), or strings with trees in brackets. Their labels are not used, only their shape
    and words.

    Args:
        cell: name of the cell: "lstm", "gru", "recursive", "tensor", "matrix-vector", or one of your own.
        cell_options: options of the cell, such as ``{"peepholes": True}``.
        model: "tree" for a network over the tree, "sequence" for one over its words in their order.
        input_size: size of the word vectors.
        hidden_size: size of the hidden states.
        num_layers: number of layers.
        arity: number of children with weights of their own, nodes with more are binarised; "sum" for any number of
            children as a set.
        direction: "up", "down" or "both".
        dropout: dropout before the output layer.
        word_dropout: probability of replacing a word by the unknown word in training.
        subwords: number of hash buckets for character n-grams, from which unknown words get vectors too; 0 for none.
        min_count: frequency below which a word is unknown.
        vectors: file of pretrained word vectors in GloVe's or word2vec's text format.
        parser: parser of sentences that have no tree, see `parsers.load`.
        epochs: number of passes over the training data.
        batch_size: number of examples in a batch.
        optimizer: "adagrad", "adam", "adamw" or "sgd".
        learning_rate: learning rate.
        weight_decay: weight decay of all but the word vectors.
        class_weight: weight of each class in the loss, or "balanced"; None for equal weights. Of classifiers only.
        early_stopping: set ``validation_fraction`` of the examples aside, keep the best epoch, and stop after
            ``n_iter_no_change`` epochs without improvement.
        validation_fraction: share of the examples to validate on.
        n_iter_no_change: see ``early_stopping``.
        device: "cpu", "cuda" or "auto".
        random_state: seed of the initial weights, the order of the examples, dropout and the validation data.
        verbose: 1 for a progress bar, 2 for a line for each epoch.

    Attributes:
        classes_: (C,) the classes.
        model_: the trained `recnn.TreeClassifier`, which can be saved, and given to `recnn.SentenceEncoder` and
            `recnn.explain`.
        history_: loss, metrics and seconds of each epoch.
        n_iter_: number of epochs.

    >>> from recnn.sklearn import TreeClassifier
    >>> X = ["(S (NP a fine) film)", "(S (NP a bad) film)"] * 10
    >>> classifier = TreeClassifier(hidden_size=10, random_state=0).fit(X, [1, 0] * 10)
    >>> classifier.predict_proba(["(S fine film)"]).shape
    (1, 2)
    """
