"""Every objective with its model on a device other than that of its batches, see `tests.devices`."""

import pytest
import torch

import recnn
from corpora import SentencePair
from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.training.objectives.autoencoder import AutoencoderObjective
from recnn.training.objectives.language_model import LanguageModelObjective
from recnn.training.objectives.pairs import PairObjective
from recnn.training.objectives.regression import RegressionObjective
from recnn.training.objectives.sequences import SequenceObjective, Sequences
from recnn.training.objectives.translation import TextPair, TranslationObjective
from recnn.training.objectives.trees import TreeObjective
from recnn.training.objectives.typed_trees import TypedTreeObjective
from recnn.training.options import Training, TreeTraining
from recnn.trees import TreeExample, from_value
from tests.devices import Elsewhere, elsewhere
from tests.runs import DEV, LABELS, TREES

SIZES = {"input_size": 5, "hidden_size": 4}
SENTENCES = ["a dog runs", "the man sings here", "no song", "a man runs here"]
SENTENCE_PAIRS = [SentencePair(str(n), one, SENTENCES[n - 1], 1.0 + n, "NEUTRAL") for n, one in enumerate(SENTENCES)]
TEXTS = [TextPair(one.split(), one.upper().split()) for one in SENTENCES]


def trees(**config):
    return TreeObjective(recnn.TreeConfig(LABELS, dropout=0.0, **SIZES, **config), TreeTraining(batch=8), TREES, DEV)


def pairs(**config):
    made = recnn.PairConfig(pair_size=3, dropout=0.0, **SIZES, **config)
    return PairObjective(made, TreeTraining(batch=2), SENTENCE_PAIRS, SENTENCE_PAIRS)


def regression():
    config = recnn.RegressionConfig(means=(1.0, 2.0), deviations=(0.5, 3.0), dropout=0.0, **SIZES)
    numbers = torch.randn(len(DEV), 2)
    return RegressionObjective(config, TreeTraining(batch=8), DEV, numbers, (DEV, numbers))


def sequences(task, steps):
    config = recnn.SequenceConfig(
        inputs=2, outputs=2 if task == "classes" else 1, task=task, steps=steps, hidden_size=4
    )
    inputs = torch.randn(6, 3, 2) if steps.startswith("many") else torch.randn(6, 2)
    shape = (6, 3) if steps.endswith("many") else (6,)
    data = Sequences(inputs, torch.randn(shape) if task == "regression" else torch.randint(0, 2, shape))
    return SequenceObjective(config, Training(batch=3), data, data)


def language_model(**config):
    text = list("the boy saw her duck. " * 8)
    made = recnn.LanguageModelConfig(**SIZES, **config)
    return LanguageModelObjective(made, Training(batch=2), text, text[:50], 8)


def autoencoder(**config):
    made = recnn.AutoencoderConfig(hidden_size=4, labels=(), **config)
    return AutoencoderObjective(made, TreeTraining(batch=4), TREES[:8], DEV[:4])


def translation(**config):
    made = recnn.TranslationConfig(**SIZES, **config)
    return TranslationObjective(made, TreeTraining(batch=2), TEXTS, TEXTS)


def typed_trees(**options):
    config = TypedNetworkConfig(dropout=0.0, **SIZES, **options)
    trees = [from_value(value) for value in ({"a": [1, 2.5, "x"]}, [], 7, {"b": "new", "c": [None, [-3]]})]
    return TypedTreeObjective(
        config, TreeTraining(batch=2), *[[TreeExample(tree, "ab"[len(tree) % 2]) for tree in trees]] * 2
    )


CASES = {
    "typed trees": typed_trees,
    "typed trees, concatenated": lambda: typed_trees(inputs="concat", direction="both", arity=2, binarise=True),
    "trees": trees,
    "trees, both directions": lambda: trees(direction="both", cell="gru"),
    "trees, n-grams": lambda: trees(subwords=50),
    "trees as sequences": lambda: trees(model="sequence"),
    "trees as sequences, both directions": lambda: trees(model="sequence", direction="both"),
    "regression": regression,
    "relatedness": pairs,
    "entailment of sequences": lambda: pairs(answer="entailment", model="sequence"),
    "sequences, many to one": lambda: sequences("classes", "many-to-one"),
    "sequences, many to many": lambda: sequences("regression", "many-to-many"),
    "sequences, one to many": lambda: sequences("binary", "one-to-many"),
    "language model": language_model,
    "autoencoder": autoencoder,
    "translation": translation,
    "translation of sequences": lambda: translation(model="sequence", attention="bahdanau"),
}


@pytest.mark.parametrize("name", CASES)
def test_loss_gradients_and_measures(name):
    """They are those of the CPU; without dropout, whose masks depend on the device."""
    torch.manual_seed(0)
    here = CASES[name]()
    here.model.eval()
    batch, other = next(iter(here.batches(0))), next(iter(here.held_out()))
    expected = here.loss(batch)
    expected.backward()
    with elsewhere():
        there = CASES[name]()
        there.model.load_state_dict(here.model.state_dict())
        there.model.eval().to("meta")
        loss = there.loss(batch)
        loss.backward()
        assert isinstance(loss, Elsewhere)
        torch.testing.assert_close(loss.to("cpu"), expected, rtol=1e-5, atol=1e-6)
        parameters = zip(there.model.parameters(), here.model.named_parameters(), strict=True)
        for found, (parameter, wanted) in parameters:
            assert (found.grad is None) == (wanted.grad is None), parameter
            if found.grad is not None and not wanted.grad.is_sparse:
                torch.testing.assert_close(found.grad.to("cpu"), wanted.grad, rtol=1e-4, atol=1e-5)
        for objective in (here, there):
            objective.begin(False)
            objective.measure(other)
    measured = [{name: float(one.metric.compute()) for name, one in part.measures.items()} for part in (here, there)]
    assert measured[1] == pytest.approx(measured[0], rel=1e-4)
