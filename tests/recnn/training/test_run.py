"""Runs: the same for the same seed, whole after a kill, and clear about what is wrong."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import recnn
from corpora import SENTIMENTS, bundled_sentiment
from parsers import InputError
from recnn import ClassifierConfig
from recnn.data import TreeDataset
from recnn.training import RunError, TrainingOptions, read_run, share_of_rate, train

torch.set_num_threads(1)
ROOT = Path(__file__).parent.parent.parent
TREES = [tree for tree, _ in zip(bundled_sentiment("train"), range(60), strict=False)]
DEV = [tree for tree, _ in zip(bundled_sentiment("dev"), range(20), strict=False)]
CONFIG = ClassifierConfig(tuple(SENTIMENTS), input_size=6, hidden_size=5, word_dropout=0.1, input_dropout=0.1)


def trained(out, config=CONFIG, trees=TREES, resume=False, **options):
    return train(config, TrainingOptions(**{"epochs": 2, "batch": 16, **options}), trees, DEV, out, resume)


def weights(folder):
    return load_file(folder / "weights.safetensors")


def metrics(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text("utf-8").splitlines()))


def same(one, other):
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_leaves_models_metrics_and_a_picture(tmp_path):
    best = trained(tmp_path / "run", epochs=3)
    names = ["best", "curves.png", "initial", "last", "metrics.csv", "resume.ckpt", "run.json"]
    assert sorted(os.listdir(tmp_path / "run")) == names
    rows = metrics(tmp_path / "run")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert best["all"] == max(float(row["all"]) for row in rows)
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not same(tmp_path / "run" / "initial", tmp_path / "run" / "last")
    model = recnn.load(tmp_path / "run" / "best")
    scores = recnn.evaluate(model, TreeDataset(DEV, model.vocabulary, SENTIMENTS))
    for place, one in scores.items():
        assert one.record()["fine"] == pytest.approx(best[place], abs=1e-6)
        assert one.record()["binary"] == pytest.approx(best[f"binary_{place}"], abs=1e-6)


@pytest.mark.parametrize("model", ["tree", "sequence"])
@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "nodes": 300, "pool": 2, "learning_rate": 0.01}])
def test_the_seed_decides(tmp_path, model, options):
    config = ClassifierConfig(tuple(SENTIMENTS), model, input_size=6, hidden_size=5)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(tmp_path / name, config, seed=seed, **options)
    assert same(tmp_path / "a" / "last", tmp_path / "b" / "last")
    assert not same(tmp_path / "a" / "last", tmp_path / "c" / "last")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.01, "clip": 0.5, "warmup": 3},
        {"nodes": 300, "pool": 2, "patience": 9},
    ],
)
def test_more_epochs_later_are_more_epochs_at_once(tmp_path, options):
    trained(tmp_path / "once", epochs=4, **options)
    trained(tmp_path / "twice", epochs=1, **options)
    torch.rand(7)
    trained(tmp_path / "twice", resume=True, epochs=4, **options)
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "once" / part, tmp_path / "twice" / part)
    tables = [[{**row, "seconds": ""} for row in metrics(tmp_path / name)] for name in ("once", "twice")]
    assert tables[0] == tables[1]


def test_killed_in_the_middle_of_an_epoch(tmp_path):
    command = [sys.executable, "-m", "recnn", "train", "sentiment", "--input-size", "12", "--hidden-size", "10"]
    command += ["--epochs", "4", "--schedule", "cosine", "--word-dropout", "0.1", "--batch", "4"]
    subprocess.run([*command, "--out", tmp_path / "whole"], cwd=ROOT, check=True, capture_output=True)
    process = subprocess.Popen([*command, "--out", tmp_path / "killed"], cwd=ROOT, stdout=subprocess.PIPE)
    for _ in range(2):  # the lines of two epochs
        process.stdout.readline()
    time.sleep(0.3)  # into the third
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    rows = (tmp_path / "killed" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3
    assert not same(tmp_path / "whole" / "last", tmp_path / "killed" / "last")
    result = subprocess.run(
        [sys.executable, "-m", "recnn", "train", "sentiment", "--resume", "--out", tmp_path / "killed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "epoch 3:" in result.stdout
    assert "epoch 2:" not in result.stdout.replace("best: epoch 2", "")
    for part in ("initial", "best", "last"):
        assert same(tmp_path / "whole" / part, tmp_path / "killed" / part)


def test_it_stops_early(tmp_path):
    trained(tmp_path, epochs=50, patience=1, learning_rate=1e-9)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_clipping_bounds_the_step(tmp_path):
    from recnn.training import Training

    torch.manual_seed(0)
    model = recnn.TreeClassifier(CONFIG, recnn.Vocabulary(["the", "plot"]))
    data = TreeDataset(DEV, model.vocabulary, SENTIMENTS)
    for clip in (0.01, 1e9):
        training = Training(model, TrainingOptions(clip=clip), data)
        model.zero_grad()
        (100 * training.training_step(data[[0, 1]], 0)).backward()
        before = {name: p.grad.to_dense().clone() for name, p in model.named_parameters()}
        norm = math.sqrt(sum(float(g.square().sum()) for g in before.values()))
        training.configure_gradient_clipping(None)
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.grad.to_dense(), before[name] * min(1, clip / norm))


def test_schedules():
    def shares(**options):
        return [round(share_of_rate(TrainingOptions(**options), step, 6), 3) for step in range(7)]

    assert shares() == [1] * 7
    assert shares(schedule="linear", warmup=2) == [0.5, 1, 1, 0.75, 0.5, 0.25, 0]
    assert shares(schedule="cosine") == [1, 0.933, 0.75, 0.5, 0.25, 0.067, 0]


def test_folders_of_other_runs(tmp_path):
    with pytest.raises(RunError, match="no run to resume"):
        trained(tmp_path / "run", resume=True)
    trained(tmp_path / "run", epochs=1)
    with pytest.raises(RunError, match="there is a run already"):
        trained(tmp_path / "run")
    with pytest.raises(RunError, match="its options differ in 'batch'"):
        trained(tmp_path / "run", resume=True, batch=3)
    with pytest.raises(RunError, match="its trees differ in 'train'"):
        trained(tmp_path / "run", resume=True, trees=TREES[1:] + TREES[:1])
    with pytest.raises(RunError, match="its config differ in 'cell'"):
        trained(tmp_path / "run", ClassifierConfig(tuple(SENTIMENTS), cell="gru"), resume=True)
    config, options, notes = read_run(tmp_path / "run")
    assert (config, options, notes) == (CONFIG, TrainingOptions(epochs=1, batch=16), {})
    for text in ("{", "[]", '{"options": {"colour": 1}}', '{"options": {"epochs": "x"}}', '{"options": {}}'):
        (tmp_path / "run" / "run.json").write_text(text)
        with pytest.raises(RunError, match=r"run\.json: "):
            read_run(tmp_path / "run")


def test_nothing_in_a_checkpoint_is_code(tmp_path):
    trained(tmp_path, epochs=1)

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    checkpoint = torch.load(tmp_path / "resume.ckpt", weights_only=True)
    torch.save({**checkpoint, "evil": Evil()}, tmp_path / "resume.ckpt")
    with pytest.raises(RunError, match=r"resume\.ckpt: no checkpoint"):
        trained(tmp_path, resume=True)
    assert not (tmp_path / "made").exists()
    (tmp_path / "resume.ckpt").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"resume\.ckpt: no checkpoint"):
        trained(tmp_path, resume=True)


def test_what_cannot_be_trained(tmp_path):
    with pytest.raises(InputError, match="no trees to train on"):
        trained(tmp_path, trees=[])
    with pytest.raises(InputError, match="the loss is nan in epoch 0, batch"):
        trained(tmp_path / "run", embedding_scale=1e38, config=ClassifierConfig(tuple(SENTIMENTS), cell="tensor"))


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch": 1.5},
        {"optimizer": "sgd"},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"clip": -1},
        {"weight_decay": "much"},
        {"nodes": True},
    ],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        TrainingOptions(**options)


def test_a_missing_extra_is_one_line(tmp_path):
    code = "import sys; sys.modules['lightning'] = None; from recnn.cli import main; main()"
    arguments = ["train", "sentiment", "--out", str(tmp_path / "run")]
    result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "recnn: this needs lightning, which is not installed: pip install 'recnn[train]'\n"
    assert json.dumps(os.listdir(tmp_path)) == "[]"
