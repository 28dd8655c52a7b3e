"""Recursive autoencoder: vectors of phrases, from which the vectors of their parts are reconstructed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import torch
from nltk import Tree
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.vocabulary import Vocabulary
from parsers.api import Parser, Parses
from parsers.dependency_trees import DependencyTree
from parsers.errors import SentenceError, TreeError
from parsers.tokens import tokens_and_words
from parsers.trees import words_of
from recnn.cells.base import Nodes
from recnn.cells.recursive import RecursiveCell
from recnn.data.parsing import Sentence
from recnn.engines.propagate import propagate
from recnn.graphs.convert import batch, graph_to_tree, tree_to_graph
from recnn.graphs.devices import all_to_device_of
from recnn.layers.heads import Head
from recnn.models.config import AutoencoderConfig
from recnn.models.phrases import WordVectors
from recnn.models.sentences import SentenceModel

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

_AT_ONCE = 256  # sentences whose greedy trees are built in parallel


class Reconstruction(NamedTuple):
    """The result of a `TreeAutoencoder` for a forest of N nodes and E edges."""

    states: Tensor
    """(N, H) vectors c and p of words and phrases."""
    children: Tensor
    """(E, H) reconstruction c' of the child of each edge."""
    error: Tensor
    """(N,) reconstruction error E_rec of each phrase; 0 for a word."""


class Phrase(NamedTuple):
    """A phrase and the reconstruction of its parts."""

    node: int
    """Index of the node."""
    span: tuple[int, int]
    """Positions of its first and last word, from 1."""
    error: float
    """Reconstruction error E_rec."""
    parts: list[str | None]
    """For each child, the word whose vector is nearest to the reconstruction; None for a child that is a phrase."""
    sentence: list[str]
    """Words of the tree; one list for all its phrases."""

    @property
    def words(self) -> list[str]:
        """Words of the phrase."""
        return self.sentence[self.span[0] - 1 : self.span[1]]


