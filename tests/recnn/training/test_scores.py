"""Scores counted by hand, and the equation of the Wilson interval."""

import math

import pytest
import torch

from corpora import SENTIMENTS
from recnn.training.scores import Scores, wilson


def test_counts_by_hand():
    p = torch.tensor([[0.3, 0.3, 0.0, 0.4, 0.0], [0.1, 0.1, 0.5, 0.2, 0.1], [0, 0, 1, 0, 0], [0.9, 0, 0, 0.1, 0]])
    scores = Scores.of(p, torch.tensor([3, 4, 2, -1]), list(SENTIMENTS))
    assert (scores.count, scores.right, scores.polar) == (3, 2, 2)
    assert scores.binary == {"binary": 1, "binary_largest": 2, "binary_strict": 1}
    assert Scores.of(p[:, :2], torch.tensor([0, 0, 1, -1]), ["a", "b"]).record() == {
        "fine": 1 / 3 + 1 / 3,
        "counts": {"fine": 3},
        "confusion": [[2, 0], [1, 0]],
    }
    assert Scores.of(p, torch.tensor([-1] * 4), list(SENTIMENTS)).record()["fine"] is None


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (3, 10), (900, 1000)])
def test_wilson_solves_its_equation(right, count):
    for end in wilson(right, count):
        if 0 < end < 1:
            assert abs(right / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count), abs=1e-9)
    assert wilson(0, 0) == (0, 1)
