"""What models of sentences have in common: a tree over each sentence, and states of its phrases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from nltk import Tree
from torch import Tensor

from parsers.api import Parser
from parsers.errors import InputError
from parsers.printing import shown_words
from recnn.data.datasets import batch_of
from recnn.data.parsing import Sentence, numbered, trees_over
from recnn.graphs.structure import word_positions
from recnn.models.folder import Model

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_T = TypeVar("_T")

_POOL = 1024  # sentences that are sorted by length together, and parsed together


class SentenceModel(Model):
    """Base class of models that compute a state of each phrase of a sentence, see `recnn.SentenceEncoder`.

    A sentence is a string, which is parsed; a sequence of words, likewise; or an nltk.Tree, which is taken as it is.
    """

    @property
    @abstractmethod
    def state_size(self) -> int:
        """Size H of the states."""

    @abstractmethod
    def own_parser(self, roots: bool = False) -> str | Parser:
        """Return the parser of sentences without a tree, or its name, see `parsers.load`.

        Args:
            roots: only states of roots are needed.
        """

    @abstractmethod
    def graph(self, tree: Tree) -> DGLGraph:
        """Convert a tree to a graph with the indices of the model's vocabulary."""

    @abstractmethod
    def states(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the states (N, H) of all nodes, or (R, H) of the nodes in ``rows``.

        Args:
            forest: a graph or a batch, see `graph`.
            rows: (R,) indices of nodes; all nodes if None.
        """

    def split(self, sentence: str) -> str | list[str]:
        """Split a sentence into words, if the model has words of its own; otherwise this is left to the parser."""
        return sentence

    def trees(
        self,
        sentences: Iterable[Sentence],
        parser: str | Parser | None = None,
        roots: bool = False,
        place: Callable[[int], str] = numbered,
    ) -> Iterator[Tree]:
        """Yield the tree of each sentence, binarised if it has nodes with too many children for the model.

        Args:
            sentences: strings, sequences of words, or trees.
            parser: parser of the sentences without a tree, or its name; that of the model if None.
            roots: only states of roots are needed: a model over sequences of words gets trees of any shape.
            place: beginning of the error messages about the sentence with this index.

        Raises:
            InputError: a sentence has no parse, a tree does not fit the model, or there is no such parser.
        """
        if isinstance(sentences, str | Tree):
            raise InputError(f"expected a list of sentences, got one {type(sentences).__name__}: put it in a list")
        parser = self.own_parser(roots) if parser is None else parser
        split = (self.split(sentence) if isinstance(sentence, str) else sentence for sentence in sentences)
        return trees_over(split, parser, self.config.max_children, place)

    def root_states(self, forest: DGLGraph) -> Tensor:
        """Compute the states (B, H) of the roots of B trees."""
        return self.states(forest, (forest.out_degrees() == 0).nonzero().squeeze(1))

    def roots_of(
        self, trees: Iterable[Tree], batch_size: int = 32, done: Callable[[int], None] = lambda count: None
    ) -> Tensor:
        """Compute the states (B, H) of the roots of B trees; the arguments are those of `each`."""
        found = self.each(trees, self.root_states, batch_size, done)
        return torch.stack(found) if found else next(self.parameters()).new_empty(0, self.state_size)

    def each(
        self,
        trees: Iterable[Tree],
        compute: Callable[[DGLGraph], Iterable[_T]],
        batch_size: int = 32,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[_T]:
        """Compute something of each tree in evaluation mode, in batches of trees of similar sizes.

        Args:
            trees: see `trees`.
            compute: function from a batch of graphs to what is computed of each.
            batch_size: number of trees in a batch.
            done: called with the number of trees after each batch.

        Returns:
            What was computed, in the order of the trees.
        """
        return in_batches(self, map(self.graph, trees), compute, batch_size, done)


def in_batches(
    model: Model,
    graphs: Iterable[DGLGraph],
    compute: Callable[[DGLGraph], Iterable[_T]],
    batch_size: int = 32,
    done: Callable[[int], None] = lambda count: None,
) -> list[_T]:
    """Compute something of each graph with a model in evaluation mode, see `SentenceModel.each`."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
    found: list[_T] = []
    rest = iter(graphs)
    with _evaluating(model):
        while some := list(islice(rest, _POOL)):
            order = sorted(range(len(some)), key=lambda row: some[row].num_nodes())
            made: dict[int, _T] = {}
            for begin in range(0, len(order), batch_size):
                rows = order[begin : begin + batch_size]
                made.update(zip(rows, compute(batch_of([some[row] for row in rows])), strict=True))
                done(len(rows))
            found += [made[row] for row in range(len(some))]
    return found


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def node_names(graph: DGLGraph, words: list[str]) -> list[str]:
    """Names of the nodes: the words of a phrase, or the word of a leaf, of a node in a chain or in a dependency tree.

    Of a phrase of more than 100 words, only the first 100 are shown.
    """
    spans = graph.ndata["span"].clone()
    own = graph.ndata["word"] >= 0
    spans[own] = word_positions(graph)[own].unsqueeze(1)
    return [shown_words(words, start, end) for start, end in spans.tolist()]
