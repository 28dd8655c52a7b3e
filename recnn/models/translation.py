"""Sequence-to-sequence and tree-to-sequence translation: an encoder, attention over its states, and a decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from nltk import Tree
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from corpora.translation import join_words, normalise, split_words
from corpora.vocabulary import Vocabulary
from parsers.api import Parser
from parsers.trees import words_of
from recnn.cells.base import Cell
from recnn.data.datasets import word_graph
from recnn.data.parsing import Sentence
from recnn.graphs.structure import word_positions
from recnn.layers.attention import Attention, BahdanauAttention, LuongAttention, Memory
from recnn.layers.encoder import Encoder
from recnn.layers.recurrent import Recurrent
from recnn.models.config import TranslationConfig
from recnn.models.phrases import WordVectors
from recnn.models.search import Candidate, beam_search
from recnn.models.sentences import SentenceModel

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph

START, END = "<s>", "</s>"
"""The special words of a target vocabulary: ``Vocabulary(words, specials=(START, END))``."""


class SourceEncoder(nn.Module):
    """Word vectors and a `recnn.Encoder` over source sentences, which are trees or chains.

    Args:
        config: settings of the model.
        vocabulary: open vocabulary of the source.

    Attributes:
        output_size: size M of the states.
    """

    def __init__(self, config: TranslationConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        both = config.direction == "both"
        wide = 2 if both and config.merge == "concat" else 1
        size = config.input_size
        self.words = WordVectors(vocabulary, size, config.input_dropout, config.word_dropout, config.subwords)
        self.sequence: Recurrent | None = None
        if config.leaves == "sequence":
            cell = config.make_cell(size)
            self.sequence = Recurrent(cell, bidirectional=both, merge_mode=config.merge)
            size = wide * cell.output_size
        cell = config.make_cell(size, 1 if config.model == "sequence" else config.arity)
        self.network = Encoder(cell, config.num_layers, config.direction, config.merge, dropout=config.layer_dropout)
        self.output_size = wide * cell.output_size

    def forward(self, forest: DGLGraph) -> Tensor:
        """Compute the states (N, M) of all nodes of a graph or batch."""
        if self.sequence is None:
            x, row = self.words.rows(forest)
        else:
            # Sort the leaves by sentence and position.
            leaves = (forest.ndata["word"] >= 0).nonzero().squeeze(1)
            sizes = forest.batch_num_nodes()
            tree = torch.repeat_interleave(torch.arange(len(sizes)), sizes)[leaves]
            position = word_positions(forest)[leaves]
            leaves = leaves[(tree * (int(position.max()) + 1) + position).argsort()]
            sentences = self.words.of(forest, leaves).split(tree.bincount().tolist())
            x = torch.cat(unpack_sequence(self.sequence(pack_sequence(sentences, enforce_sorted=False))[0]))
            row = torch.full((forest.num_nodes(),), -1).index_copy(0, leaves, torch.arange(len(leaves)))
        h: Tensor = self.network(forest, x, row=row).h
        return h


class Decoding(NamedTuple):
    """The state of the decoder for B sentences, and the states of the encoder that it attends to."""

    state: tuple[Tensor, ...]
    """Tensor (L, B, *) for each field of the cell's state, with L layers."""
    memory: Memory | None
    """States of the encoder; None without attention."""


