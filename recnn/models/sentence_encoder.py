"""Vectors of sentences and of their phrases, by any model of sentences."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from nltk import Tree
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from parsers.api import Parser
from parsers.trees import words_of
from recnn.data.parsing import Sentence
from recnn.errors import ModelError
from recnn.graphs.devices import chosen_device
from recnn.models.folder import Model, load
from recnn.models.sentences import SentenceModel, node_names

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class SentenceEncoder:
    """Turns sentences into vectors, with the method `encode` that sentence-transformers has.

    The vector of a sentence is the state of the root of its tree, or, in a model over sequences, that after its last
    word. Models of labelled trees and of pairs, autoencoders and translators have such states; those of a translator
    are its encoder's.

    Args:
        model: a model, or the folder of one or of a training run.
        parser: parser of the sentences without a tree, or its name, see `parsers.load`; by default that of the model,
            and for an autoencoder its greedy trees.

    Attributes:
        model: the model.
        size: size H of the vectors.

    Raises:
        ModelError: the model has no encoder of sentences, or the folder does not hold a model.

    >>> from nltk import Tree
    >>> import corpora, recnn
    >>> config = recnn.TreeConfig(("bad", "good"), parser="balanced", hidden_size=50)
    >>> model = recnn.TreeClassifier(config, corpora.Vocabulary(["a", "fine", "film"]))
    >>> encoder = recnn.SentenceEncoder(model)  # or SentenceEncoder("runs/lstm")
    >>> encoder.encode(["a fine film", Tree.fromstring("(X (X a fine) film)")]).shape
    (2, 50)
    >>> encoder.encode("a film", output="nodes").shape, encoder.phrases("a film")
    ((3, 50), ['a film', 'a', 'film'])
    """

    def __init__(self, model: str | Path | Model, parser: str | Parser | None = None) -> None:
        found = model if isinstance(model, Model) else load(model)
        if not isinstance(found, SentenceModel):
            where = "" if isinstance(model, Model) else f"{model}: "
            others = "models of kind 'trees', 'pairs', 'autoencoder' and 'translation' have one"
            raise ModelError(f"{where}a model of kind {found.kind!r} has no encoder of sentences; {others}")
        self.model, self.parser, self.size = found, parser, found.state_size

    def encode(
        self,
        sentences: Sentence | Iterable[Sentence],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | torch.device | None = None,
        normalize_embeddings: bool = False,
        output: Literal["root", "nodes"] = "root",
    ) -> Any:
        """Compute the vectors of sentences, or of all their phrases.

        Sentences are encoded in batches of similar lengths; the result is in their order.

        Args:
            sentences: strings, lists of words, or trees (nltk.Tree), which are not parsed; or a single string or tree.
            batch_size: number of sentences in a batch.
            show_progress_bar: show a progress bar on standard error; by default if that is a terminal and there are
                more sentences than in a batch.
            convert_to_numpy: return NumPy arrays; otherwise a list of tensors.
            convert_to_tensor: return tensors, whatever ``convert_to_numpy`` is.
            device: device to compute on, such as "cuda"; the model stays there. By default, where it is.
            normalize_embeddings: scale vectors to length 1.
            output: "root" for a vector of each sentence; "nodes" for those of all nodes of its tree, breadth first from
                the root. `phrases` returns the words of these nodes, `trees` the trees. In a translator over sequences
                there is a node for each word, in their order.

        Returns:
            (B, H) vectors of B sentences, or a list of B arrays (nodes, H); of a single sentence (H,), or (nodes, H).

        Raises:
            InputError: a sentence has no parse, or a tree does not fit the model, see `SentenceModel.trees`.
            ValueError: an argument has a wrong value.
        """
        if output not in ("root", "nodes"):
            raise ValueError(f"output must be 'root' or 'nodes', got {output!r}")
        if device is not None:
            self.model.to(chosen_device(device))
        given, single = _listed(sentences)
        if show_progress_bar is None:
            show_progress_bar = sys.stderr.isatty() and len(given) > batch_size
        found: Any
        with _progress(len(given), show_progress_bar) as done:
            trees = self.model.trees(given, self.parser, roots=output == "root")
            if output == "root":
                found = self.model.roots_of(trees, batch_size, done)
            else:
                found = self.model.each(trees, self._states_of_each, batch_size, done)
        if normalize_embeddings:
            found = F.normalize(found, dim=1) if output == "root" else [F.normalize(one, dim=1) for one in found]
        if convert_to_numpy and not convert_to_tensor:
            found = _array(found) if output == "root" else [_array(one) for one in found]
        elif not convert_to_tensor:
            found = list(found)
        return found[0] if single else found

    def trees(self, sentences: Sentence | Iterable[Sentence]) -> Any:
        """Return the trees whose nodes `encode` has vectors of: those of the parser, and those that are given.

        Nodes with more children than the model takes are binarised. Sentences are parsed once if these trees are then
        given to `encode` and `phrases`.

        Returns:
            A list of trees; of a single sentence its tree.
        """
        given, single = _listed(sentences)
        found = list(self.model.trees(given, self.parser))
        return found[0] if single else found

    def phrases(self, sentences: Sentence | Iterable[Sentence]) -> Any:
        """Return the words of all nodes, in the order of the vectors of ``encode(sentences, output="nodes")``.

        Returns:
            For each sentence a list of strings; of phrases of more than 100 words, they have the first 100. Of a single
            sentence, its list.
        """
        given, single = _listed(sentences)
        trees = self.model.trees(given, self.parser)
        found = [node_names(self.model.graph(tree), words_of(tree)) for tree in trees]
        return found[0] if single else found

    def _states_of_each(self, forest: DGLGraph) -> Sequence[Tensor]:
        split: tuple[Tensor, ...] = torch.split(self.model.states(forest), forest.batch_num_nodes().tolist())
        return split


def _listed(sentences: Sentence | Iterable[Sentence]) -> tuple[list[Sentence], bool]:
    """Return a list of sentences, and if a single one was given."""
    return ([sentences], True) if isinstance(sentences, str | Tree) else (list(sentences), False)


def _array(states: Tensor) -> NDArray[np.floating[Any]]:
    states = states.float() if states.dtype == torch.bfloat16 else states  # which NumPy does not have
    found: NDArray[np.floating[Any]] = states.cpu().numpy()
    return found


@contextmanager
def _progress(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar on, if one is shown."""
    if not shown:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("sentences"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
