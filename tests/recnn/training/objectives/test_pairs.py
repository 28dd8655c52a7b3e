"""The objective of pairs: its loss and metrics, against formulas in float64."""

import numpy as np
import pytest
import torch

from corpora import ENTAILMENTS, SentencePair
from parsers import InputError
from recnn import PairConfig
from recnn.training.objectives.pairs import PairObjective
from recnn.training.options import TreeTraining

torch.set_num_threads(1)
WORDS = ["a", "man", "dog", "sings", "runs", "no", "here", "song", "the"]
RANDOM = np.random.default_rng(0)
PAIRS = [
    SentencePair(
        str(number),
        " ".join(RANDOM.choice(WORDS, 1 + number % 6)),
        " ".join(RANDOM.choice(WORDS, 1 + number % 4)),
        round(float(RANDOM.uniform(1, 5)), 2),
        ENTAILMENTS[number % 3],
    )
    for number in range(24)
]


def objective(pairs=PAIRS, held_out=PAIRS[:7], batch=5, **config):
    torch.manual_seed(0)
    sizes = {"input_size": 5, "hidden_size": 4, "pair_size": 3, "dropout": 0.0}
    return PairObjective(PairConfig(**sizes, **config), TreeTraining(batch=batch), pairs, held_out)


@pytest.mark.parametrize("answer", ["relatedness", "entailment"])
def test_the_loss_is_the_heads_mean_over_the_pairs(answer):
    made = objective(answer=answer)
    made.model.double()
    pairs = PAIRS[4], PAIRS[0], PAIRS[9]
    scores = made.model(made.data[[4, 0, 9]].forest).tolist()
    expected = 0.0
    for row, pair in zip(scores, pairs, strict=True):
        if answer == "entailment":
            expected += np.log(np.exp(row).sum()) - row[ENTAILMENTS.index(pair.entailment)]
        else:
            y = np.float64(np.float32(pair.relatedness))
            p = np.maximum(1 - np.abs(np.arange(1, 6) - y), 0)
            expected += sum(a * (np.log(a) - b) for a, b in zip(p, row, strict=True) if a)
    assert made.loss(made.data[[4, 0, 9]]).item() == pytest.approx(expected / 3, rel=1e-9)


def test_every_pair_comes_once_an_epoch_with_its_own_target():
    made = objective(parser="balanced")
    seen = []
    for batch in made.batches(3):
        sizes = batch.forest.batch_num_nodes().view(-1, 2).sum(1).tolist()
        seen += list(zip(sizes, batch.target.tolist(), strict=True))
    expected = [
        (2 * len(p.first.split()) + 2 * len(p.second.split()) - 2, np.float32(p.relatedness).item()) for p in PAIRS
    ]
    assert sorted(seen) == sorted(expected)
    assert [len(batch.target) for batch in made.held_out()] == [7]


def ranks(values):
    """Ranks from 1; equal values get their mean rank."""
    return np.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])


def test_correlations_and_squared_error_are_their_formulas():
    y = np.array([3.0, 1.5, 1.5, 4.5, 5.0, 2.25, 3.0, 3.0])
    x = np.array([2.5, 1.75, 2.0, 4.0, 3.5, 2.5, 2.5, 1.0])
    measures = PairObjective.measures_of(PairConfig())
    for part in (slice(0, 3), slice(3, 8)):
        for measure in measures.values():
            measure.metric.update(torch.tensor(x[part]), torch.tensor(y[part]))
    found = {name: float(measure.metric.compute()) for name, measure in measures.items()}

    def pearson(a, b):
        a, b = a - a.mean(), b - b.mean()
        return (a @ b) / np.sqrt((a @ a) * (b @ b))

    assert found["pearson"] == pytest.approx(pearson(x, y), rel=1e-6)
    assert found["spearman"] == pytest.approx(pearson(ranks(x), ranks(y)), rel=1e-5)
    assert found["squared_error"] == pytest.approx(((x - y) ** 2).mean(), rel=1e-6)
    assert [measure.better for measure in measures.values()] == ["max", "max", "min"]


def test_what_is_measured_is_what_the_model_answers():
    made = objective(answer="entailment")
    for batch in made.held_out():
        made.measure(batch)
    answers = [int(made.model.answers(made.dev[[i]].forest)) for i in range(7)]
    right = sum(answer == ENTAILMENTS.index(pair.entailment) for answer, pair in zip(answers, PAIRS, strict=False))
    assert float(made.measures["accuracy"].metric.compute()) == pytest.approx(right / 7)


def test_data_are_told_apart_and_may_not_be_missing():
    one = objective().digest()
    swapped = [pair._replace(first=pair.second, second=pair.first) for pair in PAIRS]
    assert one == objective().digest()
    assert objective(swapped).digest()["train"] != one["train"]
    assert objective(answer="entailment").digest() != one
    for pairs, held_out, message in (([], PAIRS, "no pairs to train on"), (PAIRS, [], "no pairs to validate on")):
        with pytest.raises(InputError, match=message):
            objective(pairs, held_out)