class Translator(SentenceModel, kind="translation"):
    """Encoder-decoder model that translates a sentence, or a tree over a sentence, into another language.

    The encoder computes a state m of each node of a chain or tree, both words and phrases. The decoder is a recurrent
    network of the same kind of cell; its initial state is computed from the root, separately for each layer and field:

        s_0 = tanh(W_0 m_root + b_0)
        s_t = cell(E y_(t-1), s_(t-1)),           c_t from s_t        attention "luong"
        s_t = cell([E y_(t-1); c_t], s_(t-1)),    c_t from s_(t-1)    attention "bahdanau"
        r_t = tanh(W_c [c_t; s_t])                                    Luong et al. 2015, eq. 5; s_t without attention
        p(y_t) = softmax(W_y r_t + b_y)                               eq. 6

    with the context c_t of `recnn.layers.attention`. Where papers differ: Luong's "input feeding" of c_t to the next
    step is left out, so that all steps of a known target are computed in one call; Bahdanau's output has a maxout layer
    in place of r_t.

    Trees follow Eriguchi, Hashimoto and Tsuruoka, "Tree-to-sequence attentional neural machine translation", ACL 2016:
    the decoder attends to words and phrases (section 3.2). Their leaves are the states of an LSTM over the words; with
    ``leaves="sequence"`` such states are the inputs of the leaves, in place of word vectors. Their initial state of the
    decoder combines the last state over the words and the root; here it is computed from the root alone.

    Without attention this is the encoder-decoder of Cho et al. and Sutskever et al. 2014.

    Here the weights are random; those of a training run are read by ``recnn.load("translation")``.

    >>> import corpora, recnn
    >>> english = corpora.Vocabulary(["i", "am", "here", "."])
    >>> french = corpora.Vocabulary(["je", "suis", "ici", "."], specials=(START, END))
    >>> (sentence,) = recnn.Translator(recnn.TranslationConfig(), english, french).predict(["I am here."])

    Args:
        config: settings of the model, see `recnn.TranslationConfig`.
        source: open vocabulary of the source language.
        target: open vocabulary of the target language, ``Vocabulary(words, specials=(START, END))``.

    Shapes:
        B sentences, N nodes, S nodes of the largest sentence, T target steps, M and H sizes of the states of encoder
        and decoder, V words of the target vocabulary.

    Raises:
        ValueError: a vocabulary is closed, or the target vocabulary lacks the special words.
    """

    Config = TranslationConfig
    config: TranslationConfig
    vocabulary_names = ("source", "target")
    attention: Attention | None

    def __init__(self, config: TranslationConfig, source: Vocabulary, target: Vocabulary) -> None:
        super().__init__()
        if target.specials[1:] != (START, END):
            raise ValueError(
                f"the target vocabulary must have the special words {START} and {END}, got {target.specials[1:]}"
            )
        self.config = config
        self.source, self.target = source, target
        self.encoder = SourceEncoder(config, source)
        memory = self.encoder.output_size
        self.words = WordVectors(target, config.input_size, config.input_dropout, config.word_dropout)
        cell = config.make_cell(config.input_size + (memory if config.attention == "bahdanau" else 0))
        size = cell.output_size
        self.decoder = Recurrent(cell, config.num_layers, dropout=config.layer_dropout)
        self._parts = [shape[0] for shape in cell.state_shapes()]
        self.begin = nn.Linear(memory, config.num_layers * sum(self._parts))
        self.attention = None
        if config.attention != "none":
            kind = LuongAttention if config.attention == "luong" else BahdanauAttention
            self.attention = kind(size, memory)
            self.combine = nn.Linear(memory + size, size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(size, len(target))

    @property
    def state_size(self) -> int:
        """Size M of the states of the encoder."""
        return self.encoder.output_size

    def states(self, forest: DGLGraph, rows: Tensor | None = None) -> Tensor:
        """Compute the states of the encoder, (N, M) of all nodes, or (R, M) of the nodes in ``rows``."""
        found: Tensor = self.encoder(forest)
        return found if rows is None else found.index_select(0, rows.to(found.device))

    def own_parser(self, roots: bool = False) -> str:
        """Return the name of the parser of the configuration; a sequence needs none."""
        return self.config.root_parser

    def split(self, sentence: str) -> list[str]:
        """Split a source sentence into words, as those that the model was trained on."""
        return split_words(normalise(sentence), "english", self.config.lower)

    def graph(self, tree: Sequence[str] | Tree) -> DGLGraph:
        """Convert a source sentence, words or a tree over them, to a graph, see `graphs`."""
        if not isinstance(tree, Tree):
            tree = next(self.trees([tree]))
        source = words_of(tree) if self.config.model == "sequence" else tree
        return word_graph(source, self.source, self.config.subwords)

    def graphs(self, sources: Iterable[Sequence[str] | Tree]) -> Iterator[DGLGraph]:
        """Convert source sentences to graphs: chains of words, or trees, which are parsed where there are none."""
        return map(self.graph, self.trees(sources))

    def forward(self, forest: DGLGraph, read: Tensor) -> Tensor:
        """Compute the scores (T, B, V) of each target word, given the words before it.

        Args:
            forest: B source sentences, see `graph`.
            read: (T, B) input words of the decoder, `START` first; shorter sentences are padded with any word.
        """
        scores: Tensor = self.output(self.readout(forest, read)[0])
        return scores

    def readout(self, forest: DGLGraph, read: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the inputs r (T, B, H) of the output layer, and the attention weights (B, T, S).

        Args:
            forest: B source sentences, see `graph`.
            read: (T, B) input words of the decoder, see `forward`.

        Returns:
            r, and the weights, or None without attention.
        """
        decoding = self.encode(forest)
        x = self.words(read)
        if self.config.attention != "bahdanau":
            state = decoding.state if len(self._parts) > 1 else decoding.state[0]
            r, weights = self._look(self.decoder(x, state)[0].transpose(0, 1), decoding.memory)
            return r.transpose(0, 1), weights
        cells = [cell.prepared(x.shape[1], x) for cell in self.decoder.encoder.cells]
        found = []
        for step in x:
            r, weights, decoding = self._advance(cells, step, decoding)
            found.append((r, weights))
        rs, each = zip(*found, strict=True)
        return torch.stack(rs), torch.cat(each, dim=1)

    def encode(self, forest: DGLGraph) -> Decoding:
        """Encode source sentences: compute the initial state of the decoder and the memory of attention."""
        states = self.encoder(forest)
        roots = (forest.out_degrees() == 0).nonzero().squeeze(1).to(states.device)
        first = torch.tanh(self.begin(states.index_select(0, roots))).to(self.begin.weight.dtype)
        first = first.view(len(first), self.config.num_layers, -1).transpose(0, 1)
        memory = None if self.attention is None else self.attention.memory(states, forest.batch_num_nodes())
        return Decoding(first.split(self._parts, dim=2), memory)

    def step(self, last: Tensor, decoding: Decoding) -> tuple[Tensor, Decoding]:
        """Compute the log-probabilities (B, V) of the next words after ``last`` (B,), and the new state of the decoder.

        The unknown word and `START` get -inf, as they cannot be part of a translation.
        """
        r, _, decoding = self._advance(self.decoder.encoder.cells, self.words(last), decoding)
        scores = self.output(r).log_softmax(1)
        scores[:, :2] = -torch.inf
        return scores, decoding

    @torch.no_grad()
    def search(
        self, forest: DGLGraph, beam: int = 5, max_length: int | None = None, length_penalty: float = 1.0
    ) -> list[list[Candidate]]:
        """Find the most probable translations of each sentence by beam search, the best first.

        Args:
            forest: source sentences, see `graph`.
            beam: width of the beam.
            max_length: largest number of words of a translation, `END` included. Default: 2 n + 10 with n words in the
                longest source sentence.
            length_penalty: α of `recnn.models.search.Candidate.score`.

        Raises:
            ValueError: an argument is out of its range, see `recnn.models.search.beam_search`.
        """
        state, memory = self.encode(forest)
        start, end = self.target.index(START), self.target.index(END)

        def pick(decoding: Decoding, rows: Tensor) -> Decoding:
            return decoding._replace(state=tuple(part[:, rows.to(part.device)] for part in decoding.state))

        found = []
        for number, size in enumerate(forest.batch_num_nodes().tolist()):
            own = slice(number, number + 1)
            seen = None if memory is None else Memory(*(part[own, :size] for part in memory))
            decoding = Decoding(tuple(part[:, own] for part in state), seen)
            longest_here = max_length or _longest(forest)
            found.append(beam_search(self.step, decoding, pick, start, end, beam, longest_here, length_penalty))
        return found

    @torch.no_grad()
    def translate(
        self, forest: DGLGraph, beam: int = 1, max_length: int | None = None, length_penalty: float = 1.0
    ) -> list[list[str]]:
        """Translate each sentence, by greedy search over all sentences in parallel or by beam search.

        Args:
            forest: source sentences, see `graph`.
            beam: width of the beam; 1 for greedy search.
            max_length: as for `search`.
            length_penalty: as for `search`; has no effect on greedy search.

        Returns:
            The words of the best translation of each sentence.
        """
        if beam > 1:
            return [self.spelt(best[0].tokens) for best in self.search(forest, beam, max_length, length_penalty)]
        decoding = self.encode(forest)
        end = self.target.index(END)
        last = torch.full((forest.batch_size,), self.target.index(START))
        found: list[Tensor] = []
        ended = torch.zeros(len(last), dtype=torch.bool)
        for _ in range(max_length or _longest(forest)):
            scores, decoding = self.step(last, decoding)
            last = scores.argmax(1).cpu()
            found.append(last)
            ended |= last == end
            if ended.all():
                break
        return [self.spelt(row) for row in torch.stack(found, dim=1).tolist()]

    def predict(
        self,
        sentences: Iterable[Sentence],
        parser: str | Parser | None = None,
        beam: int = 5,
        batch_size: int = 32,
    ) -> list[str]:
        """Translate sentences, the whole way from text to text.

        Args:
            sentences: English sentences: strings, lists of words, or trees, see `trees`.
            parser: for a model over trees, parser of the sentences without one, or its name; that of the model if None.
            beam: width of the beam, see `translate`.
            batch_size: number of sentences in a batch.

        Raises:
            InputError: see `trees`.
        """
        trees = self.trees(sentences, parser)
        found = self.each(trees, lambda forest: self.translate(forest, beam), batch_size)
        return [join_words(words, "french") for words in found]

    def indices(self, words: Sequence[str]) -> list[int]:
        """Look up the indices of target words exactly as written, unlike `Vocabulary.index`; 0 for unknown words."""
        return [self.target.index(word) if word in self.target else 0 for word in words]

    def spelt(self, tokens: Sequence[int]) -> list[str]:
        """Convert token indices to words, up to `END`."""
        words = [self.target[token] for token in tokens]
        return words[: words.index(END)] if END in words else words

    @torch.no_grad()
    def attended(self, graph: DGLGraph, words: Sequence[str]) -> Tensor | None:
        """Compute the attention weights over the nodes of one sentence for each word of its translation.

        Args:
            graph: a source sentence, see `graph`.
            words: words of its translation.

        Returns:
            (T, N) weights for the T - 1 words and `END`; None without attention.
        """
        read = torch.tensor(self.indices([START, *words])).unsqueeze(1)
        weights = self.readout(graph, read)[1]
        return None if weights is None else weights[0]

    def _advance(self, cells: Sequence[Cell], x: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor | None, Decoding]:
        """Compute one step with input x (B, D): r (B, H), weights (B, 1, S), and the new state of the decoder."""
        state, memory = decoding
        context = weights = None
        if self.config.attention == "bahdanau":
            assert self.attention is not None
            context, weights = self.attention(state[0][-1].unsqueeze(1), memory)
            x = torch.cat([x, context.squeeze(1)], dim=1)
        after = []
        for layer, cell in enumerate(cells):
            x = F.dropout(x, self.config.layer_dropout, self.training) if layer else x
            own = cell(x, tuple(part[layer] for part in state))
            after.append((own,) if isinstance(own, Tensor) else own)
            x = after[-1][0]
        r, weights = self._look(x.unsqueeze(1), memory, context, weights)
        return r.squeeze(1), weights, Decoding(tuple(map(torch.stack, zip(*after, strict=True))), memory)

    def _look(
        self, s: Tensor, memory: Memory | None, context: Tensor | None = None, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute the inputs r (B, T, H) of the output layer from states s (B, T, H), and the weights (B, T, S)."""
        if self.attention is not None:
            if context is None:
                context, weights = self.attention(s, memory)
            s = torch.tanh(self.combine(torch.cat([context, s], dim=2)))
        return self.dropout(s), weights


def _longest(forest: DGLGraph) -> int:
    tree = torch.repeat_interleave(torch.arange(forest.batch_size), forest.batch_num_nodes())
    return 2 * int(tree[forest.ndata["word"] >= 0].bincount().max()) + 10
