"""The option `--device` of the commands that use a model."""

import re
import shutil
from pathlib import Path

import pytest
import torch

import recnn as package
from recnn.commands.app import COMMANDS
from recnn.commands.lazy import loaded
from recnn.trees import TreeExample, from_value, write_examples
from tests.command_line import recnn
from tests.devices import elsewhere

MODELS = Path(__file__).parents[1] / "models" / "version_0_1"
SENTENCE = "the boy saw her duck"
DATA = "(1 (0 the boy) (2 (1 saw) (0 her)))\n"
PAIR = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n1\tthe boy\tthe duck\t3.5\tNEUTRAL\n"
PAIRS = PAIR + "2\ta boy saw\ther duck\t2\tNEUTRAL\n"
USES = {
    "encode": ["encode", SENTENCE],
    "predict": ["predict", MODELS / "classifier", SENTENCE],
    "evaluate": ["evaluate", MODELS / "classifier", "trees.txt"],
    "evaluate pairs": ["evaluate", MODELS / "pairs", "pairs.txt"],
    "evaluate translation": ["evaluate", MODELS / "translator", "texts.tsv"],
    "evaluate typed trees": ["evaluate", "typed", "typed.jsonl"],
    "predict typed trees": ["predict", "typed", "--trees", "typed.jsonl"],
    "compare": ["compare", "run", "--on", "trees.txt", "--format", "json"],
    "explain": ["explain", MODELS / "classifier", SENTENCE],
    "explain gradient": ["explain", MODELS / "classifier", SENTENCE, "--method", "gradient"],
    "explain integrated": ["explain", MODELS / "classifier", SENTENCE, "--method", "integrated_gradients"],
    "lm score": ["lm", "score", MODELS / "language-model", "abc"],
    "lm generate": ["lm", "generate", MODELS / "language-model", "--length", 5],
    "translate": ["translate", MODELS / "translator", SENTENCE],
    "autoencode": ["autoencode", MODELS / "autoencoder", SENTENCE],
}
each_use = pytest.mark.parametrize("use", USES)


@pytest.fixture
def folder(tmp_path):
    for name, text in (("trees.txt", DATA), ("pairs.txt", PAIRS), ("texts.tsv", "Go on.\tVa !\n")):
        (tmp_path / name).write_text(text)
    shutil.copytree(MODELS / "classifier", tmp_path / "run" / "best")
    write_examples(tmp_path / "typed.jsonl", [TreeExample(from_value(value), "p") for value in ({"a": [1, "x"]}, [])])
    config = package.TypedTreeConfig(task="classes", labels=("p", "q"), outputs=2, numbers=1, hidden_size=4)
    torch.manual_seed(0)
    package.TypedTreeModel(config, package.Vocabulary(["x"]), package.Vocabulary(["array"])).save(tmp_path / "typed")
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "metrics.csv").write_text("epoch,all,roots,seconds\n1,50,50,2\n")
    return tmp_path


@each_use
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_device_that_is_there(use, device, folder, monkeypatch):
    """Without an accelerator, "auto" is the CPU; the output is that of the command without the option."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    expected = recnn(*USES[use], cwd=folder)
    assert expected[0] == 0, expected[2]
    assert expected[1]
    assert recnn(*USES[use], "--device", device, cwd=folder) == expected


@each_use
def test_what_is_computed_elsewhere_is_printed_here(use, folder, monkeypatch):
    """On the device of `tests.devices`, where a forgotten copy is an error."""
    more = (
        ["--json"]
        if use in ("translate", "predict", "predict typed trees", "encode", "autoencode", "explain", "lm score")
        else []
    )
    expected = recnn(*USES[use], *more, cwd=folder)
    monkeypatch.setattr("recnn.graphs.devices.chosen_device", lambda name: torch.device("meta"))
    with elsewhere() as device:
        found = recnn(*USES[use], *more, "--device", "cuda", cwd=folder)
    assert found[0] == 0, found[2]
    assert digits(found) == digits(expected)
    assert device.copies


def digits(found):
    """The output with its numbers to four digits, without signs, which zero may have or not."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda match: f"{abs(round(float(match[0]), 4)):.4f}", found[1])


@each_use
def test_a_device_that_is_not_there_is_one_line(use, folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    problem = "recnn: device: there is no CUDA device that torch can use\n"
    assert recnn(*USES[use], "--device", "cuda", cwd=folder) == (1, "", problem)


def test_every_command_that_takes_a_model_is_here():
    """But for `parse`, `convert`, `data`, `encode-corpus`, the page and those that train, with it as setting."""
    found = set()
    for name, command in COMMANDS.items():
        made = loaded(name, command)
        below = {part: loaded(part, one) for part, one in made.table.items()} if hasattr(made, "table") else {"": made}
        for part, one in below.items():
            if any(parameter.name == "device" for parameter in one.params):
                found.add(f"{name} {part}".strip())
    trained = {name for name in found if name.split()[0] in ("train", "tune", "serve")} | {"lm train"}
    assert found - trained == {use if use.startswith("lm") else use.split()[0] for use in USES}
    assert set(COMMANDS) - {name.split()[0] for name in found} == {"parse", "data", "convert", "encode-corpus"}
