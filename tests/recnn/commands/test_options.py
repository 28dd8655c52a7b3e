"""Options made from settings: on the command line, from a file, and with invalid values."""

import json
import re

import pytest

from recnn.data import sources
from recnn.models.config import (
    AutoencoderNetworkConfig,
    PairNetworkConfig,
    PhraseNetworkConfig,
    SequenceNetworkConfig,
    TranslationConfig,
)
from recnn.models.typed_tree_config import TypedNetworkConfig
from recnn.settings import as_json
from recnn.training.options import (
    Training,
    TranslationTraining,
    TranslationWordTraining,
    TreeTraining,
    WordTraining,
)
from tests.command_line import recnn, unframed

TASKS = {
    "sentiment": [PhraseNetworkConfig, WordTraining, sources.SentimentData, TreeTraining],
    "treebank": [PhraseNetworkConfig, WordTraining, sources.BracketData, TreeTraining],
    "sentences": [PhraseNetworkConfig, WordTraining, sources.SentenceData, TreeTraining],
    "listops": [PhraseNetworkConfig, WordTraining, sources.ListOpsData, TreeTraining],
    "trees": [TypedNetworkConfig, WordTraining, sources.TypedTreeData, TreeTraining],
    "relatedness": [PairNetworkConfig, WordTraining, sources.FolderData, TreeTraining],
    "entailment": [PairNetworkConfig, WordTraining, sources.FolderData, TreeTraining],
    "autoencoder": [AutoencoderNetworkConfig, WordTraining, sources.AutoencoderData, TreeTraining],
    "translation": [TranslationConfig, TranslationWordTraining, sources.TranslationData, TranslationTraining],
    "echo": [SequenceNetworkConfig, sources.EchoData, Training],
    "subtraction": [SequenceNetworkConfig, sources.SubtractionData, Training],
    "air-quality": [SequenceNetworkConfig, sources.AirQualityData, Training],
}


def told(tmp_path, *arguments, task="sentiment"):
    """The settings in the run.json of `recnn train` with some arguments."""
    small = ["--input-size", 3, "--hidden-size", 2, "--epochs", 1]
    status, _, err = recnn("train", task, "--out", tmp_path / "run", *small, *arguments)
    assert (status, err) == (0, "")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    return {**run["settings"]["network"], **run["settings"]["words"], **run["settings"]["data"], **run["training"]}


@pytest.mark.parametrize("task", TASKS)
def test_the_options_of_the_help_are_the_fields_of_the_settings(task):
    status, out, _ = recnn("train", task, "--help", width="250")
    assert status == 0
    shown = set(re.findall(r"(?<![\w-])--[a-z-]+", out))
    expected = {"--out", "--resume", "--seeds", "--config", "--help"}
    for kind in TASKS[task]:
        for name, field in kind.__pydantic_fields__.items():
            option = "--cell-option" if name == "cell_options" else "--" + name.replace("_", "-")
            expected |= {option} | ({option.replace("--", "--no-", 1)} if field.annotation is bool else set())
            assert escaped(field.description) in unframed(out)
    # The help of an option may name another.
    assert expected <= shown
    assert shown - expected <= {"--no-lower", "--parser", "--trees", "--batch", "--alpha", "--seed"}


def escaped(text):
    """A description on one line, as in the help without frames."""
    return " ".join(text.split())


def test_what_is_typed_goes_before_the_file_and_that_before_the_default(tmp_path):
    (tmp_path / "options.toml").write_text(
        'hidden-size = 7\nbatch = 100\narity = "sum"\nlearning_rate = 1\n[cell-options]\npeepholes = true\n'
    )
    found = told(tmp_path, "--config", tmp_path / "options.toml", "--batch", 200, "--dropout", 0.25)
    default = {**as_json(PhraseNetworkConfig()), **as_json(WordTraining()), **as_json(TreeTraining())}
    changed = {
        "input_size": 3,
        "hidden_size": 2,
        "epochs": 1,
        "batch": 200,
        "arity": "sum",
        "learning_rate": 1.0,
        "cell_options": {"peepholes": True},
        "dropout": 0.25,
    }
    assert {name: found[name] for name in default} == default | changed


def test_values_of_cell_options_are_json_or_words(tmp_path):
    options = ["--cell", "recursive", "--cell-option", "leaf=input", "--hidden-size", 3, "--arity", 3]
    found = told(tmp_path, *options)
    assert (found["cell_options"], found["arity"]) == ({"leaf": "input"}, 3)


