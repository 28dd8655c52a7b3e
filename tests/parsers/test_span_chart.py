"""The best tree over each sentence, against all trees."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.span_chart import best_trees, span_order


def every_tree(start: int, end: int) -> Iterator[list[tuple[int, int]]]:
    """All binary trees over some words, as lists of spans."""
    if end - start == 1:
        yield [(start, end)]
    for split in range(start + 1, end):
        for left in every_tree(start, split):
            for right in every_tree(split, end):
                yield [(start, end), *left, *right]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 1 << 30))
def test_the_best_of_all_trees(lengths: list[int], seed: int) -> None:
    n = max(lengths)
    spans = span_order(n)
    scores = np.random.default_rng(seed).normal(size=(len(lengths), n * (n + 1) // 2)).astype(np.float32)
    found = best_trees(scores, np.array(lengths))
    row = {(i, j): at for at, (i, j) in enumerate(zip(spans.start.tolist(), spans.end.tolist(), strict=True))}
    for sentence, length in enumerate(lengths):
        mine = found.span[found.sentence == sentence]
        totals = {
            frozenset(row[span] for span in tree): sum(float(scores[sentence, row[span]]) for span in tree)
            for tree in every_tree(0, length)
        }
        assert frozenset(mine.tolist()) in totals
        assert len(mine) == 2 * length - 1
        assert scores[sentence, mine].sum() == pytest.approx(max(totals.values()), abs=1e-5)


def test_the_layout_is_by_width_and_from_left_to_right() -> None:
    spans = span_order(3)
    assert spans.start.tolist() == [0, 1, 2, 0, 1, 0]
    assert spans.end.tolist() == [1, 2, 3, 2, 3, 3]
    assert spans.offset.tolist() == [0, 0, 3, 5, 6]


def test_a_right_branching_tree_of_300_words() -> None:
    spans = span_order(300)
    scores = np.where(spans.end == 300, 1, 0).astype(np.float32)[None]
    found = best_trees(scores, np.array([300]))
    assert (spans.end[found.span] == 300).sum() == 300
