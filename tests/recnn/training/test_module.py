"""`TrainingModule`: clipping, schedules and parameter groups."""

import math

import pytest
import torch

from recnn import TranslationConfig
from recnn.training.module import TrainingModule, clip_gradients, share_of_rate
from recnn.training.objectives.translation import TextPair, TranslationObjective
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining
from tests.runs import CONFIG, DEV, TREES

torch.set_num_threads(1)


def made(**options):
    torch.manual_seed(0)
    options = TreeTraining(**options)
    return TrainingModule(TreeObjective(CONFIG, options, TREES, DEV), options)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])  # with and without sparse gradients of the word vectors
def test_clipping_bounds_the_norm_of_all_gradients(optimizer):
    training = made(optimizer=optimizer)
    model, data = training.model, training.objective.data
    for clip in (0.01, 1e9):
        model.zero_grad()
        torch.manual_seed(1)
        (100 * training.objective.loss(data[[0, 1]])).backward()
        assert model.encoder.words.embedding.weight.grad.is_sparse == (optimizer == "adagrad")
        before = {name: p.grad.to_dense().clone() for name, p in model.named_parameters()}
        norm = math.sqrt(sum(float(g.square().sum()) for g in before.values()))
        clip_gradients(model.parameters(), clip)
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.grad.to_dense(), before[name] * min(1, clip / norm))


def test_schedules():
    def shares(**options):
        return [round(share_of_rate(TreeTraining(**options), step, 6), 3) for step in range(7)]

    assert shares() == [1] * 7
    assert shares(warmup=4) == [0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert shares(schedule="linear", warmup=2) == [0.5, 1, 1, 0.75, 0.5, 0.25, 0]
    assert shares(schedule="cosine") == [1, 0.933, 0.75, 0.5, 0.25, 0.067, 0]


def test_all_word_vectors_are_in_their_group():
    """A translator has two tables of word vectors and one of n-gram vectors."""
    config = TranslationConfig(input_size=4, hidden_size=3, subwords=20)
    pairs = [TextPair(["a", "b"], ["c"], ["c"])]
    options = TreeTraining(weight_decay=0.3, embedding_rate=0.0)
    training = TrainingModule(TranslationObjective(config, options, pairs, pairs), options)
    vectors = training.configure_optimizers().param_groups[1]
    model = training.model
    tables = [model.encoder.words.embedding, model.encoder.words.pieces, model.words.embedding]
    assert {id(p) for p in vectors["params"]} == {id(table.weight) for table in tables}
    assert (vectors["lr"], vectors["weight_decay"]) == (0.0, 0.0)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "sgd"])
def test_every_parameter_is_in_one_group(optimizer):
    training = made(
        optimizer=optimizer, learning_rate=0.1, embedding_rate=0.02, weight_decay=0.3, schedule="linear", average=0.9
    )
    found = training.configure_optimizers()["optimizer"]
    assert type(found).__name__.lower() == optimizer
    rest, words = found.param_groups
    assert (rest["initial_lr"], rest["weight_decay"]) == (0.1, 0.3)
    assert (words["initial_lr"], words["weight_decay"]) == (0.02, 0.0)
    assert [id(p) for p in words["params"]] == [id(training.model.encoder.words.embedding.weight)]
    given = [id(p) for group in (rest, words) for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in training.model.parameters())
