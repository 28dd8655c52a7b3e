"""Word vectors, and networks that compute the states of phrases from them, over trees or sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from corpora.vocabulary import Vocabulary
from recnn.data.subwords import combined
from recnn.graphs.structure import word_positions
from recnn.layers.encoder import Encoder
from recnn.layers.recurrent import Recurrent
from recnn.models.config import PhraseNetworkConfig

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


FEWEST = 200
"""Number of words from which a batch is searched for repeated ones. On SST, inference of a Tree-LSTM (300 -> 150)
takes 0.98 to 1.09 of the time if batches of up to 160 words are searched, and 0.9 with 480 words."""


class WordVectors(nn.Module):
    """Word embeddings, optionally with the vectors of character n-grams added.

    Args:
        vocabulary: open vocabulary of the words.
        size: size D of the vectors.
        dropout: dropout probability of the vectors.
        word_dropout: probability of replacing a word by the unknown word in training, so that its vector is trained.
        subwords: number of hash buckets of character n-grams, whose vectors are added to those of the words (see
            `recnn.data.subwords`); 0 for none.

    Raises:
        ValueError: the vocabulary is closed.
    """

    def __init__(
        self, vocabulary: Vocabulary, size: int, dropout: float = 0.0, word_dropout: float = 0.0, subwords: int = 0
    ) -> None:
        super().__init__()
        if vocabulary.unknown is None:
            raise ValueError("expected an open vocabulary, with an unknown word, got a closed one (unknown=None)")
        self.embedding = nn.Embedding(len(vocabulary), size)
        self.pieces = nn.Embedding(subwords, size) if subwords else None
        self.dropout, self.word_dropout = dropout, word_dropout

    def of(self, forest: DGLGraph, nodes: Tensor) -> Tensor:
        """Compute the vectors (W, D) of the words of ``nodes`` (W,), indices of nodes in ``forest``."""
        found: Tensor = self(forest.ndata["word"][nodes], self._pieces_of(forest, nodes))
        return found

    def rows(self, forest: DGLGraph) -> tuple[Tensor, Tensor]:
        """Compute the inputs of a `recnn.Encoder` over ``forest``, each distinct word once if that is quicker.

        Returns:
            (R, D) vectors, and (N,) the row of each node in them, -1 for a node without a word.
        """
        word = forest.ndata["word"]
        leaves = (word >= 0).nonzero().squeeze(1)
        word, pieces = self._kept(word[leaves]), self._pieces_of(forest, leaves)
        place = torch.arange(len(leaves))
        # On other devices the host would have to wait for the words that were kept.
        if len(leaves) >= FEWEST and word.device.type == "cpu" and not (self.training and self.dropout):
            first, place = distinct(word, pieces)
            word, pieces = word[first], None if pieces is None else pieces[first]
        return self._vectors(word, pieces), torch.full((forest.num_nodes(),), -1).index_copy(0, leaves, place)

    def forward(self, word: Tensor, pieces: Tensor | None = None) -> Tensor:
        """Compute the vectors of words.

        Args:
            word: (*) indices in the vocabulary; (W,) with subwords.
            pieces: (W, n) buckets of the words' character n-grams, -1 for none; needed with subwords only.

        Returns:
            (*, D) vectors.

        Raises:
            ValueError: the model uses subwords and ``pieces`` is missing.
        """
        return self._vectors(self._kept(word), pieces)

    def _pieces_of(self, forest: DGLGraph, nodes: Tensor) -> Tensor | None:
        return forest.ndata["pieces"][nodes] if self.pieces is not None and "pieces" in forest.ndata else None

    def _kept(self, word: Tensor) -> Tensor:
        """Replace words by the unknown word, in training, each occurrence by itself; on the device of the vectors."""
        word = word.to(self.embedding.weight.device)
        if self.training and self.word_dropout:
            word = word.masked_fill(torch.rand(word.shape, device=word.device) < self.word_dropout, 0)
        return word

    def _vectors(self, word: Tensor, pieces: Tensor | None) -> Tensor:
        vectors = self.embedding(word)
        if self.pieces is not None:
            if pieces is None:
                buckets = self.pieces.num_embeddings
                raise ValueError(
                    "the character n-grams of the words (node data 'pieces') are missing: make the graph with "
                    f"subwords={buckets}, as in the model's configuration"
                )
            vectors = vectors + combined(pieces, self.pieces.weight, self.pieces.sparse)
        return F.dropout(vectors, self.dropout, self.training)


def distinct(word: Tensor, pieces: Tensor | None) -> tuple[Tensor, Tensor]:
    """Find the distinct words among W words, which are distinct also if only their character n-grams are.

    Args:
        word: (W,) indices in the vocabulary.
        pieces: (W, n) buckets of the n-grams, or None.

    Returns:
        (R,) one place of each distinct word, and (W,) the index of each word among the distinct ones.
    """
    if pieces is None:
        found, index = word.unique(return_inverse=True)
        return torch.empty_like(found).index_copy(0, index, torch.arange(len(word))), index
    # A dictionary of bytes: torch.unique sorts the rows, which takes three times as long.
    rows = torch.cat([word.unsqueeze(1).to(pieces.dtype), pieces], dim=1).numpy()
    whole, size = rows.tobytes(), rows.strides[0]
    keys = [whole[begin : begin + size] for begin in range(0, len(whole), size)]
    first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
    rank = {key: at for at, key in enumerate(first)}
    return torch.tensor(list(first.values())), torch.tensor([rank[key] for key in keys])


class PhraseEncoder(nn.Module):
    """Word vectors and a network that computes a state of each phrase of a forest.

    With ``model="tree"`` a `recnn.Encoder` runs over the trees; with ``model="sequence"`` a `recnn.Recurrent` runs over
    the words of each phrase, without structure.

    Args:
        config: settings of the network.
        vocabulary: open vocabulary of the words.

    Attributes:
        output_size: size of the states: H, or 2 H if two directions are concatenated.
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

    def forward(self, forest: DGLGraph, rows: Tensor | None = None, vectors: Tensor | None = None) -> Tensor:
        """Compute the states (N, H) of all nodes, or (R, H) of the nodes in ``rows``.

        Args:
            forest: a graph or a batch, with node data ``word``, indices in the vocabulary, and for a sequence ``span``.
            rows: (R,) indices of nodes; all nodes if None.
            vectors: (W, D) vectors of the words, in the order of their nodes; by default those of ``words``.

        Raises:
            GraphError: a node has more children than the arity of the configuration.
        """
        leaves = (forest.ndata["word"] >= 0).nonzero().squeeze(1)
        if isinstance(self.network, Encoder):
            if vectors is None:
                x, row = self.words.rows(forest)
            else:
                x, row = vectors, torch.full((forest.num_nodes(),), -1)
                row[leaves] = torch.arange(len(leaves))
            h: Tensor = self.network(forest, x, row=row).h
            return h if rows is None else h.index_select(0, rows.to(h.device))
        vectors = self.words.of(forest, leaves) if vectors is None else vectors
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
        leaf: (W,) index among the nodes with words of each word, in the order of the text.
        start: (R,) index of the first word of each phrase, counted over all trees.
        length: (R,) number of words of each phrase.
    """

    def __init__(self, forest: DGLGraph, leaves: Tensor, rows: Tensor | None) -> None:
        span, sizes = forest.ndata["span"], forest.batch_num_nodes()
        tree = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        words = torch.bincount(tree[leaves], minlength=len(sizes))
        before = (words.cumsum(0) - words)[tree]
        start = before + span[:, 0] - 1
        self.leaf = torch.empty_like(leaves)
        self.leaf[(before + word_positions(forest) - 1)[leaves]] = torch.arange(len(leaves))
        length = span[:, 1] - span[:, 0] + 1
        self.start, self.length = (start, length) if rows is None else (start[rows], length[rows])

    def prefixes(self, network: Recurrent, x: Tensor) -> Tensor:
        """Compute the final states (R, H) of all phrases; phrases with the same first word share one sequence."""
        longest = torch.zeros_like(self.leaf).scatter_reduce(0, self.start, self.length, "amax")
        first = longest.nonzero().squeeze(1)
        packed, begins, place = _packed(first, longest[first], x)
        sequence = torch.empty_like(self.leaf)
        sequence[first] = place
        output: PackedSequence = network(packed)[0]
        rows = begins[self.length - 1] + sequence[self.start]
        return output.data.index_select(0, rows.to(x.device))

    def each(self, network: Recurrent, x: Tensor) -> Tensor:
        """Compute the final states (R, H) of all phrases, each as a sequence of its own, as bidirectional ones must."""
        found: Tensor = network(_packed(self.start, self.length, x)[0])[0]
        return found


def _packed(start: Tensor, length: Tensor, x: Tensor) -> tuple[PackedSequence, Tensor, Tensor]:
    """Pack the sequences ``x[start : start + length]``.

    Returns:
        The packed sequences; the row of the first entry of each step (T,); the rank of each sequence by length (R,).
    """
    order = length.argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    # Number of sequences with a step t: all but those with at most t words.
    sizes = len(length) - torch.bincount(length).cumsum(0)[:-1]
    begins = sizes.cumsum(0) - sizes
    time = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    sequence = order[torch.arange(len(time)) - begins[time]]
    rows = (start[sequence] + time).to(x.device)
    # PackedSequence needs its indices on the device of its data, and its batch sizes in host memory.
    return PackedSequence(x.index_select(0, rows), sizes, order.to(x.device), place.to(x.device)), begins, place
