"""Transformers of sentences and of trees into vectors."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from corpora.vocabulary import Vocabulary
from parsers.trees import words_of
from recnn.data.parsing import Sentence, trees_over
from recnn.models.config import RegressionConfig
from recnn.models.folder import Model
from recnn.models.regression import TreeRegressor
from recnn.models.sentence_encoder import SentenceEncoder
from recnn.sklearn.examples import Examples, OfSentences, OfTrees
from recnn.sklearn.network import Network, checked


class Vectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OfSentences):
    """Base class of the transformers."""

    def __init__(
        self,
        model: str | Path | Model | Network | None = None,
        *,
        parser: str | None = None,
        batch_size: int = 32,
        normalize: bool = False,
        cell: str = "lstm",
        input_size: int = 300,
        hidden_size: int = 300,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.parser = parser
        self.batch_size = batch_size
        self.normalize = normalize
        self.cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.random_state = random_state

    def fit(self, X: Examples, y: Any = None) -> Self:
        """Load the model; without one, make random weights for the words of the examples.

        Args:
            X: sentences or trees.
            y: not used.

        Raises:
            ValueError: a parameter has a wrong value, or a random network is to be made and a sentence has no parse.
        """
        given = self._examples(X, reset=True)
        if self.model is None:
            model: str | Path | Model = self._random(given)
        else:
            model = self.model.model_ if isinstance(self.model, Network) else self.model
        self.encoder_ = SentenceEncoder(model, self.parser)
        self._n_features_out = self.encoder_.size
        return self

    def transform(self, X: Examples) -> NDArray[np.float32]:
        """Compute the vectors (B, H).

        Args:
            X: B sentences or trees.
        """
        check_is_fitted(self, "encoder_")
        found: NDArray[np.float32] = self.encoder_.encode(
            self._examples(X), self.batch_size, False, normalize_embeddings=self.normalize
        )
        return found

    def _random(self, X: list[Sentence]) -> TreeRegressor:
        config = checked(RegressionConfig, self, "cell input_size hidden_size", parser=self.parser or "english")
        trees = trees_over(X, config.parser, config.max_children)
        vocabulary = Vocabulary.of(word for tree in trees for word in words_of(tree))
        with torch.random.fork_rng([]):
            torch.manual_seed(int(check_random_state(self.random_state).randint(2**31 - 1)))
            return TreeRegressor(config, vocabulary).eval()


class SentenceVectorizer(Vectorizer):
    """Vectors of sentences: the states of the roots of their trees, by `recnn.SentenceEncoder`.

    The examples are strings, lists of words, or trees (nltk.Tree), which are not parsed.

    Args:
        model: a trained model: the folder of one or of a training run, a `recnn.Model`, or a fitted estimator of
            `recnn.sklearn`. If None, a Tree-LSTM with random weights over random word vectors, a baseline (Wieting and
            Kiela, "No training required: exploring random encoders for sentence classification", ICLR 2019).
        parser: parser of the sentences without a tree, see `parsers.load`; by default that of the model, or "english".
        batch_size: number of sentences in a batch.
        normalize: scale the vectors to length 1.
        cell: cell of the random network.
        input_size: size of its word vectors.
        hidden_size: size of its hidden states.
        random_state: seed of its weights.

    Attributes:
        encoder_: the `recnn.SentenceEncoder`.

    >>> from recnn.sklearn import SentenceVectorizer
    >>> SentenceVectorizer(parser="balanced", hidden_size=20).fit_transform(["a fine film", "a film"]).shape
    (2, 20)
    """


class TreeVectorizer(OfTrees, Vectorizer):
    """Vectors of trees: the states of the roots.

    The examples are trees (nltk.Tree), or strings with trees in brackets. The parameters are those of
    `SentenceVectorizer`.
    """
