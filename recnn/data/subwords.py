"""Character n-grams of words ("pieces"), hashed into buckets, for vectors of words that are not in the vocabulary.

Bojanowski, Grave, Joulin and Mikolov, "Enriching word vectors with subword information", TACL 2017, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recnn.graphs.devices import all_to_device_of
from recnn.graphs.structure import word_positions

if TYPE_CHECKING:
    from recnn.graphs._dgl import DGLGraph


SHORTEST, LONGEST = 3, 5  # characters of an n-gram, including the marks < and > of the ends of a word
MOST = 40  # largest number of n-grams of a word: all of a word of up to 14 letters, the first ones of a longer word


@lru_cache(maxsize=1 << 17)
def pieces_of(word: str, buckets: int) -> tuple[int, ...]:
    """Hash the character n-grams of a word, in lower case and between ``<`` and ``>``, into bucket indices.

    The result is the same on every machine.
    """
    marked = f"<{word.lower()}>"
    grams = (marked[at : at + n] for n in range(SHORTEST, LONGEST + 1) for at in range(len(marked) - n + 1))
    found = [
        int.from_bytes(blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "little") % buckets
        for gram in grams
    ]
    return tuple(found[:MOST])


def add_pieces(graph: DGLGraph, words: Iterable[str], buckets: int) -> None:
    """Add node data ``pieces`` to the graph of a tree or chain: n-gram buckets (N, `MOST`) in int32, -1 for none.

    Args:
        graph: graph with node data ``word`` and ``span``.
        words: words of its sentence.
        buckets: number of buckets.
    """
    rows = [pieces_of(word, buckets) for word in words]
    table = torch.tensor([[*row, *[-1] * (MOST - len(row))] for row in rows], dtype=torch.int32)
    pieces = torch.full((graph.num_nodes(), MOST), -1, dtype=torch.int32)
    leaves = graph.ndata["word"] >= 0
    pieces[leaves] = table[word_positions(graph)[leaves] - 1]
    graph.ndata["pieces"] = pieces


def combined(pieces: Tensor, vectors: Tensor, sparse: bool) -> Tensor:
    """Sum the vectors of the n character n-grams of each word and divide by √n.

    The buckets are counted where they are, in host memory for those of a graph, and then copied to the vectors.

    Args:
        pieces: (W, `MOST`) buckets of the n-grams, -1 for none.
        vectors: (buckets, D) vectors of the buckets.
        sparse: make the gradient of the vectors sparse.

    Returns:
        (W, D) vectors of the words.
    """
    known = pieces >= 0
    count = known.sum(1)
    begins = count.cumsum(0) - count
    buckets, begins, count = all_to_device_of([pieces[known].long(), begins, count], vectors)
    bags = torch.nn.functional.embedding_bag(buckets, vectors, begins, mode="sum", sparse=sparse)
    return bags / count.clamp(min=1).sqrt().unsqueeze(1)
