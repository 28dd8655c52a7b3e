"""A constituency parser: a recurrent network scores all spans of a sentence, and the best tree of spans is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from nltk import Tree
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from corpora.vocabulary import Vocabulary
from parsers.errors import EmptySentenceError
from parsers.span_chart import best_trees, span_order
from parsers.spans import Span, tree_of
from recnn.data.parsing import trees_over
from recnn.layers.recurrent import Recurrent
from recnn.models.config import ParserConfig
from recnn.models.folder import Model
from recnn.models.phrases import WordVectors

_AT_ONCE = 1 << 15  # spans scored at once, which bounds the memory
_LONGEST_WORD = 24  # characters; of a longer word the first and last twelve are read
_WORDS_AT_ONCE = 1024  # words of a batch in `parse`


class Sentences(NamedTuple):
    """A batch of B sentences, the longest with n words."""

    word: Tensor
    """(B, n) indices in the vocabulary, 0 after the end of a sentence."""
    spelling: Tensor
    """(B, n) row of each word in ``characters``."""
    characters: Tensor
    """(W, c) indices of the characters of the distinct words."""
    letters: Tensor
    """(W,) number of characters of the distinct words."""
    lengths: Tensor
    """(B,) number of words."""


class SpanParser(Model, kind="parser"):
    """Constituency parser that scores every span of a sentence (Stern, Andreas and Klein, ACL 2017; Gaddy, Stern and
    Klein, "What's going on in neural constituency parsers? An analysis", NAACL 2018).

        x_t = [word vector; final states of a bidirectional network over the characters]
        f_t, b_t = states of a bidirectional network over x_1 ... x_n, between two marks
        v(i, j) = [f_j - f_i; b_i - b_j], for the words i + 1 ... j
        s(i, j, label) = W_2 relu(LayerNorm(W_1 v(i, j) + c_1)) + c_2, and 0 for a span that is no phrase
        tree = argmax over binary trees of Σ over its spans of max over labels of s(i, j, label)

    A binary tree may have spans that are no phrase, so the phrases can have any number of children; chains of phrases
    with the same words are one label, ``S+VP``. As W_1 v(i, j) is a difference of W_1 [f; b] at two positions, W_1
    is applied n + 1 times, not n (n + 1) / 2 times. The tag of a word is predicted from [f_t; b_t].

    The weights of a training run are read by ``recnn.load("parser")``; here are those of `english`.

    >>> import parsers, recnn
    >>> from recnn.models.trained_parser import ENGLISH
    >>> (tree,) = recnn.load(ENGLISH).predict(["The boy saw her duck."])
    >>> parsers.words_of(tree)
    ['The', 'boy', 'saw', 'her', 'duck', '.']

    Args:
        config: settings of the parser, with its labels and tags.
        vocabulary: open vocabulary of the words.
        characters: open vocabulary of the characters.

    Raises:
        ValueError: a vocabulary is closed.
    """

    Config = ParserConfig
    vocabulary_names = ("vocabulary", "characters")

    def __init__(self, config: ParserConfig, vocabulary: Vocabulary, characters: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary, self.characters = config, vocabulary, characters
        self.words = WordVectors(vocabulary, config.input_size, 0.0, config.word_dropout)
        self.letters = WordVectors(characters, config.character_size, config.input_dropout)
        half = config.spelling_size
        self.spelling = Recurrent(
            config.resized(half).make_cell(config.character_size), 1, bidirectional=True, return_sequences=False
        )
        size = config.input_size + 2 * half
        self.marks = nn.Parameter(nn.init.normal_(torch.empty(2, size), std=0.1))
        cell = config.make_cell(size)
        self.network = Recurrent(
            cell, config.num_layers, batch_first=True, dropout=config.layer_dropout, bidirectional=True
        )
        states = 2 * self.network.encoder.cells[-1].output_size
        self.project = nn.Linear(states, config.span_size)
        self.norm = nn.LayerNorm(config.span_size)
        self.label = nn.Linear(config.span_size, len(config.labels))
        self.tag = nn.Sequential(
            nn.Linear(states, config.span_size), nn.ReLU(), nn.Linear(config.span_size, len(config.tags))
        )
        self._spellings: dict[str, tuple[int, ...]] = {}

    def batch(self, sentences: Sequence[Sequence[str]]) -> Sentences:
        """Make a batch of sentences, each a sequence of words."""
        types = {word: row for row, word in enumerate(dict.fromkeys(w for words in sentences for w in words))}
        spelled = [self._spelled(word) for word in types]
        letters = torch.tensor([len(one) for one in spelled])
        characters = _padded(spelled)
        word = _padded([[self.vocabulary.index(w) for w in words] for words in sentences])
        spelling = _padded([[types[w] for w in words] for words in sentences])
        return Sentences(word, spelling, characters, letters, torch.tensor([len(words) for words in sentences]))

    def _spelled(self, word: str) -> tuple[int, ...]:
        found = self._spellings.get(word)
        if found is None:
            half = _LONGEST_WORD // 2
            shown = word if len(word) <= _LONGEST_WORD else word[:half] + word[-half:]
            # Not `index`, which takes a lower-case letter for one in upper case.
            found = tuple(self.characters.index(c) if c in self.characters else 0 for c in shown) or (0,)
            if len(self._spellings) < 1 << 17:
                self._spellings[word] = found
        return found

    def forward(self, batch: Sentences) -> tuple[Tensor, Tensor]:
        """Compute what the spans and tags are scored from.

        Returns:
            (B, n + 1, M) projected states between the words, the first before the first word, see `span_scores`; and
            (B, n, tags) scores of the tags, before the softmax.
        """
        device = self.marks.device
        order = batch.letters.argsort(descending=True, stable=True)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order))
        letters = pack_padded_sequence(
            self.letters(batch.characters[order].t()), batch.letters[order], enforce_sorted=True
        )
        spelled = self.spelling(letters)[0][rank[batch.spelling].to(device)]
        x = torch.cat([self.words(batch.word), spelled], 2)
        n = x.shape[1]
        # The marks are before the first word and after the last one.
        padded = torch.cat([self.marks[:1].expand(len(x), 1, -1), x, x.new_zeros(len(x), 1, x.shape[2])], 1)
        ends = (torch.arange(n + 2) == (batch.lengths + 1).unsqueeze(1)).to(device)
        padded = torch.where(ends.unsqueeze(2), self.marks[1], padded)
        padded = F.dropout(padded, self.config.input_dropout, self.training)
        packed = pack_padded_sequence(padded, batch.lengths + 2, batch_first=True, enforce_sorted=False)
        h = pad_packed_sequence(self.network(packed)[0], batch_first=True)[0]  # (B, n + 2, 2 H)
        ahead, back = h.chunk(2, 2)
        between = torch.cat([ahead[:, :-1], back[:, 1:]], 2)
        h = F.dropout(h[:, 1:-1], self.config.dropout, self.training)
        return F.linear(between, self.project.weight), self.tag(h)

    def span_scores(self, start: Tensor, end: Tensor) -> Tensor:
        """Score the labels of spans.

        Args:
            start: (*, M) projected states before the first words of the spans, see `forward`.
            end: (*, M) projected states after their last words.

        Returns:
            (*, labels) scores; that of "no phrase" is 0.
        """
        scores: Tensor = self.label(F.relu(self.norm(end - start + self.project.bias)))
        return scores

    @torch.no_grad()
    def best_labels(
        self, between: Tensor, margin: Sequence[tuple[int, int, int]] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the best label of every span.

        Args:
            between: (B, n + 1, M) projected states, see `forward`.
            margin: for training, (sentence, span, label) of the gold spans: all other labels, and those of all other
                spans, get a score that is larger by 1.

        Returns:
            (B, S) scores and (B, S) labels of the spans, -1 for no phrase, in the order of `parsers.span_chart`.
        """
        n = between.shape[1] - 1
        spans = span_order(n)
        start, end = torch.from_numpy(spans.start), torch.from_numpy(spans.end)
        step = max(1, _AT_ONCE // len(between))
        gold = None
        if margin is not None:
            gold = torch.full((len(between), len(start)), -1)
            b, s, label = torch.tensor(margin).unbind(1)
            gold[b, s] = label
        values, labels = [], []
        for some in range(0, len(start), step):
            part = slice(some, some + step)
            scores = self.span_scores(between[:, start[part]], between[:, end[part]])
            none = scores.new_zeros(scores.shape[:2])
            if gold is not None:
                here = gold[:, part].to(scores.device)
                known = here >= 0
                scores = scores + 1
                scores.scatter_add_(2, here.clamp(min=0).unsqueeze(2), -known.to(scores.dtype).unsqueeze(2))
                none = known.to(scores.dtype)
            value, label = scores.max(2)
            better = value > none
            values.append(torch.where(better, value, none))
            labels.append(torch.where(better, label, -1))
        return torch.cat(values, 1).float().cpu().numpy(), torch.cat(labels, 1).cpu().numpy()

    def predict(self, sentences: Iterable[str | Sequence[str]]) -> list[Tree]:
        """Parse sentences, given as strings or as lists of words; see `recnn.models.TrainedParser` for more.

        Raises:
            InputError: a sentence cannot be parsed.
        """
        from recnn.models.trained_parser import TrainedParser  # which is a parser by this model

        return list(trees_over(sentences, TrainedParser(self), "sum"))

    @torch.no_grad()
    def parse(self, sentences: Iterable[Sequence[str]]) -> Iterator[Tree]:
        """Parse sentences, given as sequences of words; yields a tree for each, in their order.

        Raises:
            EmptySentenceError: a sentence has no words.
        """
        for some in _in_turns(sentences):
            found: list[Tree | None] = [None] * len(some)
            for rows in _by_length([len(words) for words in some]):
                for row, tree in zip(rows, self._parse([some[row] for row in rows]), strict=True):
                    found[row] = tree
            yield from (tree for tree in found if tree is not None)

    def _parse(self, sentences: Sequence[Sequence[str]]) -> list[Tree]:
        batch = self.batch(sentences)
        between, tags = self(batch)
        values, labels = self.best_labels(between)
        n = between.shape[1] - 1
        spans = span_order(n)
        lengths = batch.lengths.numpy()
        # All words are a phrase: the best label, even if it is worse than none.
        rows = torch.arange(len(batch.lengths))
        whole = torch.from_numpy(spans.offset[lengths])
        root = self.span_scores(between[:, 0], between[rows, batch.lengths]).argmax(1).cpu().numpy()
        labels[rows.numpy(), whole.numpy()] = root
        trees = best_trees(values, lengths)
        label = labels[trees.sentence, trees.span]
        kept = label >= 0
        found: list[list[Span]] = [[] for _ in sentences]
        columns = trees.sentence[kept], spans.start[trees.span[kept]], spans.end[trees.span[kept]], label[kept]
        for sentence, start, end, which in zip(*(column.tolist() for column in columns), strict=True):
            found[sentence].append(Span(start, end, self.config.labels[which]))
        tag = tags.argmax(2).tolist()
        return [
            tree_of(words, [self.config.tags[t] for t in row[: len(words)]], mine)
            for words, row, mine in zip(sentences, tag, found, strict=True)
        ]


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])


def _in_turns(sentences: Iterable[Sequence[str]], most: int = 16 * _WORDS_AT_ONCE) -> Iterator[list[Sequence[str]]]:
    """Cut sentences into lists of some thousand words."""
    some: list[Sequence[str]] = []
    total = 0
    for words in sentences:
        if not words:
            raise EmptySentenceError("expected sentences with words, got one without")
        some.append(words)
        total += len(words)
        if total >= most:
            yield some
            some, total = [], 0
    if some:
        yield some


def _by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut sentences into batches of similar lengths."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > _WORDS_AT_ONCE:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
