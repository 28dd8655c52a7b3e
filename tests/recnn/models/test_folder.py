"""Model folders: saving and loading, and one-line errors for damaged folders."""

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import recnn
from corpora import SENTIMENTS, parts
from parsers import InputError
from recnn import PairConfig, PairModel, TreeClassifier, TreeConfig, Vocabulary
from recnn.models import folder as folders

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]
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
        (pair_model, {"answer": "entailment", "cell": "matrix-vector", "parser": "left"}),
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


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_weights_in_fewer_bits_are_rounded_once(tmp_path, dtype):
    made = classifier()
    made.save(tmp_path / "whole")
    made.save(tmp_path / "model", dtype)
    written = load_file(tmp_path / "model" / "weights.safetensors")
    assert {value.dtype for value in written.values()} == {dtype}
    found = recnn.load(tmp_path / "model").state_dict()
    assert {value.dtype for value in found.values()} == {torch.float32}
    for name, value in made.state_dict().items():
        assert value.dtype == torch.float32  # saving leaves the model alone
        assert torch.equal(found[name], value.to(dtype).float())
    assert any(not torch.equal(found[name], value) for name, value in made.state_dict().items())


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


def _cut(count):
    """Cut bytes off the end of the weights, or add some."""

    def change(folder):
        path = folder / "weights.safetensors"
        content = path.read_bytes()
        path.write_bytes(content[:-count] if count > 0 else content + bytes(-count))

    return change


def _header(change):
    """Change the header of the weights; ``change`` makes its text of the entries."""

    def changed(folder):
        path = folder / "weights.safetensors"
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = change(json.loads(content[8 : 8 + length]))
        path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])

    return changed


def _changed(**fields):
    name = "head.linear.bias"
    return lambda found: json.dumps({**found, name: {**found[name], **fields}}).encode()


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
            _written("model.json", b'{"recnn": "trees", "format": "9"}'),
            "model.json: \"format\" is '9', expected 1",
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
        (_json(num_layers=1000), r"model\.json: the network has more parameters than the \d+ of weights\.safetensors"),
        (_json(num_layers=1 << 20), "num_layers: input should be less than or equal to 1024, got 1048576"),
        (_json(input_size=1 << 20, arity=64), r"expected .* of \(.*\) torch.float32, got \(.*\) torch.float32"),
        (
            _json(cell="tensor", hidden_size=1 << 20),
            "model.json: the network would have more weights",
        ),
        (_json(cell="tensor", hidden_size=1 << 20, num_layers=1000), "model.json: the network would have more weights"),
        (
            _json(cell="matrix-vector", hidden_size=1 << 20, cell_options={"rank": 1 << 62}),
            "model.json: the network would have more weights",
        ),
        (_json(cell="conv"), "model.json: cell: 'conv' is not one of gru, lstm"),
        (_json(cell=["lstm"]), "cell: input should be a valid string"),
        (_json(cell_options={"x": 1}), "cell_options: the cell 'lstm' has no option 'x'"),
        (_json(dropout=2), "dropout: input should be less than 1, got 2"),
        (_json(arity=[]), r"arity: input should be a valid integer or 'sum', got \[\]"),
        (_written("vocabulary.jsonl", b""), "no vocabulary in this file"),
        (_written("vocabulary.jsonl", b'{"unknown": null, "specials": 0, "size": 0}\n'), "expected an open vocabulary"),
        (_written("weights.safetensors", b"junk"), "not a safetensors file"),
        (_written("weights.safetensors", b""), "not a safetensors file"),
        (_cut(1), r"not a whole safetensors file: [\d,]+ bytes, expected [\d,]+$"),
        (_cut(-1), r"not a whole safetensors file: [\d,]+ bytes, expected [\d,]+$"),
        (_header(lambda found: b"{" * 10_000), "not a safetensors file"),
        (_header(lambda found: json.dumps([found]).encode()), "not a safetensors file"),
        (_header(lambda found: json.dumps({**found, "x": 3}).encode()), "not a safetensors file"),
        (_header(_changed(shape=[5, 5])), "the size of a tensor is not that of its shape"),
        (_header(_changed(shape=[-1, -5])), "expected shapes and places of integers"),
        (_header(_changed(shape=[1 << 40, 1 << 40])), "the size of a tensor is not that of its shape"),
        (_header(_changed(data_offsets=[0, 20])), "its tensors overlap or leave gaps"),
        (_header(_changed(data_offsets=[1 << 50, (1 << 50) + 20])), "its tensors overlap or leave gaps"),
        (_header(_changed(dtype="F31")), "a tensor is of the type 'F31', expected one of F64, F32"),
        (_header(_changed(more=1)), "not a safetensors file"),
        (_header(lambda found: json.dumps(found)[:-1].encode() + b', "x": 1, "x": 2}'), "a name occurs twice"),
        *(
            (_weights(lambda state, x=x: state["head.linear.bias"][1:2].fill_(x)), "'head.linear.bias' has values that")
            for x in (math.nan, math.inf, -math.inf)
        ),
        (
            _weights(lambda state: state["encoder.words.embedding.weight"][2].fill_(math.nan)),
            r"weights\.safetensors: 'encoder.words.embedding.weight' has values that are NaN or infinite",
        ),
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