FILES = [
    (b"hidden-size = ", "options.toml: Invalid value"),
    (b"colour = 1", "options.toml: 'colour' is not an option of this command"),
    (b"out = 'x'", "options.toml: 'out' is not an option of this command"),
    (b"# \xff", "options.toml: not UTF-8 text (byte 3)"),
    (b"a = " + b"[" * 10_000, "options.toml: "),
    (None, "options.toml: No such file or directory"),
]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_a_file_that_is_wrong_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "options.toml").write_bytes(content)
    status, out, err = recnn("train", "sentiment", "--config", "options.toml", "--out", "run", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith(f"recnn: {message}")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


WRONG = [
    (["--hidden-size", "0"], "--hidden-size", "input should be greater than or equal to 1, got 0"),
    (["--hidden-size", "many"], "--hidden-size", "valid integer"),
    (["--learning-rate", "0"], "--learning-rate", "input should be greater than 0, got 0.0"),
    (["--learning-rate", "nan"], "--learning-rate", "input should be a finite number, got nan"),
    (["--dropout", "1"], "--dropout", "input should be less than 1, got 1.0"),
    (["--dropout", "nan"], "--dropout", "input should be less than 1, got nan"),
    (["--embedding-rate", "-1"], "--embedding-rate", "input should be greater than or equal to 0, got -1.0"),
    (["--embedding-scale", "inf"], "--embedding-scale", "input should be a finite number, got inf"),
    (["--warmup", "-1"], "--warmup", "input should be greater than or equal to 0, got -1"),
    (["--nodes", "0"], "--nodes", "input should be greater than or equal to 1, got 0"),
    (["--optimizer", "best"], "--optimizer", "'best' is not one of"),
    (["--cell", "conv"], "--cell", "'conv' is not one of gru, lstm, matrix-vector, "),
    (["--arity", "x"], "--arity", "input should be a valid integer or 'sum', got 'x'"),
    (["--arity", "0"], "--arity", "input should be greater than or equal to 1"),
    (["--arity", "65"], "--arity", "input should be less than or equal to 64"),
    (["--cell-option", "colour=1"], "--cell-option", "the cell 'lstm' has no option 'colour'"),
    (["--cell-option", "peepholes"], "--cell-option", "expected NAME=VALUE, got 'peepholes'"),
    (["--cell-option", "=1"], "--cell-option", "expected NAME=VALUE, got '=1'"),
    (["--cell-option", "peepholes=[1]"], "--cell-option", "input should be a valid boolean or a valid integer"),
    (["--cell-option", "peepholes=7"], "--cell-option", "peepholes is true or false, got 7"),
    (["--seed", "9" * 30], "--seed", "input should be less than"),
    (["--cell-option", "colour=" + "[" * 100_000], "--cell-option", "the cell 'lstm' has no option 'colour'"),
    (["--targets", "leaves"], "--targets", "'leaves' is not one of"),
    (["--model", "sequence", "--direction", "down"], "", "a sequence has no direction 'down'"),
    (["--cell", "matrix-vector", "--num-layers", "2"], "", "it takes one layer"),
    (["--colour", "red"], "", "No such option: --colour"),
]


@pytest.mark.parametrize(("arguments", "option", "message"), WRONG, ids=[" ".join(case[0])[:40] for case in WRONG])
def test_a_wrong_value_is_one_line_that_names_the_option(tmp_path, arguments, option, message):
    status, out, err = recnn("train", "sentiment", "--out", "run", *arguments, cwd=tmp_path, width="400")
    assert (status, out) == (2, "")
    (line,) = (line for line in err.splitlines() if "Invalid value" in line or "No such" in line)
    assert message in line
    assert option in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("hidden-size = 'x'", "hidden_size: input should be a valid integer"),
        ("hidden-size = 2024-01-01", "hidden_size: input should be a valid integer"),
        ("arity = 2.5", "arity: input should be a valid integer"),
        ("learning-rate = 0", "learning_rate: input should be greater than 0"),
        ("hidden-size = 2\nhidden_size = 3", "an option is given twice"),
    ],
)
def test_a_wrong_value_in_a_file_names_the_file(tmp_path, lines, message):
    (tmp_path / "options.toml").write_text(lines)
    status, out, err = recnn("train", "sentiment", "--config", "options.toml", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith(f"recnn: options.toml: {message}")
    assert len(err.splitlines()) == 1
