"""Model folders: saving and loading, and one-line errors for damaged folders."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

import recnn
from corpora import SENTIMENTS
from parsers import InputError
from recnn import PairConfig, PairModel, TreeClassifier, TreeConfig, Vocabulary
from recnn.models import folder as folders

torch.set_num_threads(1)
VOCABULARY = Vocabulary(["a", "b", "line\nbreak"])
SIZES = {"input_size": 6, "hidden_size": 4}


def classifier(**options):
    torch.manual_seed(0)
    return TreeClassifier(TreeConfig(tuple(SENTIMENTS), **{**SIZES, **options}), VOCABULARY)


def pair_model(**options):
    return PairModel(PairConfig(**{**SIZES, "pair_size": 3, **options}), VOCABULARY)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (classifier, {}),
        (classifier, {"cell": "gru", "arity": "sum", "direction": "both", "num_layers": 2, "form": "listops"}),
        (classifier, {"model": "sequence", "cell_options": {"peepholes": True}}),
        (pair_model, {}),
        (pair_model, {"answer": "entailment", "cell": "matrix-vector", "shape": "left"}),
    ],
)
def test_a_folder_is_a_model(tmp_path, make, options):
    made = make(**options)
    made.save(tmp_path / "model")
    made.save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == ["model.json", "vocabulary.jsonl", "weights.safetensors"]
    found = recnn.load(tmp_path / "model")
    assert type(found) is type(made)
    assert not found.training
    assert found.config == made.config
    assert found.vocabulary == made.vocabulary
    assert found.state_dict().keys() == made.state_dict().keys()
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in found.state_dict().items())
    assert all(parameter.requires_grad for parameter in found.parameters())
    assert not any(parameter.is_meta for parameter in found.parameters())


def test_a_class_loads_its_own_kind_only(tmp_path):
    pair_model().save(tmp_path / "model")
    assert isinstance(PairModel.load(tmp_path / "model"), PairModel)
    with pytest.raises(recnn.ModelError, match="expected a model of kind 'trees', got 'pairs'"):
        TreeClassifier.load(tmp_path / "model")


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    made = classifier()
    made.save(tmp_path / "model")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders._safetensors("torch"), "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        classifier(cell="gru").save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]
    assert recnn.load(tmp_path / "model").config == made.config


def _json(**changes):
    def change(folder):
        path = folder / "model.json"
        found = json.loads(path.read_text())
        found["config"] |= changes
        path.write_text(json.dumps(found))

    return change


def _without_entry(name):
    def change(folder):
        path = folder / "model.json"
        found = json.loads(path.read_text())
        del found["config"][name]
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
        (_without("model.json"), "not the folder of a model, model.json missing"),
        (_without("weights.safetensors"), "not the folder of a model, weights.safetensors missing"),
        (_without("vocabulary.jsonl"), "not the folder of a model, vocabulary.jsonl missing"),
        (_written("model.json", b"{"), "model.json: Expecting property name"),
        (_written("model.json", b"\xff"), "model.json: 'utf-8' codec can't decode"),
        (_written("model.json", b"[1]"), 'expected an object with "recnn": one of .*trees'),
        (_written("model.json", b'{"recnn": ["pairs"]}'), 'expected an object with "recnn": one of .*trees'),
        (_written("model.json", b"[" * 100_000), "model.json: "),
        (
            _written("model.json", b'{"recnn": "trees", "format": 9}'),
            "this version of recnn reads format 1, got format 9",
        ),
        (_written("model.json", b'{"recnn": "trees", "format": 1}'), "model.json: input should be an object"),
        (_json(colour="red"), "model.json: colour: "),
        (_without_entry("labels"), "model.json: labels: "),
        (_json(labels=["1"]), "labels: expected at least two different strings"),
        (_json(labels=3), "labels: input should be a valid"),
        (_json(hidden_size=10**12), "hidden_size: input should be less than or equal to 1048576, got 1000000000000"),
        (_json(hidden_size="4"), "hidden_size: input should be a valid integer, got '4'"),
        (_json(hidden_size=5), r"expected .* of \(.*\) torch.float32, got \(.*\) torch.float32"),
        (_json(hidden_size=1 << 20), r"expected .* of \(.*\) torch.float32, got \(.*\) torch.float32"),
        (_json(num_layers=2), "is missing"),
        (_json(cell="conv"), "model.json: cell: 'conv' is not one of gru, lstm"),
        (_json(cell=["lstm"]), "cell: input should be a valid string"),
        (_json(cell_options={"x": 1}), "cell_options: the cell 'lstm' has no option 'x'"),
        (_json(dropout=2), "dropout: input should be less than 1, got 2"),
        (_json(arity=[]), r"arity: input should be a valid integer or 'sum', got \[\]"),
        (_written("vocabulary.jsonl", b""), "no vocabulary in this file"),
        (_written("vocabulary.jsonl", b'{"unknown": null, "specials": 0, "size": 0}\n'), "expected an open vocabulary"),
        (_written("weights.safetensors", b"junk"), "not a safetensors file"),
        (_written("weights.safetensors", b""), "not a safetensors file"),
        (_weights(lambda state: state.pop("head.linear.bias")), "'head.linear.bias' is missing"),
        (_weights(lambda state: state.update(more=torch.ones(1))), "'more' is not part of this model"),
        (
            _weights(lambda state: state.update({"head.linear.bias": torch.ones(5, dtype=torch.float64)})),
            "got .* torch.float64",
        ),
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
    for name, message in (
        ("file", "not a folder, expected the folder of a model"),
        ("nothing", "no such folder, expected the folder of a model"),
        ("", "not the folder of a model"),
    ):
        with pytest.raises(recnn.ModelError, match=message):
            recnn.load(tmp_path / name)
