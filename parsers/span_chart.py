"""The best binary tree over each sentence of a batch, given a score of every span: CKY without a grammar."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SpanOrder(NamedTuple):
    """The spans of ``n`` words: first those of one word, from left to right, then those of two words, and so on."""

    start: NDArray[np.int64]
    """(S,) index of the first word of each span, S = n (n + 1) / 2."""
    end: NDArray[np.int64]
    """(S,) index after the last word."""
    offset: NDArray[np.int64]
    """(n + 2,) number of spans that are shorter than w words, for w from 0 to n + 1."""


@lru_cache(maxsize=256)
def span_order(n: int) -> SpanOrder:
    """Return the order of the spans of ``n`` words."""
    widths = np.arange(1, n + 1)
    counts = n + 1 - widths
    offset = np.concatenate([[0, 0], counts.cumsum()])
    start = np.arange(offset[-1]) - np.repeat(offset[1:-1], counts)
    return SpanOrder(start, start + np.repeat(widths, counts), offset)


class BestTrees(NamedTuple):
    """The spans of the best tree of each sentence of a batch: 2 n - 1 spans for n words, in no particular order."""

    sentence: NDArray[np.int64]
    """(R,) index of the sentence of each span."""
    span: NDArray[np.int64]
    """(R,) index of the span in the `span_order` of the longest sentence."""


def best_trees(scores: NDArray[np.float32], lengths: NDArray[np.int64]) -> BestTrees:
    """Find the binary tree over each sentence with the largest sum of the scores of its spans.

        best(i, j) = score(i, j) + max over k of best(i, k) + best(k, j)

    All spans with the same number of words are computed at once, O(n^3) operations in O(n) steps.

    Args:
        scores: (B, S) score of each span in the `span_order` of n words, the longest sentence of the batch.
        lengths: (B,) number of words of each sentence; spans beyond them have no effect.
    """
    n = int(lengths.max())
    return _spans_of_splits(best_splits(scores, n), lengths, span_order(n).offset)


def best_splits(scores: NDArray[np.floating], n: int) -> NDArray[np.int32]:
    """Return the length of the left part of the best split of each span, see `best_trees`.

    Args:
        scores: (B, S) score of each span in the `span_order` of n words.
        n: number of words.

    Returns:
        (B, n + 1, n + 1) by first word and number of words; 0 for spans of one word.
    """
    spans = span_order(n)
    # ahead[b, i, w] is the best score of the w words from i on, behind[b, j, w] that of the w words before j.
    ahead = np.zeros((len(scores), n + 1, n + 1), dtype=scores.dtype)
    behind = np.zeros_like(ahead)
    split = np.zeros(ahead.shape, dtype=np.int32)
    for width in range(1, n + 1):
        many = n + 1 - width
        best = scores[:, spans.offset[width] : spans.offset[width + 1]]
        if width > 1:
            sums = ahead[:, :many, 1:width] + behind[:, width:, width - 1 : 0 : -1]
            split[:, :many, width] = sums.argmax(2) + 1
            best = best + sums.max(2)
        ahead[:, :many, width] = best
        behind[:, width:, width] = best
    return split


def _spans_of_splits(split: NDArray[np.int32], lengths: NDArray[np.int64], offset: NDArray[np.int64]) -> BestTrees:
    sentence, start, width = np.arange(len(lengths)), np.zeros_like(lengths), lengths
    sentences, found = [], []
    while len(sentence):
        sentences.append(sentence)
        found.append(offset[width] + start)
        inner = width > 1
        sentence, start, width = sentence[inner], start[inner], width[inner]
        left = split[sentence, start, width].astype(np.int64)
        sentence = np.concatenate([sentence, sentence])
        start, width = np.concatenate([start, start + left]), np.concatenate([left, width - left])
    return BestTrees(np.concatenate(sentences), np.concatenate(found))
