"""The recursive autoencoder: a vector for each phrase, from which those of its parts are reconstructed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from nltk import Tree
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.vocabulary import Vocabulary
from parsers.errors import TreeError
from parsers.trees import words_of
from recnn.cells.base import Nodes
from recnn.cells.recursive import RecursiveCell
from recnn.engines.propagate import propagate
from recnn.graphs.convert import batch, graph_to_tree, tree_to_graph
from recnn.layers.heads import Head
from recnn.models.config import AutoencoderConfig
from recnn.models.folder import Model
from recnn.models.phrases import WordVectors

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class Reconstruction(NamedTuple):
    """What a `TreeAutoencoder` makes of a forest of N nodes and E edges."""

    states: Tensor
    """(N, H) the vectors of words and phrases, c and p."""
    children: Tensor
    """(E, H) the reconstruction of the child of each edge, c'."""
    error: Tensor
    """(N,) E_rec; 0 at a word."""


class Phrase(NamedTuple):
    """A phrase, and what its parts are reconstructed as."""

    node: int
    words: list[str]
    error: float
    parts: list[str | None]
    """For each child that is a word, the word whose vector is nearest to its reconstruction; else None."""


class TreeAutoencoder(Model, kind="autoencoder"):
    """The recursive autoencoder: a phrase is encoded from its children, which are then decoded from it.

        p = f(W1 [c_1; ...; c_K] + b1),  p := p / |p|
        [c_1'; ...; c_K'] = W2 p + b2
        E_rec = Σ_k n_k / (n_1 + ... + n_K) |c_k - c_k'|²

    with f = tanh, n_k the number of words below child k, and c the vector of the word at a leaf. A missing child counts
    as 0 and is not reconstructed. Socher, Pennington, Huang, Ng and Manning, "Semi-supervised recursive autoencoders
    for predicting sentiment distributions", EMNLP 2011, for K = 2: section 2.2 with eq. 2 for p and eq. 4 for the
    error; the weights n, the length of 1 and the greedy trees are section 2.3, the labels (a `Head` at each node) 2.4.

    Without a length of 1 phrases shrink, for what is small has a small error. Words have no such bound: learnt from
    the reconstruction alone, their vectors draw together, so unless ``learn_words`` is set they stay as they are.

    Args:
        config: what it is made of.
        vocabulary: of the words; it must be open.
    """

    Config = AutoencoderConfig

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
        """The vectors of all nodes, their reconstructions, and the errors.

        Args:
            forest: a graph or a batch, with the node data ``word`` and ``span``, see `graph`.

        Raises:
            GraphError: a node with more children than the configuration's arity.
        """
        word = forest.ndata["word"]
        leaves = (word >= 0).nonzero().squeeze(1)
        vectors = self.words(word[leaves])
        x = vectors.new_zeros(len(word), vectors.shape[1]).index_copy(0, leaves.to(vectors.device), vectors)
        states: Tensor = propagate(self.cell, forest, x).hidden
        child, parent, slot = (rows.to(x.device) for rows in (*forest.edges(), forest.edata["slot"]))
        span = forest.ndata["span"].to(x)
        words = span[:, 1] - span[:, 0] + 1
        inner, seat = parent.unique(return_inverse=True)
        decoded = self.decoder(states.index_select(0, inner)).view(-1, len(x[0]))  # (inner nodes * K, H)
        children = decoded.index_select(0, seat * self.cell.slots + slot)
        error = (states.index_select(0, child) - children).square().sum(1) * words[child] / words[parent]
        return Reconstruction(states, children, states.new_zeros(len(word)).index_add(0, parent, error))

    def graph(self, tree: Tree) -> DGLGraph:
        """The graph of a tree, in the indices of the model's vocabulary; its labels play no part."""
        return tree_to_graph(tree, self.vocabulary)

    @torch.no_grad()
    def greedy(self, sentences: Sequence[Sequence[str]]) -> list[Tree]:
        """A binary tree over the words of each sentence: again and again the two neighbours with the least E_rec join.

        A join changes two candidates, those with its neighbours on the left and on the right, so n words take 3 n
        candidates, not n² / 2. All sentences take turns together, one join of each a turn. What is equal but for
        rounding, such as two pairs of the same words, may join in either order.

        Raises:
            TreeError: a sentence without words.
        """
        if not all(sentences):
            raise TreeError("there are no words to make a tree of")
        if not sentences:
            return []
        weight = self.decoder.weight
        length = torch.tensor([len(words) for words in sentences], device=weight.device)
        index = torch.tensor([self.vocabulary.index(word) for words in sentences for word in words])
        x = weight.new_zeros(len(sentences), int(length.max()) + 1, self.config.hidden_size)
        x[torch.arange(x.shape[1], device=x.device) < length[:, None]] = self.words.embedding(index.to(x.device))
        trees = [[Tree("", [word]) for word in words] for words in sentences]
        for joined in joins(self._joined, x, length):
            for sentence, left, right in joined:
                trees[sentence][left] = Tree("", [trees[sentence][left], trees[sentence][right]])
        return [row[0] for row in trees]

    def _joined(self, pair: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """The parents (R, H) of pairs (R, 2, H) over ``words`` (R, 2), and their errors (R,)."""
        R, _, H = pair.shape
        none = torch.zeros(R, dtype=torch.int64, device=pair.device)
        children = F.pad(pair.flatten(1), (0, (self.cell.slots - 2) * H))
        parent = self.cell.apply_node(Nodes(torch.zeros_like(pair[:, 0]), none, none), (children,)).hidden
        decoded = F.linear(parent, self.decoder.weight[: 2 * H], self.decoder.bias[: 2 * H]).view_as(pair)
        return parent, ((pair - decoded).square().sum(2) * words).sum(1) / words.sum(1)

    def regrown(self, forest: DGLGraph) -> DGLGraph:
        """The greedy trees over the words of a forest; each node has the target of its sentence, as in section 2.4."""
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
        """(M, H) to (M,): the words whose vectors have the largest cosine with them."""
        return (vectors @ F.normalize(self.words.embedding.weight, dim=1).T).argmax(1)

    @torch.no_grad()
    def phrases(self, tree: Tree) -> list[Phrase]:
        """The phrases of a tree, the root first, then its children, and so on; a single word is none."""
        graph = self.graph(tree)
        found = self(graph)
        parts: list[list[str | None]] = [[] for _ in range(graph.num_nodes())]
        child, parent = graph.edges()
        word = graph.ndata["word"][child] >= 0
        # The edges are in the order of the children.
        for above, known, index in zip(
            parent.tolist(), word.tolist(), self.nearest(found.children).tolist(), strict=True
        ):
            parts[above].append(self.vocabulary[index] if known else None)
        words, spans, errors = words_of(tree), graph.ndata["span"].tolist(), found.error.tolist()
        return [
            Phrase(node, words[spans[node][0] - 1 : spans[node][1]], errors[node], below)
            for node, below in enumerate(parts)
            if below
        ]

    def annotated(self, tree: Tree) -> Tree:
        """The tree to be drawn: each phrase has for a label its error and, in a second line, its `Phrase.parts`.

        A part that is a phrase is shown as "…"; the second line is left out where all are.
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


def unit_tanh(x: Tensor) -> Tensor:
    """(N, H): tanh, then each row at length 1."""
    return F.normalize(torch.tanh(x), dim=1)


def joins(
    joined: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x: Tensor, length: Tensor
) -> Iterator[list[tuple[int, int, int]]]:
    """Which neighbours join, turn after turn: (sentence, left, right), each named by the first of its words, from 0.

    Args:
        joined: pairs of neighbours (R, 2, H) and the words below them (R, 2) to parents (R, H) and errors (R,).
        x: (B, T + 1, H), the words of B sentences; what is beyond their ends is not looked at.
        length: (B,) the words of each, at most T.
    """
    place = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
    before, after = place - 1, place + 1  # the neighbours of each; column T is beyond the end of every sentence
    words, x, parent = torch.ones_like(x[..., 0]), x.clone(), torch.zeros_like(x)
    error = torch.full_like(words, torch.inf)  # of joining each with the one after it

    def consider(rows: Tensor, left: Tensor, right: Tensor) -> None:
        pair, below = (torch.stack([of[rows, left], of[rows, right]], dim=1) for of in (x, words))
        made, cost = joined(pair, below)
        parent[rows, left] = made
        error[rows, left] = cost.masked_fill((left < 0) | (right >= length[rows]), torch.inf)

    rows, left = (place < length[:, None] - 1).nonzero(as_tuple=True)
    consider(rows, left, left + 1)
    for turn in range(1, int(length.max())):
        rows = (length > turn).nonzero().squeeze(1)
        left = error[rows].argmin(1)
        right = after[rows, left]
        yield list(zip(rows.tolist(), left.tolist(), right.tolist(), strict=True))
        beyond = after[rows, right]
        x[rows, left] = parent[rows, left]
        words[rows, left] += words[rows, right]
        error[rows, right] = torch.inf
        after[rows, left] = beyond
        before[rows, beyond] = left
        # Where there is no neighbour on the left, -1 is column T, which nobody reads.
        consider(rows.repeat(2), torch.cat([before[rows, left], left]), torch.cat([left, beyond]))
