"""Losses against their formulas, in float64."""

import math

import pytest
import torch

from recnn import Head, PairHead, RelatednessHead

torch.set_num_threads(1)


def made(seed=0, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_scores_are_one_linear_layer():
    head = Head(4, 3, dropout=0.5).double()
    h = made(0, 6, 4)
    assert not torch.equal(head(h), head(h))
    head.eval()
    torch.testing.assert_close(head(h), h @ head.linear.weight.T + head.linear.bias)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.5]])
def test_cross_entropy_over_nodes_with_a_target(weights):
    head = Head(4, 3, class_weights=None if weights is None else torch.tensor(weights))
    scores, target = made(1, 5, 3), torch.tensor([2, -1, 0, 1, -1])
    weighted = weights or [1.0] * 3
    losses, total = 0.0, 0.0
    for row, t in zip(scores.tolist(), target.tolist(), strict=True):
        if t >= 0:
            losses += weighted[t] * (math.log(sum(map(math.exp, row))) - row[t])
            total += weighted[t]
    assert head.loss(scores, target).item() == pytest.approx(losses / total, rel=1e-13)
    assert head.loss(scores, target, "sum").item() == pytest.approx(losses, rel=1e-13)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0]])
def test_binary_cross_entropy(weights):
    head = Head(4, 1, task="binary", class_weights=None if weights is None else torch.tensor(weights))
    scores, target = made(2, 4, 1), torch.tensor([1, -1, 0, 1])
    weighted = weights or [1.0, 1.0]
    losses, total = 0.0, 0.0
    for (s,), t in zip(scores.tolist(), target.tolist(), strict=True):
        if t >= 0:
            p = 1 / (1 + math.exp(-s))
            losses -= weighted[t] * math.log(p if t else 1 - p)
            total += weighted[t]
    assert head.loss(scores, target).item() == pytest.approx(losses / total, rel=1e-13)
    torch.testing.assert_close(head.probabilities(scores)[:, 1], scores[:, 0].sigmoid())
    torch.testing.assert_close(head.probabilities(scores).sum(1), torch.ones(4, dtype=torch.float64))


def test_cross_entropy_of_several_labels():
    head = Head(4, 3, task="labels")
    scores = made(2, 4, 3)
    target = torch.tensor([[1.0, 0, 1], [math.nan] * 3, [0, 0, 0], [1, math.nan, 0]], dtype=torch.float64)
    losses = []
    for row, own in zip(scores.tolist(), target.tolist(), strict=True):
        for s, t in zip(row, own, strict=True):
            p = 1 / (1 + math.exp(-s))
            losses += [] if math.isnan(t) else [-math.log(p if t else 1 - p)]
    assert head.loss(scores, target).item() == pytest.approx(sum(losses) / 8, rel=1e-13)
    torch.testing.assert_close(head.probabilities(scores), scores.sigmoid())


def test_squared_error():
    head = Head(4, 1)
    scores, target = made(3, 4, 1), torch.tensor([1.5, math.nan, -2.0, 0.0], dtype=torch.float64)
    pairs = [(s, t) for (s,), t in zip(scores.tolist(), target.tolist(), strict=True) if not math.isnan(t)]
    expected = sum((s - t) ** 2 for s, t in pairs) / 3
    assert head.loss(scores, target).item() == pytest.approx(expected, rel=1e-13)
    with pytest.raises(ValueError, match="no probabilities"):
        head.probabilities(scores)


