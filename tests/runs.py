"""Small training runs for tests."""

import csv

import torch
from safetensors.torch import load_file

from corpora import SENTIMENTS, bundled_sentiment
from recnn import TreeConfig
from recnn.training.objectives.trees import TreeObjective
from recnn.training.options import TreeTraining
from recnn.training.run import train

LABELS = tuple(SENTIMENTS)
TREES = [tree for tree, _ in zip(bundled_sentiment("train"), range(60), strict=False)]
DEV = [tree for tree, _ in zip(bundled_sentiment("dev"), range(20), strict=False)]
CONFIG = TreeConfig(LABELS, input_size=6, hidden_size=5, word_dropout=0.1, input_dropout=0.1)


def options_of(**options):
    return TreeTraining(**{"epochs": 2, "batch": 16, **options})


def trained(out, config=CONFIG, trees=TREES, resume=False, kind=TreeObjective, words=None, **options):
    """Train a small model; return the row of the best epoch and the objective."""
    found = []

    def make():
        found.append(kind(config, options_of(**options), trees, DEV, words))
        return found[0]

    return train(make, options_of(**options), out, resume), found[0]


def weights(folder):
    return load_file(folder / "weights.safetensors")


def same(one, other):
    """True if the weights of two models are equal, bit for bit."""
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def metrics(folder):
    """The rows of the metrics.csv of a run, without the seconds."""
    rows = csv.DictReader((folder / "metrics.csv").read_text("utf-8").splitlines())
    return [{name: float(value) for name, value in row.items() if name != "seconds"} for row in rows]
