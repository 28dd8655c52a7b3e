"""Classifiers: what they compute, and the folders they are saved in."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

import recnn
from corpora import SENTIMENTS, bundled_sentiment
from parsers import InputError, words_of
from recnn import ClassifierConfig, TreeClassifier, TreeDataset
from recnn.classifier import CELLS, vocabulary_of

torch.set_num_threads(1)
TREES = [tree for tree, _ in zip(bundled_sentiment("dev"), range(8), strict=False)]
VOCABULARY = vocabulary_of(map(words_of, TREES))
LABELS = tuple(SENTIMENTS)


def classifier(seed=0, **options):
    torch.manual_seed(seed)
    return TreeClassifier(ClassifierConfig(LABELS, **{"input_size": 6, "hidden_size": 4, **options}), VOCABULARY)


@pytest.mark.parametrize("direction", ["up", "both"])
@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_answers_as_its_trees_do(model, cell, direction):
    if cell == "matrix-vector" and model == "sequence":
        return
    made = classifier(model=model, cell=cell, direction=direction).eval()
    data = TreeDataset(TREES, VOCABULARY, SENTIMENTS)
    together = made(data[[2, 0, 1]])
    torch.testing.assert_close(together, torch.cat([made(data[i]) for i in (2, 0, 1)]))
    assert together.shape == (sum(data.sizes[:3]), 5)
    together.sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    by_tree = torch.cat(made.probabilities([TREES[i] for i in (2, 0, 1)]))
    torch.testing.assert_close(by_tree, together.softmax(1))


@pytest.mark.parametrize(("direction", "layers"), [("up", 1), ("up", 2), ("both", 1), ("both", 2)])
def test_a_sequence_model_reads_each_phrase(direction, layers):
    made = classifier(model="sequence", direction=direction, num_layers=layers).eval()
    data = TreeDataset(TREES, VOCABULARY, SENTIMENTS)
    ways = direction == "both"
    reference = recnn.LSTM(6, 4, num_layers=layers, bidirectional=ways, return_sequences=False)
    reference.encoder.load_state_dict(made.encoder.encoder.state_dict())
    states = made.states(data[[1, 0]])
    row = 0
    for tree in (1, 0):
        words = [VOCABULARY.index(word) for word in words_of(TREES[tree])]
        for first, last in data[tree].ndata["span"].tolist():
            x = made.embedding(torch.tensor(words[first - 1 : last]))
            torch.testing.assert_close(states[row], reference(x)[0])
            row += 1


def test_dropped_words_are_unknown_in_training_only():
    made = classifier(word_dropout=0.999, dropout=0.0)
    forest = TreeDataset(TREES, VOCABULARY, SENTIMENTS)[[0]]
    unknown = forest.ndata["word"].clone()
    unknown[unknown >= 0] = 0
    dropped = made(forest)
    made.eval()
    assert not torch.equal(dropped, made(forest))
    forest.ndata["word"] = unknown
    torch.testing.assert_close(dropped, made(forest))


@pytest.mark.parametrize(
    "options",
    [{}, {"cell": "gru", "arity": "sum", "direction": "both", "num_layers": 2}, {"model": "sequence"}],
)
def test_a_folder_is_a_model(tmp_path, options):
    made = classifier(**options)
    made.save(tmp_path / "model")
    made.save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == ["model.json", "vocabulary.jsonl", "weights.safetensors"]
    found = recnn.load(tmp_path / "model")
    assert not found.training
    assert found.config == made.config
    assert found.vocabulary == made.vocabulary
    for (name, one), (other, two) in zip(made.state_dict().items(), found.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(one, two)
    forest = TreeDataset(TREES, VOCABULARY, SENTIMENTS)[[0, 1]]
    assert torch.equal(found(forest), made.eval()(forest))
    assert all(parameter.requires_grad for parameter in found.parameters())


def _json(**changes):
    def change(folder):
        path = folder / "model.json"
        found = json.loads(path.read_text())
        found["config"] |= changes
        path.write_text(json.dumps(found))

    return change


def _without(name):
    return lambda folder: (folder / name).unlink()


def _written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def _weights(change):
    def changed(folder):
        state = load_file(folder / "weights.safetensors")
        change(state)
        save_file(state, folder / "weights.safetensors")

    return changed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("model.json"), "no model, for it has no model.json"),
        (_without("weights.safetensors"), "no model, for it has no weights.safetensors"),
        (_written("model.json", b"{"), "model.json: Expecting property name"),
        (_written("model.json", b"\xff"), "model.json: 'utf-8' codec can't decode"),
        (_written("model.json", b"[1]"), 'expected an object with "recnn": "classifier"'),
        (_written("model.json", b"[" * 100_000), "model.json: "),
        (_written("model.json", b'{"recnn": "classifier", "format": 9}'), "the format is 9, this version reads 1"),
        (_written("model.json", b'{"recnn": "classifier", "format": 1}'), "model.json: expected an object"),
        (_json(colour="red"), "model.json: unknown: colour"),
        (_json(labels=["1"]), "labels must be at least two different strings"),
        (_json(labels=3), "labels must be at least two different strings"),
        (_json(hidden_size=10**12), "hidden_size must be an integer in 1..1,048,576"),
        (_json(hidden_size="4"), "hidden_size must be"),
        (_json(hidden_size=5), "must be .* is "),
        (_json(hidden_size=1 << 20), "must be .* is "),
        (_json(num_layers=2), "is missing"),
        (_json(cell="conv"), "cell must be one of 'lstm'"),
        (_json(cell=["lstm"]), "cell must be one of 'lstm'"),
        (_json(dropout=2), "dropout must be a probability"),
        (_written("vocabulary.jsonl", b""), "no vocabulary in this file"),
        (_written("weights.safetensors", b"junk"), "no safetensors file"),
        (_written("weights.safetensors", b""), "no safetensors file"),
        (_weights(lambda state: state.pop("head.linear.bias")), "'head.linear.bias' is missing"),
        (_weights(lambda state: state.update(more=torch.ones(1))), "'more' is not of this model"),
        (_weights(lambda state: state.update({"head.linear.bias": torch.ones(5, dtype=torch.float64)})), "must be"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path, damage, message):
    classifier().save(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=message) as caught:
        recnn.load(tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "model") in str(caught.value)


def test_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for name, message in (("file", "no folder"), ("nothing", "no such folder"), ("", "no model")):
        with pytest.raises(recnn.ModelError, match=message):
            recnn.load(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "sequence", "direction": "down"}, "has no direction 'down'"),
        ({"cell": "matrix-vector", "num_layers": 2}, "takes binary trees, in one layer"),
        ({"leaf": "input", "cell": "recursive"}, "input_size = hidden_size"),
        ({"arity": 0}, "arity must be"),
        ({"num_layers": True}, "num_layers must be"),
    ],
)
def test_wrong_configurations(options, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options)


def test_importing_recnn_imports_nothing_of_training():
    import subprocess
    import sys

    code = "import sys, recnn; print({'lightning', 'torchmetrics', 'matplotlib', 'safetensors'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