def test_no_target_at_all_is_no_loss():
    head = Head(4, 3)
    scores = made(4, 2, 3).requires_grad_()
    loss = head.loss(scores, torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(scores.grad, torch.zeros_like(scores))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "got num_classes=0 with task='classes'"),
        ({"num_classes": 1, "task": "classes"}, "got num_classes=1 with task='classes'"),
        ({"num_classes": 3, "task": "binary"}, "got num_classes=3 with task='binary'"),
        (
            {"num_classes": 3, "task": "other"},
            "task must be 'classes', 'binary', 'labels' or 'regression', got 'other'",
        ),
        ({"num_classes": 3, "dropout": 1.5}, "dropout must be a probability, got 1.5"),
        ({"num_classes": 3, "class_weights": torch.ones(2)}, r"class_weights must have shape \(3,\), got \(2,\)"),
        ({"num_classes": 1, "class_weights": torch.ones(1)}, "task='regression', which has no classes"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        Head(4, **options)


def compared(module, left, right):
    """Equation 15 before the sigmoid."""
    product, difference = module.product, module.difference
    return product.weight @ (left * right) + difference.weight @ abs(left - right) + product.bias


def test_a_head_of_pairs_scores_their_comparison():
    head = PairHead(4, 3, hidden_size=6, class_weights=torch.tensor([0.5, 2.0, 1.0])).double()
    left, right = made(8, 5, 4), made(9, 5, 4)
    scores = head(left, right)
    for row in range(5):
        h = 1 / (1 + torch.exp(-compared(head.compare, left[row], right[row])))
        torch.testing.assert_close(scores[row], head.head.linear.weight @ h + head.head.linear.bias)
    torch.testing.assert_close(head(right, left), scores)  # both of its parts are symmetric
    target = torch.tensor([0, 2, 1, -1, 1])
    losses = [(w, -scores[i].log_softmax(0)[t]) for i, t, w in ((0, 0, 0.5), (1, 2, 1), (2, 1, 2), (4, 1, 2))]
    expected = sum(w * loss for w, loss in losses) / sum(w for w, _ in losses)
    torch.testing.assert_close(head.loss(scores, target), expected)


def test_relatedness_is_the_papers_equations():
    head = RelatednessHead(4, 3).double()
    left, right = made(5, 2, 4), made(6, 2, 4)
    W_p, b_p = head.output.weight, head.output.bias
    for row in range(2):
        both = compared(head.compare, left[row], right[row])
        s = W_p @ (1 / (1 + torch.exp(-both))) + b_p
        p = torch.exp(s) / torch.exp(s).sum()
        found = head(left, right)
        torch.testing.assert_close(found[row].exp(), p)
        grades = sum((i + 1) * p[i] for i in range(5))
        torch.testing.assert_close(head.score(found)[row], grades)


def test_relatedness_target_and_loss():
    head = RelatednessHead(4).double()
    y = torch.tensor([1.0, 5.0, 3.2, 4.75], dtype=torch.float64)
    p = head.distribution(y)
    expected = [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0.8, 0.2, 0], [0, 0, 0, 0.25, 0.75]]
    torch.testing.assert_close(p, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(p @ torch.arange(1.0, 6, dtype=torch.float64), y)
    q = made(7, 4, 5).log_softmax(1)
    pairs = zip(p.flatten().tolist(), q.flatten().tolist(), strict=True)
    loss = sum(a * (math.log(a) - b) for a, b in pairs if a)
    assert head.loss(q, y).item() == pytest.approx(loss / 4, rel=1e-12)
    with pytest.raises(ValueError, match=r"must be in 1\.\.5, got 5\.5"):
        head.distribution(torch.tensor([2.0, 5.5]))


@pytest.mark.parametrize("tau", [0.4, 2.0])
def test_an_ordinal_target_reaches_to_its_neighbours(tau):
    """The loss is the cross entropy with q_c = exp(-|c - y| / tau) over their sum, written out."""
    torch.manual_seed(0)
    head = Head(4, 5, ordinal=tau).double()
    scores, target = torch.randn(6, 5, dtype=torch.float64), torch.tensor([0, 4, 2, -1, 3, 1])
    expected = []
    for row, y in zip(scores.log_softmax(1), target.tolist(), strict=True):
        q = [math.exp(-abs(c - y) / tau) for c in range(5)]
        if y >= 0:
            expected.append(-sum(share / sum(q) * float(p) for share, p in zip(q, row, strict=True)))
    assert head.loss(scores, target).item() == pytest.approx(sum(expected) / len(expected))
