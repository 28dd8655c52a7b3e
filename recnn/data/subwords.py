"""Pieces of words: character n-grams, hashed, so that a word that was never seen has a vector too.

Bojanowski, Grave, Joulin and Mikolov, "Enriching word vectors with subword information", TACL 2017, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


SHORTEST, LONGEST = 3, 5  # characters of a piece, the marks of a word's ends among them
MOST = 40  # pieces of a word: all of them up to 14 letters, and the first of a longer one


@lru_cache(maxsize=1 << 17)
def pieces_of(word: str, buckets: int) -> tuple[int, ...]:
    """The buckets of the pieces of a word, in lower case, between marks of its ends; the same on every machine."""
    marked = f"<{word.lower()}>"
    grams = (marked[at : at + n] for n in range(SHORTEST, LONGEST + 1) for at in range(len(marked) - n + 1))
    found = [int.from_bytes(blake2b(gram.encode(), digest_size=6).digest(), "little") % buckets for gram in grams]
    return tuple(found[:MOST])


def add_pieces(graph: DGLGraph, words: Iterable[str], buckets: int) -> None:
    """Give a graph of one tree or chain the node data ``pieces``, (N, `MOST`) in int32, -1 where there is none.

    Args:
        graph: with the node data ``word`` and ``span``.
        words: of its sentence.
        buckets: how many different ones there are.
    """
    rows = [pieces_of(word, buckets) for word in words]
    table = torch.tensor([[*row, *[-1] * (MOST - len(row))] for row in rows], dtype=torch.int32)
    pieces = torch.full((graph.num_nodes(), MOST), -1, dtype=torch.int32)
    leaves = graph.ndata["word"] >= 0
    pieces[leaves] = table[graph.ndata["span"][leaves, 1] - 1]  # a node of a chain has the last word of its span
    graph.ndata["pieces"] = pieces


def combined(pieces: Tensor, vectors: Tensor, sparse: bool) -> Tensor:
    """(W, `MOST`) to (W, D): the sum of the vectors of the n pieces of each word, over √n.

    Args:
        pieces: -1 where there is none.
        vectors: (buckets, D).
        sparse: whether the gradient of the vectors is sparse.
    """
    known = pieces >= 0
    count = known.sum(1)
    begins = count.cumsum(0) - count
    bags = torch.nn.functional.embedding_bag(pieces[known].long(), vectors, begins, mode="sum", sparse=sparse)
    return bags / count.clamp(min=1).sqrt().unsqueeze(1)