def test_a_file_that_changes_afterwards_changes_nothing(tmp_path):
    made = classifier()
    made.save(tmp_path / "model")
    path = tmp_path / "model" / "weights.safetensors"
    found = recnn.load(tmp_path / "model")
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in found.state_dict().items())
    os.truncate(path, 0)
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in found.state_dict().items())


def _steps(folder, count):
    """Replace a model many times, each time with a network and a vocabulary of another size."""
    for number in range(count):
        size = 2 + number % 7
        config = TreeConfig(tuple(SENTIMENTS), input_size=size, hidden_size=size)
        made = TreeClassifier(config, Vocabulary([str(i) for i in range(size)]))
        torch.nn.init.constant_(made.head.linear.bias, size)
        made.save(folder)


@pytest.mark.parametrize("exchange", [True, False])
def test_readers_never_find_the_folder_missing_or_mixed(tmp_path, exchange, monkeypatch):
    if not exchange:
        monkeypatch.setattr(parts, "_exchanged", lambda *_: False)
    _steps(tmp_path / "model", 1)
    writer = threading.Thread(target=_steps, args=(tmp_path / "model", 60))
    writer.start()
    found = set()
    while writer.is_alive():
        assert (tmp_path / "model" / "model.json").exists() or not exchange
        model = recnn.load(tmp_path / "model")
        size = model.config.hidden_size
        assert len(model.vocabulary) == size + 1
        assert model.head.linear.bias.tolist() == [size] * 5
        found.add(size)
    writer.join()
    assert len(found) > 1
    assert os.listdir(tmp_path) == ["model"]


def test_two_writers_of_one_folder(tmp_path):
    writers = [threading.Thread(target=_steps, args=(tmp_path / "model", 15)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert os.listdir(tmp_path) == ["model"]
    assert recnn.load(tmp_path / "model").config.hidden_size == 2


def test_what_a_killed_save_has_left_goes_with_the_next(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".model.{ended.pid}.part", f".model.{ended.pid}.3.part", ".model.1.part", ".other.7.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").touch()
    (tmp_path / f".model.{ended.pid}.4.part").symlink_to(tmp_path)
    classifier().save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == [".model.1.part", ".other.7.part", "model"]  # process 1 is running


def test_a_folder_of_the_users_is_not_replaced(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to my mother.txt").write_text("precious")
    with pytest.raises(recnn.ModelError, match=r"there is 'to my mother\.txt', which is not a file of a model"):
        classifier().save(tmp_path / "letters")
    (tmp_path / "file").write_text("precious")
    with pytest.raises(NotADirectoryError):
        classifier().save(tmp_path / "file")
    (tmp_path / "link").symlink_to("model")
    (tmp_path / "empty").mkdir()
    for name in ("link", "link", "empty"):
        classifier().save(tmp_path / name)
        recnn.load(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "letters", "link", "model"]
    assert os.readlink(tmp_path / "link") == "model"
    assert (tmp_path / "file").read_text() == "precious"


FULL = """
import resource, signal, sys
from tests.recnn.models.test_folder import classifier
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
made = classifier(input_size=300)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    made.save(sys.argv[1])
except OSError as error:
    print(error.filename, error.strerror, sep=": ")
"""


@pytest.mark.parametrize(("size", "file"), [(10, ""), (5000, "weights.safetensors")])
def test_a_file_that_cannot_be_written_to_its_end_is_named(tmp_path, size, file):
    """A limit on the size of files fails as a full disk does, in the library of safetensors too."""
    classifier().save(tmp_path / "model")
    result = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "model", str(size)], capture_output=True, text=True, cwd=ROOT
    )
    assert result.stdout == f"{tmp_path / 'model' / file}: File too large\n", result.stderr
    assert os.listdir(tmp_path) == ["model"]
    recnn.load(tmp_path / "model")