class TreeAutoencoder(SentenceModel, kind="autoencoder"):
    """Recursive autoencoder: the vector of a phrase is encoded from those of its children, which are decoded from it.

        p = f(W1 [c_1; ...; c_K] + b1),  p := p / |p|
        [c_1'; ...; c_K'] = W2 p + b2
        E_rec = Σ_k n_k / (n_1 + ... + n_K) |c_k - c_k'|²

    with f = tanh, n_k the number of words below child k, and c the vector of the word at a leaf; p is scaled to length
    1 with ``normalise``. A missing child counts as 0 and is not reconstructed. Socher, Pennington, Huang, Ng and
    Manning, "Semi-supervised recursive autoencoders for predicting sentiment distributions", EMNLP 2011, for K = 2:
    section 2.2 with eq. 2 for p and eq. 4 for the error; the weights n, the length of 1 and the greedy trees are
    section 2.3, the labels (a `Head` at each node) section 2.4.

    Without ``normalise`` the vectors of phrases shrink, as small vectors have small errors. Word vectors are not
    normalised: trained on the reconstruction alone they collapse, so they are frozen unless ``learn_words`` is set.

    Here the weights are random; those of a training run are read by ``recnn.load("autoencoder")``.

    >>> import corpora, recnn
    >>> config = recnn.AutoencoderConfig(labels=())
    >>> model = recnn.TreeAutoencoder(config, corpora.Vocabulary(["a", "fine", "film"]))
    >>> (phrases,) = model.predict(["a fine film"])
    >>> phrases[0].words
    ['a', 'fine', 'film']

    Args:
        config: settings of the model, see `recnn.AutoencoderConfig`.
        vocabulary: open vocabulary of the words.

    Raises:
        ValueError: the vocabulary is closed.
    """

    Config = AutoencoderConfig
    config: AutoencoderConfig

    def __init__(self, config: AutoencoderConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        H = config.hidden_size
        self.words = WordVectors(vocabulary, H)
        self.words.embedding.weight.requires_grad_(config.learn_words)
        self.cell = RecursiveCell(H, H, config.arity, unit_tanh if config.normalise else "tanh", leaf="input")
        self.decoder = nn.Linear(H, config.arity * H)
        self.head = Head(H, len(config.labels)) if config.labels else None

    def forward(self, forest: DGLGraph) -> Reconstruction:
        """Compute the vectors of all nodes, the reconstructions of their children, and the errors.

        Args:
            forest: a graph or a batch, with node data ``word`` and ``span``, see `graph`.

        Raises:
            GraphError: a node has more children than the arity of the configuration.
        """
        word = forest.ndata["word"]
        leaves = (word >= 0).nonzero().squeeze(1)
        vectors = self.words(word[leaves])
        x = vectors.new_zeros(len(word), vectors.shape[1]).index_copy(0, leaves.to(vectors.device), vectors)
        states: Tensor = propagate(self.cell, forest, x).hidden
        (child, parent), span = forest.edges(), forest.ndata["span"]
        words = (span[:, 1] - span[:, 0] + 1).to(x.dtype)
        share = (words[child] / words[parent]).to(x.device)
        inner, seat = parent.unique(return_inverse=True)
        rows = [inner, seat * self.cell.slots + forest.edata["slot"], child, parent]
        inner, place, child, parent = all_to_device_of(rows, x)
        decoded = self.decoder(states.index_select(0, inner)).view(-1, x.shape[1])  # (inner nodes * K, H)
        children = decoded.index_select(0, place)
        error = (states.index_select(0, child) - children).square().sum(1) * share
        return Reconstruction(states, children, states.new_zeros(len(word)).index_add(0, parent, error))

    def graph(self, tree: Tree) -> DGLGraph:
        """Convert a tree to a graph with the indices of the model's vocabulary; the model does not use its labels.

        Raises:
            TreeError: a dependency tree: the model reconstructs phrases, whose words are leaves.
        """
        if isinstance(tree, DependencyTree):
            raise TreeError("expected a tree of phrases, whose words are leaves, got a dependency tree")
        return tree_to_graph(tree, self.vocabulary)

    @property
    def state_size(self) -> int:
        """Size H of the states."""
        return self.config.hidden_size

    def states(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the vectors (N, H) of all nodes, or (R, H) of the nodes in ``rows``."""
        found: Tensor = self(forest).states
        return found if rows is None else found.index_select(0, rows.to(found.device))

    def own_parser(self, roots: bool = False) -> Parser:
        """Return a parser that builds trees greedily, see `greedy`."""
        return GreedyParser(self)

    @torch.no_grad()
    def greedy(self, sentences: Sequence[Sequence[str]]) -> list[Tree]:
        """Build a binary tree over each sentence greedily, by joining the two neighbours with the least E_rec.

        After a join only the pairs with its left and right neighbours are computed anew, so that n words need about 3 n
        evaluations instead of n² / 2. All sentences are processed in parallel, one join of each at a time. Pairs whose
        errors are equal up to rounding, such as pairs of the same words, may be joined in either order.

        Args:
            sentences: words of each sentence.

        Raises:
            TreeError: a sentence has no words.
        """
        if not all(sentences):
            empty = next(number for number, words in enumerate(sentences, 1) if not words)
            raise TreeError(f"sentence {empty} has no words to build a tree over")
        if not sentences:
            return []
        length = torch.tensor([len(words) for words in sentences])
        index = torch.tensor([self.vocabulary.index(word) for words in sentences for word in words])
        known = torch.arange(int(length.max()) + 1) < length[:, None]
        vectors = self.words(index)
        x = vectors.new_zeros(*known.shape, vectors.shape[1]).masked_scatter(
            known[..., None].to(vectors.device), vectors
        )
        trees = [[Tree("", [word]) for word in words] for words in sentences]
        for joined in joins(self._joined, x, length):
            for sentence, left, right in joined:
                trees[sentence][left] = Tree("", [trees[sentence][left], trees[sentence][right]])
        return [row[0] for row in trees]

    def _joined(self, pair: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the parents (R, H) of pairs (R, 2, H) with numbers of words ``words`` (R, 2), and errors (R,)."""
        R, _, H = pair.shape
        none = torch.zeros(R, dtype=torch.int64, device=pair.device)
        children = F.pad(pair.flatten(1), (0, (self.cell.slots - 2) * H))
        parent = self.cell.apply_node(Nodes(torch.zeros_like(pair[:, 0]), none, none), (children,)).hidden
        decoded = F.linear(parent, self.decoder.weight[: 2 * H], self.decoder.bias[: 2 * H]).view_as(pair)
        return parent, ((pair - decoded).square().sum(2) * words).sum(1) / words.sum(1)

    def regrown(self, forest: DGLGraph) -> DGLGraph:
        """Replace the trees of a forest by greedy trees over the same words.

        Each node gets the target of the root of its sentence, as in section 2.4 of the paper.
        """
        word, span, sizes = forest.ndata["word"], forest.ndata["span"], forest.batch_num_nodes()
        tree = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        leaves = (word >= 0).nonzero().squeeze(1)
        leaves = leaves[(tree[leaves] * len(word) + span[leaves, 0]).argsort()]
        counts = torch.bincount(tree[leaves], minlength=len(sizes)).tolist()
        sentences = [[self.vocabulary[index] for index in part.tolist()] for part in word[leaves].split(counts)]
        grown = batch([self.graph(tree) for tree in self.greedy(sentences)])
        roots = forest.ndata["target"][forest.out_degrees() == 0]
        grown.ndata["target"] = torch.repeat_interleave(roots, grown.batch_num_nodes())
        return grown

    def nearest(self, vectors: Tensor) -> Tensor:
        """Find the words (M,) whose vectors have the largest cosine similarity with ``vectors`` (M, H)."""
        return (vectors @ F.normalize(self.words.embedding.weight, dim=1).T).argmax(1)

    def predict(self, sentences: Iterable[Sentence], parser: str | Parser | None = None) -> list[list[Phrase]]:
        """Reconstruct the parts of all phrases of each sentence, see `phrases`.

        Args:
            sentences: strings, lists of words, or trees, see `trees`.
            parser: parser of the sentences without a tree, or its name; None for greedy trees.

        Raises:
            InputError: see `trees`.
        """
        return [self.phrases(tree) for tree in self.trees(sentences, parser)]

    @torch.no_grad()
    def phrases(self, tree: Tree) -> list[Phrase]:
        """Reconstruct the parts of all phrases of a tree, in the order of the nodes, breadth first from the root.

        A node of a single word is not a phrase.
        """
        graph = self.graph(tree)
        found = self(graph)
        parts: list[list[str | None]] = [[] for _ in range(graph.num_nodes())]
        child, parent = graph.edges()
        word = graph.ndata["word"][child] >= 0
        # The edges of a parent are in the order of its children.
        for above, known, index in zip(
            parent.tolist(), word.tolist(), self.nearest(found.children).cpu().tolist(), strict=True
        ):
            parts[above].append(self.vocabulary[index] if known else None)
        words, spans, errors = words_of(tree), graph.ndata["span"].tolist(), found.error.cpu().tolist()
        return [
            Phrase(node, tuple(spans[node]), errors[node], below, words) for node, below in enumerate(parts) if below
        ]

    def annotated(self, tree: Tree) -> Tree:
        """Label each phrase of a tree with its error and, on a second line, its `Phrase.parts`, for drawing.

        A part that is a phrase is shown as "…"; without parts that are words, there is no second line.
        """
        graph, phrases = tree_to_graph(tree), self.phrases(tree)
        label = torch.full((graph.num_nodes(),), -1)
        label[[phrase.node for phrase in phrases]] = torch.arange(len(phrases))
        graph.ndata["label"] = label
        texts = []
        for phrase in phrases:
            back = " ".join(part or "…" for part in phrase.parts)
            texts.append(f"{phrase.error:.3f}" + (f"\n{back}" if any(phrase.parts) else ""))
        return graph_to_tree(graph, labels=texts)


class GreedyParser(Parser):
    """Parser that builds a tree over each sentence by `TreeAutoencoder.greedy`.

    Args:
        model: the autoencoder.
    """

    def __init__(self, model: TreeAutoencoder) -> None:
        self.model = model

    def parses(self, sentence: str | Sequence[str]) -> Parses:
        """Return an iterator over the one tree of a sentence.

        Raises:
            EmptySentenceError: the sentence has no words.
        """
        _, words = tokens_and_words(sentence)
        return Parses(iter(self.model.greedy([words])), words, [])

    def parse_each(self, sentences: Iterable[str | Sequence[str]]) -> Iterator[Tree | SentenceError]:
        """Yield the tree of each sentence, in their order, or the error; trees are built in parallel."""
        rest = iter(sentences)
        while some := list(islice(rest, _AT_ONCE)):
            split: list[list[str] | SentenceError] = []
            for sentence in some:
                try:
                    split.append(tokens_and_words(sentence)[1])
                except SentenceError as error:
                    split.append(error)
            trees = iter(self.model.greedy([words for words in split if not isinstance(words, SentenceError)]))
            yield from (words if isinstance(words, SentenceError) else next(trees) for words in split)


def unit_tanh(x: Tensor) -> Tensor:
    """Apply tanh, then scale each row of (N, H) to length 1."""
    return F.normalize(torch.tanh(x), dim=1)


def joins(
    joined: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x: Tensor, length: Tensor
) -> Iterator[list[tuple[int, int, int]]]:
    """Join neighbours greedily and yield the joins of each step, one per sentence that is not yet a tree.

    A join is (sentence, left, right), where left and right are named by the index of their first word, from 0.

    Args:
        joined: function from pairs of neighbours (R, 2, H) and their numbers of words (R, 2) to parents (R, H) and
            errors (R,).
        x: (B, T + 1, H) word vectors of B sentences; entries beyond the end of a sentence are not used.
        length: (B,) number of words of each sentence, at most T, in host memory.

    On another device are the vectors only: each step reads the errors of the new pairs, and nothing else.
    """
    place = torch.arange(x.shape[1]).expand(x.shape[:2])
    before, after = place - 1, place + 1  # neighbours of each node; column T is beyond the end of every sentence
    x, parent = x.clone(), torch.zeros_like(x)
    words = torch.ones(place.shape, dtype=x.dtype)
    error = torch.full_like(words, torch.inf)  # error of joining each node with the one after it

    def consider(rows: Tensor, left: Tensor, right: Tensor) -> None:
        below = torch.stack([words[rows, left], words[rows, right]], dim=1)
        row, first, second = all_to_device_of([rows, left, right], x)
        made, cost = joined(torch.stack([x[row, first], x[row, second]], dim=1), below.to(x.device))
        parent[row, first] = made
        error[rows, left] = cost.cpu().masked_fill((left < 0) | (right >= length[rows]), torch.inf)

    rows, left = (place < length[:, None] - 1).nonzero(as_tuple=True)
    consider(rows, left, left + 1)
    for turn in range(1, int(length.max())):
        rows = (length > turn).nonzero().squeeze(1)
        left = error[rows].argmin(1)
        right = after[rows, left]
        yield list(zip(rows.tolist(), left.tolist(), right.tolist(), strict=True))
        beyond = after[rows, right]
        row, first = all_to_device_of([rows, left], x)
        x[row, first] = parent[row, first]
        words[rows, left] += words[rows, right]
        error[rows, right] = torch.inf
        after[rows, left] = beyond
        before[rows, beyond] = left
        # Without a neighbour on the left the index is -1, that is column T, which is not used.
        consider(rows.repeat(2), torch.cat([before[rows, left], left]), torch.cat([left, beyond]))
