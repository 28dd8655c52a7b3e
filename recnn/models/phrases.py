"""States of phrases from words: word vectors, and a network over trees or sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from corpora.vocabulary import Vocabulary
from recnn.data.subwords import combined
from recnn.layers.encoder import Encoder
from recnn.layers.recurrent import Recurrent
from recnn.models.config import PhraseNetworkConfig

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


class WordVectors(nn.Module):
    """A vector for each word of an open vocabulary.

    Args:
        vocabulary: of the words.
        size: D.
        dropout: of the entries of the vectors.
        word_dropout: how often a word is taken for the unknown one in training, so that this has a vector too.
        subwords: if not 0, into how many buckets pieces of words are hashed, whose vectors are added to that of the
            word (`recnn.data.subwords`).
    """

    def __init__(
        self, vocabulary: Vocabulary, size: int, dropout: float = 0.0, word_dropout: float = 0.0, subwords: int = 0
    ) -> None:
        super().__init__()
        if vocabulary.unknown is None:
            raise ValueError("the vocabulary must have a word for unknown ones")
        self.embedding = nn.Embedding(len(vocabulary), size)
        self.pieces = nn.Embedding(subwords, size) if subwords else None
        self.dropout, self.word_dropout = dropout, word_dropout

    def of(self, forest: DGLGraph, nodes: Tensor) -> Tensor:
        """The vectors (W, D) of the words of these nodes (W,)."""
        pieces = forest.ndata["pieces"][nodes] if self.pieces is not None and "pieces" in forest.ndata else None
        found: Tensor = self(forest.ndata["word"][nodes], pieces)
        return found

    def forward(self, word: Tensor, pieces: Tensor | None = None) -> Tensor:
        """Indices (*) to vectors (*, D); with subwords, of indices (W,), and the pieces of the words."""
        word = word.to(self.embedding.weight.device)
        if self.training and self.word_dropout:
            word = word.masked_fill(torch.rand(word.shape, device=word.device) < self.word_dropout, 0)
        vectors = self.embedding(word)
        if self.pieces is not None:
            if pieces is None:
                raise ValueError("this model reads the pieces of words: make the graphs with its subwords")
            vectors = vectors + combined(pieces.to(word.device), self.pieces.weight, self.pieces.sparse)
        return F.dropout(vectors, self.dropout, self.training)


class PhraseEncoder(nn.Module):
    """A state of each phrase of a forest, as `PhraseNetworkConfig` says.

    Attributes:
        output_size: H, or 2 H if two directions are side by side.
    """

    def __init__(self, config: PhraseNetworkConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        cell = config.phrase_cell()
        self.words = WordVectors(
            vocabulary, cell.input_size, config.input_dropout, config.word_dropout, config.subwords
        )
        network: Encoder | Recurrent
        if config.model == "tree":
            network = Encoder(cell, config.num_layers, config.direction, config.merge, dropout=config.layer_dropout)
            last = network.cells[-1]
        else:
            network = Recurrent(
                cell,
                config.num_layers,
                dropout=config.layer_dropout,
                bidirectional=config.direction == "both",
                merge_mode=config.merge,
                return_sequences=config.direction == "up",
            )
            last = network.encoder.cells[-1]
        self.network = network
        wide = 2 if config.direction == "both" and config.merge == "concat" else 1
        self.output_size = wide * last.output_size

    def forward(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """The states (N, H) of all nodes, or (R, H) of those in ``rows``.

        Args:
            forest: a graph or a batch, with the node data ``word`` in the indices of the vocabulary and, for a
                sequence, ``span``.
            rows: (R,) the nodes that are asked for.

        Raises:
            GraphError: a node with more children than the configuration's arity.
        """
        word = forest.ndata["word"]
        leaves = (word >= 0).nonzero().squeeze(1)
        vectors = self.words.of(forest, leaves)
        if isinstance(self.network, Encoder):
            # Rows without a word are not looked at.
            place = leaves.to(vectors.device)
            x = vectors.new_zeros(len(word), vectors.shape[1]).index_copy(0, place, vectors)
            h: Tensor = self.network(forest, x).h
            return h if rows is None else h.index_select(0, rows.to(h.device))
        if rows is not None and not len(rows):
            none: Tensor = vectors.new_zeros(0, self.output_size)
            return none
        spans = _Spans(forest, leaves, rows)
        vectors = vectors.index_select(0, spans.leaf.to(vectors.device))
        return (
            spans.prefixes(self.network, vectors)
            if self.network.return_sequences
            else spans.each(self.network, vectors)
        )


class _Spans:
    """Phrases of a forest as sequences of words.

    Attributes:
        leaf: (W,) for each word in the order of the text, which of the leaves it is.
        start: (R,) the first word of each phrase, counted through all trees.
        length: (R,) its words.
    """

    def __init__(self, forest: DGLGraph, leaves: Tensor, rows: Tensor | None) -> None:
        span, sizes = forest.ndata["span"], forest.batch_num_nodes()
        tree = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        words = torch.bincount(tree[leaves], minlength=len(sizes))
        start = (words.cumsum(0) - words)[tree] + span[:, 0] - 1
        self.leaf = torch.empty_like(leaves)
        self.leaf[start[leaves]] = torch.arange(len(leaves))
        length = span[:, 1] - span[:, 0] + 1
        self.start, self.length = (start, length) if rows is None else (start[rows], length[rows])

    def prefixes(self, network: Recurrent, x: Tensor) -> Tensor:
        """(R, H) the last states of all phrases; those that begin with one word are states of one sequence."""
        longest = torch.zeros_like(self.leaf).scatter_reduce(0, self.start, self.length, "amax")
        first = longest.nonzero().squeeze(1)
        packed, begins, place = _packed(first, longest[first], x)
        sequence = torch.empty_like(self.leaf)
        sequence[first] = place
        output: PackedSequence = network(packed)[0]
        rows = begins[self.length - 1] + sequence[self.start]
        return output.data.index_select(0, rows.to(x.device))

    def each(self, network: Recurrent, x: Tensor) -> Tensor:
        """(R, H) the last state of each phrase, read by itself: from both ends, a phrase is no part of another."""
        found: Tensor = network(_packed(self.start, self.length, x)[0])[0]
        return found


def _packed(start: Tensor, length: Tensor, x: Tensor) -> tuple[PackedSequence, Tensor, Tensor]:
    """The sequences ``x[start : start + length]``, packed; where each step begins; the place of each sequence in it."""
    order = length.argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    # How many sequences have a step t: all but those of at most t words.
    sizes = len(length) - torch.bincount(length).cumsum(0)[:-1]
    begins = sizes.cumsum(0) - sizes
    time = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    sequence = order[torch.arange(len(time)) - begins[time]]
    rows = (start[sequence] + time).to(x.device)
    # PackedSequence wants its indices beside its data, and its sizes in host memory.
    return PackedSequence(x.index_select(0, rows), sizes, order.to(x.device), place.to(x.device)), begins, place
